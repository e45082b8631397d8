# syntax=docker/dockerfile:1
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/usher . && \
    mkdir -m 0700 /out/data

# Nothing but the binary, the certificates by which plex.tv is known, and a folder to write to.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/usher /usher
COPY --from=build --chown=65532:65532 /out/data /data
ENV USHER_DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 4181
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usher", "healthcheck"]
ENTRYPOINT ["/usher"]

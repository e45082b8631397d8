# make demo     everything on this machine, with sample people: no Plex account, no internet
# make run      Usher itself; its settings are the USHER_ variables of the README
# make build    the binary ./usher
# make test     all checks and tests; as root it installs what they need
# make screenshots   docs/screenshots, from the demo; needs Chromium

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

.PHONY: demo run build screenshots test tools fmt vet vuln

demo:
	go run . demo

run:
	go run .

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o usher .

screenshots:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { echo "make screenshots: needs Chromium" >&2; exit 1; }
	rm -rf docs/screenshots && mkdir -p docs/screenshots
	USHER_TEST_SHOTS=$(CURDIR)/docs/screenshots go test -count=1 -run '^TestScreenshots$$' .

# -timeout leaves room for building Caddy and Traefik when the build cache is cold.
test: tools fmt vet vuln
	go test -race -timeout 60m ./...
	go test -run '^(TestCheckStaysCheap|TestRefreshStaysCheap|TestColdStart|TestTenThousandPeople)$$' . ./auth ./desk  # the race detector would be measured with them

# A C compiler for -race, nginx and HAProxy for the recipes, Chromium for the pages, fail2ban for its filter, npm for axe-core.
# policy-rc.d keeps apt from starting what it installs.
tools:
	@want=; \
	command -v gcc >/dev/null || want="$$want gcc libc6-dev"; \
	command -v nginx >/dev/null || test -x /usr/sbin/nginx || want="$$want nginx"; \
	command -v haproxy >/dev/null || test -x /usr/sbin/haproxy || want="$$want haproxy"; \
	command -v fail2ban-regex >/dev/null || want="$$want fail2ban"; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || want="$$want chromium"; \
	command -v npm >/dev/null || want="$$want npm"; \
	test -n "$$want" || exit 0; \
	if test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null; then \
		echo "make test: not installed:$$want. Their tests are skipped (and fail where CI=true)." >&2; exit 0; \
	fi; \
	if ! test -e /usr/sbin/policy-rc.d; then \
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$want

fmt:
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "not gofmt'd:" $$bad >&2; exit 1; }

vet:
	go vet ./...
	go run $(STATICCHECK) ./...

# Exit 3 is a finding. Where the database cannot be reached the check is skipped, and says so.
vuln:
	@out=$$(timeout 120 go run $(GOVULNCHECK) ./... 2>&1); code=$$?; echo "$$out"; \
	test $$code = 0 && exit 0; \
	case "$$code:$$out" in \
	*"exit status 3"*|3:*) exit 1 ;; \
	124:*|*vuln.go.dev*) echo "make test: SKIPPED govulncheck: its database, vuln.go.dev, cannot be reached" >&2 ;; \
	*) exit 1 ;; \
	esac

package main

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// isIdentity reports whether an app could take a header for one of Remote-…;
// many fold "_" and "." into "-".
func isIdentity(name string) bool {
	return strings.HasPrefix(strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name)), "remote-")
}

// sampleApp shows who Usher says is there, as any app behind it could.
func sampleApp(name, port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		headers := [][2]string{}
		for key, values := range r.Header {
			if isIdentity(key) {
				headers = append(headers, [2]string{key, strings.Join(values, ", ")})
			}
		}
		slices.SortFunc(headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			for _, h := range headers {
				fmt.Fprintf(w, "%s: %s\n", h[0], h[1])
			}
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		err := samplePage.Execute(w, struct {
			App, Other, Port, User, Path string
			Headers                      [][2]string
		}{name, map[string]string{"whoami": "attic", "attic": "whoami"}[name], port, r.Header.Get("Remote-User"), r.URL.RequestURI(), headers})
		if err != nil {
			return // the client is gone
		}
	})
}

var samplePage = template.Must(template.New("app").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>{{.App}}</title><link rel="icon" href="data:,">
<style>
body{font:400 1rem/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1.25rem}
table{border-collapse:collapse;width:100%;margin:1.5rem 0}
th,td{text-align:left;padding:.5rem .75rem;border-bottom:1px solid #8885;overflow-wrap:anywhere;font-weight:400;vertical-align:top}
th{white-space:nowrap;color:GrayText}
code{font-family:ui-monospace,monospace}
</style>
<main>
<h1>Hello, {{.User}}</h1>
<p>This is <strong>{{.App}}</strong>, a sample app that knows nothing about Plex. It got these headers with your request for <code>{{.Path}}</code>:</p>
<table>{{range .Headers}}<tr><th scope="row"><code>{{index . 0}}</code></th><td>{{index . 1}}</td></tr>{{end}}</table>
<p><a href="http://{{.Other}}.usher.localhost:{{.Port}}/">Open the other app</a> · <a href="http://auth.usher.localhost:{{.Port}}/">Who am I, and sign out</a></p>
</main></html>
`))

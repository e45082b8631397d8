package auth_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzCheckByNobody: whatever a client and its proxy say, who has no session is
// never let in, told who they are, or given a cookie; and nothing panics.
func FuzzCheckByNobody(f *testing.F) {
	w := newWorld(f, func(s *setup) { s.allow = "anyone" })
	good := "X-Forwarded-Method: GET\nX-Forwarded-Proto: https\nX-Forwarded-Host: app.example.com\nX-Forwarded-Uri: /x\n"
	for _, headers := range []string{
		"", good, good + "Accept: text/html\n", good + "Upgrade: websocket\n", good + "X-Forwarded-Host: evil.com\n",
		"X-Original-Method: GET\nX-Original-URL: https://app.example.com/x\n", "X-Original-Method: GET\nX-Original-URL: https://app.example.com\\@evil.com/\n",
		good + "Remote-User: robin\nRemote-Groups: owner\n", good + "Cookie: __Secure-usher=MTc2; __Secure-usher=; __Host-usher=x\n", good + "Cookie: " + strings.Repeat("__Secure-usher=x; ", 200) + "\n",
		good + "Cookie: =;;==; __Secure-usher\n", good + "X-Forwarded-For: a, ::ffff:10.0.0.1, ,\n", good + "Sec-Fetch-Mode: navigate\nX-Requested-With: x\n",
		strings.Replace(good, "app.example.com", "[::1", 1), strings.Replace(good, "app.example.com", "APP.EXAMPLE.COM.:443", 1), strings.Replace(good, "/x", "/\xff%", 1), strings.Replace(good, "https", "wss", 1),
		"Host: \n", "x_forwarded_host: app.example.com\n", ": \n", "a\n",
	} {
		for _, target := range []string{"/auth/traefik", "/auth/nginx", "/auth/envoy/x", "/auth/caddy/anyone", "/auth/haproxy/user:robin?policy=anyone", "/auth/envoy:anyone/../x"} {
			f.Add("GET", target, "app.example.com", headers)
		}
	}
	f.Add("POST", "/auth/envoy//evil.com", "evil.com", good)
	f.Add("CONNECT", "/auth/", "", good)
	f.Fuzz(func(t *testing.T, method, target, host, headers string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/auth/") || len(headers) > 1<<20 {
			t.Skip()
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL, r.RequestURI, r.Host, r.RemoteAddr = method, u, target, host, proxyAddr
		for lines := bufio.NewScanner(strings.NewReader(headers)); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			name = textproto.CanonicalMIMEHeaderKey(name)
			r.Header[name] = append(r.Header[name], strings.TrimSpace(value))
		}
		w.log.Reset()
		rec := httptest.NewRecorder()
		w.usher.ServeHTTP(rec, r)
		res := rec.Result()
		if res.StatusCode < 300 || res.StatusCode > 500 || res.Header["Set-Cookie"] != nil || res.Header["Remote-User"] != nil || !slices.Equal(res.Header["Cache-Control"], []string{"no-store"}) {
			t.Errorf("%s with %v", res.Status, res.Header)
		}
		if at := res.Header.Get("Location"); at != "" {
			to, err := url.Parse(at)
			if err != nil || to.Scheme != "https" || to.Host != "auth.example.com" || len(to.Query()) != 1 || strings.ContainsFunc(at, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Fatalf("sent to %q", at)
			}
			if rd := to.Query().Get("rd"); rd != "" {
				back, err := url.Parse(rd)
				if err != nil || !strings.HasSuffix("."+back.Hostname(), ".example.com") || back.User != nil {
					t.Errorf("back to %q", rd)
				}
			}
		}
	})
}

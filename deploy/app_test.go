package deploy_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// app is what stands behind the proxy. It answers with the request as it arrived, and remembers its paths.
type app struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // by path

	began   chan struct{} // told when the first byte of a body at /upload is here
	proceed chan struct{} // awaited by /stream before its last event
}

// arrival is a request as the app saw it.
type arrival struct {
	Method, Target, Host string
	Header               http.Header
	Body                 string // its SHA-256
}

func newApp(t *testing.T) *app {
	a := &app{seen: make(map[string]int), began: make(chan struct{}, 1), proceed: make(chan struct{})}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.seen[r.URL.Path]++
	a.mu.Unlock()
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		echo(w, r.Header.Get("Sec-WebSocket-Key"), arrival{Header: r.Header}.all("Remote-User"))
		return
	}
	switch r.URL.Path {
	case "/stream":
		a.stream(w, r)
		return
	case "/upload":
		r.Body = &watched{r.Body, a.began}
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(arrival{r.Method, r.RequestURI, r.Host, r.Header, hex.EncodeToString(sum.Sum(nil))})
}

func (a *app) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: first\n")
	http.NewResponseController(w).Flush()
	select {
	case <-a.proceed:
		fmt.Fprint(w, "data: last\n")
	case <-r.Context().Done():
	}
}

// watched tells of the first byte that is read.
type watched struct {
	io.ReadCloser
	began chan<- struct{}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 && w.began != nil {
		w.began <- struct{}{}
		w.began = nil
	}
	return n, err
}

// echo takes the connection over as a WebSocket would and sends one line back, and from whom it is: what the
// proxies pass is bytes, so no frames are needed. HAProxy looks at the handshake (RFC 6455, 4.2.2).
func echo(w http.ResponseWriter, key string, users []string) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	accept := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	rw.Flush()
	line, err := bufio.NewReader(rw).ReadString('\n')
	if err != nil {
		return
	}
	fmt.Fprintf(rw, "%q: %s", users, line)
	rw.Flush()
}

// reached says how often a path was asked for.
func (a *app) reached(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen[path]
}

// total says how often anything was asked for.
func (a *app) total() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, times := range a.seen {
		n += times
	}
	return n
}

// all returns every value of a header in every spelling that some app takes for it: CGI, WSGI and PHP fold
// letter case, "_" and "." into one name.
func (a arrival) all(name string) []string {
	var values []string
	for k, v := range a.Header {
		if fold(k) == fold(name) {
			values = append(values, v...)
		}
	}
	return values
}

func fold(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

package deploy_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"usher/plex/plextest"
)

// house is a home server: a proxy in front of an app, Usher beside it, and plex.tv somewhere outside.
type house struct {
	proxy  proxy
	plex   *plextest.Server
	app    *app
	ca     authority
	front  string   // where the proxy listens
	listen string   // where Usher listens
	server *process // the proxy
	env    []string
	usher  *process
}

// newHouse starts all of it. Variables given replace those of the same name; "NAME=" takes one away.
func newHouse(t *testing.T, p proxy, site string, env ...string) *house {
	t.Helper()
	p.available(t)
	h := &house{proxy: p, plex: plextest.Start(t), app: newApp(t), ca: newAuthority(t), front: freeAddress(t), listen: freeAddress(t)}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, rules+p.rules)
	h.env = append([]string{
		"USHER_RULES_FILE=" + file,
		"USHER_URL=" + h.url("auth", ""),
		"USHER_SERVERS=" + attic,
		"USHER_OWNER=" + robinID,
		"USHER_DATA_DIR=" + t.TempDir(),
		"USHER_LISTEN=" + h.listen,
		"USHER_PLEX_URL=" + h.plex.URL,
		"USHER_PLEX_AUTH_URL=" + h.plex.AuthURL,
	}, env...)
	h.startUsher(t)
	hosts := []string{"app", "auth", "owner"}
	if site == p.overlay {
		hosts = hosts[:1]
	}
	h.server = p.run(t, h, site)
	h.awaitProxy(t, hosts...)
	return h
}

// awaitProxy waits until the proxy has a certificate for each host.
func (h *house) awaitProxy(t *testing.T, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		h.server.await(t, func() error {
			conn, err := tls.Dial("tcp", h.front, &tls.Config{RootCAs: h.ca.roots, ServerName: host + ".usher.test"})
			if err != nil {
				return err
			}
			return conn.Close()
		})
	}
}

func (h *house) startUsher(t *testing.T) {
	t.Helper()
	binary, err := usherBinary()
	if err != nil {
		t.Fatal(err)
	}
	h.usher = start(t, set(h.env), binary)
	client := &http.Client{Timeout: deadline}
	h.usher.await(t, func() error {
		res, err := client.Get("http://" + h.listen + "/healthz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

// set keeps the last of each name and drops those that are empty.
func set(env []string) []string {
	last := make(map[string]string)
	for _, e := range env {
		for i := range e {
			if e[i] == '=' {
				last[e[:i]] = e[i+1:]
				break
			}
		}
	}
	var out []string
	for name, value := range last {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// url is an address on one of the hosts of the house: auth, app or owner.
func (h *house) url(host, target string) string {
	_, port, err := net.SplitHostPort(h.front)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("https://%s.usher.test:%s%s", host, port, target)
}

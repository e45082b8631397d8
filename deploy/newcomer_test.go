package deploy_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"usher/internal/chromium"
	"usher/plex/plextest"
)

// TestNewcomer goes from an empty data folder to a rule that works, in a real browser on a small phone, in the dark: the code
// from the log, Plex, one server, who may pass, and the lines for nginx, put into nginx as they were copied.
func TestNewcomer(t *testing.T) {
	watchSources(t)
	nginx := findNginx(t)
	p := proxies()[0]
	h := &house{proxy: p, plex: plextest.Start(t), app: newApp(t), ca: newAuthority(t), front: freeAddress(t), listen: freeAddress(t)}
	h.env = []string{"USHER_URL=" + h.url("auth", ""), "USHER_DATA_DIR=" + t.TempDir(), "USHER_LISTEN=" + h.listen,
		"USHER_PLEX_URL=" + h.plex.URL, "USHER_PLEX_AUTH_URL=" + h.plex.AuthURL}
	ctx := h.chromiumBefore(t)
	if _, err := usherBinary(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.startUsher(t)
	b := h.newcomersTab(t, ctx)
	files := b.setUp(codeOf(t, h))
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, "usher", strings.TrimPrefix(name, "nginx/")), strings.NewReplacer(
			"listen 443 ssl", "listen "+h.front+" ssl",
			"/etc/ssl/usher.test", filepath.Join(h.ca.dir, "site"),
			"127.0.0.1:8080", h.app.Listener.Addr().String(),
		).Replace(text))
	}
	write(t, filepath.Join(dir, "nginx.conf"), `daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include usher/example.conf;
}
`)
	h.server = start(t, nil, nginx, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	h.awaitProxy(t, "app", "auth", "owner")

	page := h.url("app", "/newcomer")
	casey := h.openWindow(t, ctx).openTab()
	casey.open(page)
	casey.signIn("casey")
	casey.awaitApp(page, "casey")
	t.Logf("from an empty folder to casey at the app: %v", time.Since(began).Round(10*time.Millisecond))
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v, want at most two minutes", took)
	}

	for _, stranger := range []*browser{h.browser(t), h.signedIn(t, "mallory")} {
		if got := stranger.get(h.url("app", "/newcomer-refused"), asScript); got.StatusCode != http.StatusUnauthorized && got.StatusCode != http.StatusForbidden {
			t.Errorf("a stranger: %s", got.Status)
		}
	}
	if got := h.signedIn(t, "casey").get(h.url("owner", "/newcomer-refused"), asScript); got.StatusCode != http.StatusForbidden {
		t.Errorf("casey at the owner's app: %s", got.Status)
	}
	notReached(t, h, "/newcomer-refused")
	h.signedIn(t, "robin").get(h.url("owner", "/newcomers-own"), asPage).arrival(t)
	for _, path := range []string{"/setup", "/setup/done"} {
		if got := h.browser(t).get(h.url("auth", path), asPage); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s, now that it is set up: %s", path, got.Status)
		}
	}

	h.restartUsher(t)
	casey.open(page)
	casey.awaitApp(page, "casey") // the session, and the set-up
}

// chromiumBefore is startChromium while no proxy runs yet.
func (h *house) chromiumBefore(t *testing.T) context.Context {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.ca.dir, "site.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return chromium.Start(t, chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])))
}

// newcomersTab is a phone's, of 320 by 640, in the dark, which may ask Usher itself.
func (h *house) newcomersTab(t *testing.T, ctx context.Context) *tab {
	t.Helper()
	w := h.openWindow(t, ctx)
	w.faults.ours = func(address string) bool {
		return h.isOurs(address) || strings.HasPrefix(address, "http://"+h.listen+"/")
	}
	w.faults.expect("status of 403") // the wrong code
	b := w.openTab()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(320, 640, chromedp.EmulatePortrait, chromedp.EmulateMobile, chromedp.EmulateTouch))
	return b
}

// codeOf is the one-time code in Usher's log.
func codeOf(t *testing.T, h *house) string {
	t.Helper()
	code := regexp.MustCompile(`address=\S+/setup code=(\S+)`)
	var found []string
	h.usher.await(t, func() error {
		if found = code.FindStringSubmatch(h.usher.log.String()); found == nil {
			return fmt.Errorf("no code in the log")
		}
		return nil
	})
	return found[1]
}

// setUp goes through the pages and returns the files that they give for nginx.
func (b *tab) setUp(code string) map[string]string {
	b.t.Helper()
	at := "http://" + b.h.listen + "/setup"
	see := func(path, words string) {
		b.t.Helper()
		b.await(path+" with "+words, func(s shown) bool { return strings.HasPrefix(s.At, at+path) && strings.Contains(s.Text, words) })
		b.fitsInTheDark()
	}
	b.open(at)
	see("", "Set up Usher")
	for _, entered := range []string{"0000-0000-0000", strings.ToLower(code)} {
		b.do(chromedp.SendKeys(chromedp.CSS("input[name=code]"), entered, chromedp.NodeVisible))
		b.click("button.go")
		if entered != strings.ToLower(code) {
			see("/code", "Tries left: 4")
		}
	}
	see("", "Sign in as the owner")
	b.click("button.go")
	b.awaitPlex()
	b.click("button[data-person=robin]")
	b.await("the servers, or that Plex is waited for", func(s shown) bool { return strings.HasPrefix(s.At, at) })
	see("/servers", "Cellar")
	b.click("input[value='" + attic + "']")
	b.click("button.go")
	see("/people", "4 people: robin, casey, Kiddo, sam")
	b.click("input[value=shared]")
	b.click("button.go")
	see("/done", "Usher is set up")
	b.click("a[href$='proxy=nginx']")
	see("/done?proxy=nginx", "nginx/example.conf")
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	files, err := chromedp.Run(ctx, chromedp.Evaluate[map[string]string](
		`Object.fromEntries([...document.querySelectorAll("pre")].map(p => [p.previousElementSibling.textContent, p.textContent]))`))
	if err != nil || len(files) != 5 {
		b.t.Fatalf("%d files to copy, want 5: %v", len(files), err)
	}
	return files
}

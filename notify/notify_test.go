package notify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/notify"
)

const secretPath = "/hook/test-secret-path"

// desk is a receiver in memory: what it answers, and what it got.
type desk struct {
	mu     sync.Mutex
	answer func(n int, r *http.Request) (*http.Response, error) // n counts from 0
	got    []string
	at     []time.Time
}

func (d *desk) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	n := len(d.got)
	d.got, d.at = append(d.got, string(body)), append(d.at, time.Now())
	d.mu.Unlock()
	if d.answer == nil {
		return status(200)(n, r)
	}
	return d.answer(n, r)
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.got)
}

func status(code int, header ...string) func(int, *http.Request) (*http.Response, error) {
	return func(_ int, r *http.Request) (*http.Response, error) {
		res := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("no")), Request: r}
		for i := 0; i+1 < len(header); i += 2 {
			res.Header.Set(header[i], header[i+1])
		}
		return res, nil
	}
}

// hangs answers when the request is given up.
func hangs(_ int, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type outcomes struct {
	mu sync.Mutex
	n  map[string]int
}

func (o *outcomes) observe(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n == nil {
		o.n = map[string]int{}
	}
	o.n[what]++
}

func (o *outcomes) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprintf("%d sent, %d failed, %d dropped", o.n[notify.Sent], o.n[notify.Failed], o.n[notify.Dropped])
}

func receiver(t testing.TB, address string) notify.Receiver {
	t.Helper()
	r, err := notify.ParseReceiver(address)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t testing.TB, address string, d http.RoundTripper) (*notify.Notifier, *outcomes, *bytes.Buffer) {
	t.Helper()
	var out outcomes
	var log bytes.Buffer
	n := notify.New(notify.Config{To: receiver(t, address), Log: slog.New(slog.NewTextHandler(&log, nil)), Observe: out.observe, Transport: d})
	return n, &out, &log
}

func ask(words string) notify.Message {
	return notify.Message{Event: notify.Ask, At: time.Unix(1e9, 0), Account: 70010004, Name: "Frankie", Username: "frankie", App: "sonarr.example.com", Words: words, RequestID: "7F3K-Q2", Desk: true}
}

// A receiver that does not take a message gets it again, later and later, for an hour.
func TestReceiversThatFail(t *testing.T) {
	t.Parallel()
	noDNS := func(int, *http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "receiver.example.net", Err: "no such host", IsNotFound: true}}
	}
	for name, c := range map[string]struct {
		answer      func(int, *http.Request) (*http.Response, error)
		least, most int // tries
		says        string
	}{
		"500":                   {status(500), 8, 20, "answers 500"},
		"503 for a minute":      {status(503, "Retry-After", "60"), 8, 20, "answers 503"},
		"429 for 20 minutes":    {status(429, "Retry-After", "1200"), 3, 3, "answers 429"},
		"429 for a day":         {status(429, "Retry-After", "86400"), 1, 1, "answers 429"},
		"429 for ever":          {status(429, "Retry-After", "1e300"), 1, 1, "answers 429"},
		"429 until the future":  {status(429, "Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"), 1, 1, "answers 429"},
		"429 without sense":     {status(429, "Retry-After", "-5"), 8, 20, "answers 429"},
		"hangs":                 {hangs, 8, 20, "does not answer in time"},
		"has no address":        {noDNS, 8, 20, "name has no address"},
		"refuses connections":   {func(int, *http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }, 8, 20, "cannot be reached"},
		"does not want it":      {status(400), 1, 1, "answers 400"},
		"does not know us":      {status(401), 1, 1, "answers 401"},
		"is gone":               {status(404), 1, 1, "answers 404"},
		"redirects to metadata": {status(307, "Location", "http://169.254.169.254/latest/meta-data/"), 1, 1, "redirects"},
		"redirects to itself":   {status(308, "Location", "https://receiver.example.net/other"), 1, 1, "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &desk{answer: c.answer}
				began := time.Now()
				n, out, log := start(t, "https://user:test-password@receiver.example.net"+secretPath+"?k=test-query", d)
				n.Send(ask("hello"))
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				n.Close()
				if tries := d.count(); tries < c.least || tries > c.most {
					t.Errorf("%d tries, want %d to %d", tries, c.least, c.most)
				}
				if last := d.at[len(d.at)-1].Sub(began); last > time.Hour+time.Minute {
					t.Errorf("it was tried after %v", last)
				}
				if out.String() != "0 sent, 1 failed, 0 dropped" {
					t.Error(out)
				}
				text := log.String()
				if !strings.Contains(text, c.says) {
					t.Errorf("the log does not say %q: %s", c.says, text)
				}
				for _, secret := range []string{"receiver.example.net", "test-password", "test-secret-path", "test-query", "hello", "169.254"} {
					if strings.Contains(text, secret) {
						t.Errorf("the log has %q: %s", secret, text)
					}
				}
			})
		})
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{answer: func(n int, r *http.Request) (*http.Response, error) {
			if n == 0 {
				return status(429, "Retry-After", "300.5")(n, r)
			}
			return status(204)(n, r)
		}}
		n, out, _ := start(t, "https://receiver.example.net/", d)
		defer n.Close()
		n.Send(ask("hello"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.count() != 2 || d.at[1].Sub(d.at[0]) < 300*time.Second || d.at[1].Sub(d.at[0]) > 302*time.Second || out.String() != "1 sent, 0 failed, 0 dropped" {
			t.Errorf("%v, %v", d.at, out)
		}
	})
}

// Whatever the receiver does, nobody who sends waits, and no more than 100 wait to be sent.
func TestSendNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{answer: hangs}
		n, out, log := start(t, "https://receiver.example.net/", d)
		n.Send(ask("first"))
		synctest.Wait() // it is under way
		began := time.Now()
		for i := range 150 {
			n.Send(ask(fmt.Sprint("later ", i)))
		}
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
		d.mu.Lock()
		d.answer = nil
		d.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if out.String() != "101 sent, 0 failed, 50 dropped" {
			t.Error(out)
		}
		if got := strings.Join(d.got, "\n"); strings.Contains(got, "later 49”") || !strings.Contains(got, "later 50”") || !strings.Contains(got, "later 149”") {
			t.Error("not the oldest were dropped")
		}
		n.Close()
		n.Send(ask("after the end"))
		if out.String() != "101 sent, 0 failed, 51 dropped" {
			t.Error(out, log)
		}
	})
}

// What is queued when Usher stops is tried once more, and not for long.
func TestClose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		atLast func(int, *http.Request) (*http.Response, error)
		want   string
	}{
		"the receiver is back":  {nil, "3 sent, 0 failed, 0 dropped"},
		"it is not":             {status(500), "0 sent, 0 failed, 3 dropped"},
		"it hangs until killed": {hangs, "0 sent, 0 failed, 3 dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &desk{answer: status(500)}
				n, out, log := start(t, "https://receiver.example.net/", d)
				for range 3 {
					n.Send(ask("hello"))
				}
				synctest.Wait() // between two tries
				d.mu.Lock()
				d.answer = c.atLast
				d.mu.Unlock()
				began := time.Now()
				n.Close()
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				if out.String() != c.want {
					t.Errorf("%v, want %s", out, c.want)
				}
				if told := strings.Contains(log.String(), "messages=3"); told != (c.atLast != nil) {
					t.Errorf("told %v: %s", told, log)
				}
			})
		})
	}
}

// Over a real connection: TLS is checked, an answer without end is not read to its
// end, and a redirect leads nowhere.
func TestOverTheWire(t *testing.T) {
	t.Parallel()
	var followed sync.Map
	var got atomic.Int64
	answer := func(w http.ResponseWriter, r *http.Request) {
		if got.Add(1); r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cookie") != "" {
			t.Errorf("%s: %s %v", r.URL.Path, r.Method, r.Header)
		}
		switch r.URL.Path {
		case "/huge":
			for range 1 << 10 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
			t.Error("64 MB of an answer were read")
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/elsewhere":
			followed.Store("yes", true)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(answer))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	for path, want := range map[string]string{"/huge": notify.Sent, "/redirect": notify.Failed} {
		outcome := make(chan string, 1)
		n := notify.New(notify.Config{To: receiver(t, plain.URL+path), Log: slog.New(slog.DiscardHandler), Observe: func(o string) { outcome <- o }})
		n.Send(ask("hello"))
		if o := <-outcome; o != want {
			t.Errorf("%s: %s, want %s", path, o, want)
		}
		n.Close()
	}
	before := got.Load()
	n, out, log := start(t, secure.URL, nil)
	n.Send(ask("hello"))
	if n.Close(); out.String() != "0 sent, 0 failed, 1 dropped" || got.Load() != before {
		t.Errorf("an unknown certificate: %v %s", out, log)
	}
	if _, ok := followed.Load("yes"); ok {
		t.Error("a redirect was followed")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "ntfy.sh/topic", "ftp://example.com/test-secret", "https://", "https:///test-secret", "https:test-secret", "javascript:test-secret", "http://%zz/test-secret",
		"https://example.com/#test-secret", "https://ntfy.sh/", "https://ntfy.sh/two%20test-secret", "https://ntfy.sh/" + strings.Repeat("t", 65), "https://example.com/#ntfy",
		"https://example.com/" + strings.Repeat("x", 2100)} {
		if r, err := notify.ParseReceiver(address); err == nil {
			t.Errorf("%s was taken", address)
		} else if strings.Contains(err.Error(), "test-secret") || r != (notify.Receiver{}) {
			t.Errorf("%s: %v", address, err)
		}
	}
	r := receiver(t, "https://example.com/test-secret")
	if all := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Contains(all, "example.com") {
		t.Error(all)
	}
}

const hostile = "@everyone <@70010009> <!channel> **b** ~~s~~ `c` [x](https://evil.example.net) ||s|| \u202e\x00\x1b[31m <script>\n# big\r\n> q"

// Each form has what its service asks for, and nothing with which a person's own
// words could do anything.
func TestForms(t *testing.T) {
	t.Parallel()
	device := notify.Message{Event: notify.NewDevice, At: time.Unix(1e9, 0), Account: 70010001, Name: "casey", Username: "casey", App: "auth.example.com", Device: "Firefox on Linux", Address: "203.0.113.7"}
	evil := ask(hostile)
	evil.Name, evil.Username = hostile, hostile
	long := ask(strings.Repeat("*@", 5000))
	long.Name, long.Username, long.App = strings.Repeat("_", 5000), strings.Repeat("`", 5000), strings.Repeat("a.", 126)
	apprise := []string{"body", "format", "title", "type"}
	for name, c := range map[string]struct {
		address, to string
		fields      []string
	}{
		"apprise":          {"http://apprise:8000/notify/usher", "http://apprise:8000/notify/usher", apprise},
		"apprise, no key":  {"http://apprise:8000/notify", "http://apprise:8000/notify", apprise},
		"apprise, told":    {"https://push.example.com/x#apprise", "https://push.example.com/x", apprise},
		"ntfy":             {"https://ntfy.sh/test-topic", "https://ntfy.sh/", []string{"message", "title", "topic"}},
		"ntfy, own":        {"https://:tk_test@ntfy.example.com/test-topic", "https://:tk_test@ntfy.example.com/", []string{"message", "title", "topic"}},
		"ntfy, told":       {"https://push.example.com/below/test-topic/#ntfy", "https://push.example.com/below/", []string{"message", "title", "topic"}},
		"discord":          {"https://discord.com/api/webhooks/1/test", "https://discord.com/api/webhooks/1/test", []string{"allowed_mentions", "content", "flags"}},
		"discord, threads": {"https://discordapp.com/api/webhooks/1/test?thread_id=7", "https://discordapp.com/api/webhooks/1/test?thread_id=7", []string{"allowed_mentions", "content", "flags"}},
		"another's":        {"https://discord.com.example.net/api/webhooks/1/test", "https://discord.com.example.net/api/webhooks/1/test", plainFields},
		"plain":            {"https://hooks.example.com/in", "https://hooks.example.com/in", plainFields},
		"plain, told":      {"https://ntfy.sh/test-topic#json", "https://ntfy.sh/test-topic", plainFields},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []notify.Message{ask("Hello robin"), device, evil, long} {
				body, to := sent(t, c.address, m)
				if to != c.to {
					t.Errorf("sent to %s, want %s", to, c.to)
				}
				holds(t, body, c.fields, m)
			}
		})
	}
}

var plainFields = []string{"app", "at", "body", "device", "event", "format", "ip", "name", "request_id", "title", "type", "user", "user_id", "words"}

// sent is what one message becomes, and where it goes.
func sent(t *testing.T, address string, m notify.Message) (body map[string]any, to string) {
	t.Helper()
	taken := make(chan [2]string, 1)
	d := &desk{}
	d.answer = func(n int, r *http.Request) (*http.Response, error) {
		taken <- [2]string{r.URL.String(), d.got[n]}
		return status(200)(n, r)
	}
	n, _, _ := start(t, address, d)
	n.Send(m)
	one := <-taken
	n.Close()
	if err := json.Unmarshal([]byte(one[1]), &body); err != nil {
		t.Fatal(err)
	}
	return body, one[0]
}

func holds(t *testing.T, body map[string]any, fields []string, m notify.Message) {
	t.Helper()
	var names []string
	whole := ""
	for name, value := range body {
		names = append(names, name)
		whole += fmt.Sprint(value, "\n")
		if text, ok := value.(string); ok && len([]rune(text)) > 2000 {
			t.Errorf("%s has %d characters", name, len([]rune(text)))
		}
	}
	if slices.Sort(names); !slices.Equal(names, fields) {
		t.Errorf("fields %v, want %v", names, fields)
	}
	text, _ := body["body"].(string)
	switch {
	case body["topic"] != nil:
		if text, _ = body["message"].(string); body["topic"] != "test-topic" || text == "" || len(text) > 4096 || len(body["title"].(string)) > 250 {
			t.Errorf("ntfy: %v", body)
		}
	case body["content"] != nil:
		text, _ = body["content"].(string)
		if parse, ok := body["allowed_mentions"].(map[string]any)["parse"].([]any); !ok || len(parse) != 0 || body["flags"] != 4.0 || text == "" {
			t.Errorf("discord: %v", body)
		}
		for _, mark := range []string{"**b**", "~~s", "`c`", "](http", "||", "\n#", "\n>", "https://"} {
			if strings.Contains(text, mark) {
				t.Errorf("discord formats %q in %s", mark, text)
			}
		}
	default:
		if text == "" || body["type"] != "info" || body["format"] != "text" {
			t.Errorf("apprise: %v", body)
		}
	}
	for _, bad := range []string{"@everyone", "<@", "<!", "<script", "\x00", "\x1b", "\u202e", "\r"} {
		if strings.Contains(whole, bad) {
			t.Errorf("it has %q: %s", bad, whole)
		}
	}
	words := map[string]string{notify.Ask: "to be let in", notify.NewDevice: "with a new device"}[m.Event]
	if !strings.Contains(whole, words) || !strings.Contains(text, "70010") {
		t.Errorf("it does not say what happened: %s", whole)
	}
}

// Nobody is sent to a desk that there is not.
func TestWhereToAnswer(t *testing.T) {
	t.Parallel()
	for desk, want := range map[bool]string{true: "\nAnswer at Usher’s desk, or share with them in Plex.\n", false: "\nAnswer by sharing with them in Plex.\n"} {
		m := ask("hello")
		m.Desk = desk
		body, _ := sent(t, "https://hooks.example.com/in", m)
		if text := body["body"].(string); !strings.Contains(text, want) || strings.Contains(text, "desk") != desk {
			t.Errorf("a desk %v: %s", desk, text)
		}
	}
}

// docs/notify.md shows what is sent.
func TestTheDocumentedBodies(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/notify.md")
	if err != nil {
		t.Fatal(err)
	}
	device := notify.Message{Event: notify.NewDevice, At: time.Unix(1e9, 0), Account: 70010001, Name: "casey", Username: "casey", App: "auth.example.com", Device: "Firefox on Linux", Address: "203.0.113.7"}
	addresses := regexp.MustCompile("`USHER_NOTIFY_URL=(.+?)`").FindAllStringSubmatch(string(doc), -1)
	if len(addresses) != 5 {
		t.Fatalf("%d examples", len(addresses))
	}
	for i, m := range []notify.Message{ask("Hello robin"), ask("Hello robin"), ask("Hello robin"), ask("Hello robin"), device} {
		taken := make(chan string, 1)
		d := &desk{}
		d.answer = func(n int, r *http.Request) (*http.Response, error) {
			taken <- d.got[n]
			return status(200)(n, r)
		}
		n, _, _ := start(t, addresses[i][1], d)
		n.Send(m)
		body := <-taken
		n.Close()
		if i == 1 { // another topic
			body = strings.Replace(body, `"usher"`, `"my-secret-topic"`, 1)
		}
		if !strings.Contains(string(doc), "```json\n"+body+"\n```") {
			t.Errorf("the page does not show %s", body)
		}
	}
}

package auth

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"usher/session"
)

// Whatever a name is made of, a line stays one, and its other values what they are.
func TestRecordCleans(t *testing.T) {
	t.Parallel()
	keys, err := session.NewKeys("test-secret-0123456789-abcdefghijklmnop")
	if err != nil {
		t.Fatal(err)
	}
	store, err := session.Open(filepath.Join(t.TempDir(), "usher.db"), keys, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, evil := range []string{"x\ny", "x\r\ny", "x\x00y", "x\x1b[2Jy", "x\u2028y", "x\u202ey", "x\x85y", "x\xffy", `x" ip=192.0.2.66 y="`, `x\`, "x=y", strings.Repeat("é", 5000), " x ", ""} {
		var text, object bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&object, nil)} {
			s := &Server{log: slog.New(h), cfg: Config{Store: store}}
			s.record(session.Event{Kind: session.EventAccess, Result: resultRefused, Account: 7, User: evil})
		}
		e := map[string]string{}
		if err := json.Unmarshal(object.Bytes(), &e); err != nil || len(e) != 11 || e["user"] != clean(evil) || len(e["user"]) > maxHeader || e["ip"] != "" || e["user_id"] != "7" {
			t.Errorf("%q: %v, %v", evil, err, e)
		}
		for _, line := range []string{text.String(), object.String()} {
			if body := strings.TrimSuffix(line, "\n"); len(line)-len(body) != 1 || strings.ContainsAny(body, "\n\r\x00\x1b\u2028\u202e\u0085") || len(body) > 1000 {
				t.Errorf("%q: %q", evil, line)
			}
		}
		if line := text.String(); !strings.HasSuffix(line, ` app="" ip="" reason="" request_id=""`+"\n") || strings.Count(line, " ip=\"\" ") != 1 {
			t.Errorf("%q: %q", evil, line)
		}
	}
}

package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"usher/auth"
	"usher/session"
)

const handRules = `
- host: open.example.com
  bypass: true
- host: named.example.com
  allow: user:casey, user:sam
`

// What administrators decide by hand counts at every check at once, and after a restart.
func TestDecidedByHand(t *testing.T) {
	t.Parallel()
	change := func(s *setup) { s.Rules = rules(t, handRules) }
	w := newWorld(t, change)
	was := w.signedIn("casey")
	mallory := w.signedIn("mallory")
	key := w.keyOf(70010001)
	rule := func(r session.Ruling) {
		t.Helper()
		if r.By = 70010009; r.Account == 70010009 {
			r.By = 70010003
		}
		if err := w.store.Rule(r); err != nil {
			t.Fatal(err)
		}
	}
	status := func(who, path, address string, b *browser, header http.Header, want int) {
		t.Helper()
		if res := b.check(path, address, header); res.StatusCode != want {
			t.Errorf("%s, %s, %s: %s, want %d", who, path, address, res.Status, want)
		}
	}
	status("casey", "traefik", page, was, nil, 200)
	status("mallory", "traefik", page, mallory, nil, 403)

	rule(session.Ruling{Account: 70010001, Reason: "<b>for the summer</b>"})
	rule(session.Ruling{Account: 70010007, In: true})
	rule(session.Ruling{Account: 70010009}) // robin owns the server: nothing keeps them out
	robin := w.signedIn("robin")
	for range 2 {
		status("casey, signed out", "traefik", page, was, nil, 302)
		casey := w.signedIn("casey")
		for _, family := range []string{"traefik", "caddy", "nginx", "haproxy", "envoy", "traefik/anyone", "traefik/user:70010001"} {
			status("casey", family, page, casey, nil, 403)
			status("casey's key", family, page, w.browser(), program("X-Usher-Key", key), 403)
		}
		status("casey", "traefik", "https://named.example.com/", casey, nil, 403)
		status("casey", "traefik", "https://open.example.com/", casey, nil, 200)
		status("robin", "traefik", page, robin, nil, 200)
		status("mallory", "traefik", page, mallory, nil, 200)
		status("mallory", "nginx", page, mallory, nil, 200)
		status("mallory by a check's address", "traefik/shared", page, mallory, nil, 403)
		status("mallory by a rule", "traefik", "https://named.example.com/", mallory, nil, 403)
		if res := casey.get("https://auth.example.com/keys"); res.StatusCode != http.StatusForbidden {
			t.Errorf("casey's keys: %s", res.Status)
		}
		body := text(casey.check("traefik", page, nil))
		if !strings.Contains(body, "keep this account out") || strings.Contains(body, "summer") {
			t.Errorf("casey reads %s", body)
		}
		if e, err := w.usher.Explain(auth.Question{User: "casey", URL: page, Method: "GET"}); err != nil || e.Result != "refused" || e.Reason != "kept_out" || !strings.Contains(stepsOf(e), "by hand by Plex account 70010009") {
			t.Errorf("%+v %v", e, err)
		}
		if e, err := w.usher.Explain(auth.Question{User: "mallory", URL: page, Method: "GET"}); err != nil || e.Result != "allowed" || !strings.Contains(stepsOf(e), "let in by hand") {
			t.Errorf("%+v %v", e, err)
		}
		w.restart(change)
	}

	rule(session.Ruling{Account: 70010001, Reason: "<b>for the summer</b>", Tell: true})
	casey := w.signedIn("casey")
	if body := text(casey.check("traefik", page, nil)); !strings.Contains(body, "&lt;b&gt;for the summer") {
		t.Errorf("casey is not told: %s", body)
	}
	for _, account := range []int64{70010001, 70010007} {
		if _, err := w.store.Unrule(account); err != nil {
			t.Fatal(err)
		}
	}
	status("casey, let in again", "traefik", page, casey, nil, 200)
	status("casey's key", "traefik", page, w.browser(), program("X-Usher-Key", key), 200)
	status("mallory, let in no more", "traefik", page, mallory, nil, 403)
}

// stepsOf is every step of an explanation.
func stepsOf(e auth.Explanation) string {
	var b strings.Builder
	for _, s := range e.Steps {
		b.WriteString(s.Text + "\n")
	}
	return b.String()
}

// A policy that somebody only asks about lets nobody in anywhere.
func TestExplainingAPolicyAdmitsNobody(t *testing.T) {
	t.Parallel()
	var told mailbox
	w := newWorld(t, desked(t, &told))
	mallory := w.signedIn("mallory")
	if e, err := w.usher.Explain(auth.Question{User: "mallory", URL: page, Method: "GET", Policy: "anyone"}); err != nil || e.Result != "allowed" {
		t.Fatalf("%+v %v", e, err)
	}
	if res := mallory.get("https://auth.example.com/keys"); res.StatusCode != http.StatusForbidden {
		t.Errorf("keys: %s", res.Status)
	}
	if said := text(mallory.get("https://auth.example.com/api/session")); !strings.Contains(said, `"allowed":false`) {
		t.Error(said)
	}
	if w.signedIn("mallory"); len(told.take()) != 0 || strings.Contains(w.log.String(), "result=ok") {
		t.Error("they signed in as somebody who may pass")
	}
	again := w.signedIn("mallory")
	again.check("traefik/anyone", page, nil) // a proxy asks by it: now it is in use
	if said := text(again.get("https://auth.example.com/api/session")); !strings.Contains(said, `"allowed":true`) {
		t.Error(said)
	}
}

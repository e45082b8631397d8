package session_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"usher/session"
)

func TestWeakSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string][]string{
		"none":                       {},
		"empty":                      {""},
		"31 bytes":                   {secretA[:31]},
		"one byte over and over":     {strings.Repeat("a", 64)},
		"seven different bytes":      {strings.Repeat("abcdefg", 10)},
		"a good one, then a bad one": {secretA, "short"},
		"a trailing comma":           {secretA, ""},
	} {
		keys, err := session.NewKeys(secrets...)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, s := range secrets {
			if s != "" && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error quotes the secret: %v", name, err)
			}
		}
		if _, err := keys.Sealer("test", hour).Seal("x"); err == nil {
			t.Errorf("%s: the refused keys seal", name)
		}
	}
}

func TestGoodSecretsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string][]string{
		"32 bytes":              {secretA[:32]},
		"eight different bytes": {strings.Repeat("abcdefgh", 4)},
		"two":                   {secretA, secretB},
	} {
		if _, err := session.NewKeys(secrets...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	keys, token := newKeys(t, secretA), session.Token("test-token-casey")
	held := struct {
		Keys    session.Keys
		Account session.Account
	}{keys, session.Account{ID: casey, Token: token}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, keys, token, held)
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("secrets", "keys", keys, "token", token, "held", held)
	}
	b, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	if !strings.Contains(out.String(), "REDACTED") {
		t.Error("nothing was printed at all")
	}
	for _, secret := range []string{secretA, "test-token-casey", fmt.Sprintf("%x", "test-token-casey"), "[116 101", "roots"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is in %s", secret, out.String())
		}
	}
}

package auth

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// Which part of what a client sends is a key, and what of it an app may have.
func TestCredentials(t *testing.T) {
	t.Parallel()
	key := "usher_" + strings.Repeat("A", 26) + strings.Repeat("B", 26)
	other := "usher_" + strings.Repeat("C", 52)
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	authorization := func(v ...string) http.Header { return http.Header{"Authorization": v} }
	named := func(v ...string) http.Header { return http.Header{"X-Usher-Key": v} }
	with := func(h http.Header, v ...string) http.Header { h["X-Usher-Key"] = v; return h }

	app := basic("app", "secret")
	for name, c := range map[string]struct {
		header http.Header
		want   credential
	}{
		"nothing":                          {nil, credential{}},
		"an empty Authorization":           {authorization(""), credential{}},
		"an empty X-Usher-Key":             {named(""), credential{}},
		"the app's Basic":                  {authorization(app), credential{basic: true, own: app}},
		"the app's Bearer":                 {authorization("Bearer eyJhbGciOi"), credential{own: "Bearer eyJhbGciOi"}},
		"the app's Digest":                 {authorization(`Digest username="usher_bob", realm="x"`), credential{own: `Digest username="usher_bob", realm="x"`}},
		"a user of the app's named so":     {authorization(basic("usher_bob", "secret")), credential{basic: true, own: basic("usher_bob", "secret")}},
		"a key as Bearer":                  {authorization("Bearer " + key), credential{keyed: true, key: "+", held: true}},
		"a key as bearer, spaced":          {authorization(" bearer \t " + key + " "), credential{keyed: true, key: "+", held: true}},
		"a key as a password":              {authorization(basic("anybody", key)), credential{keyed: true, key: "+", basic: true, held: true}},
		"a key as a password of nobody":    {authorization(basic("", key)), credential{keyed: true, key: "+", basic: true, held: true}},
		"a key as a password, unpadded":    {authorization(strings.TrimRight(basic("x", key), "=")), credential{keyed: true, key: "+", basic: true, held: true}},
		"a key by its header":              {named(key), credential{keyed: true, key: "+"}},
		"a key beside the app's Basic":     {with(authorization(app), key), credential{keyed: true, key: "+", basic: true, own: app}},
		"the same key twice over":          {with(authorization("Bearer "+key), key), credential{keyed: true, key: "+", held: true}},
		"a key and an empty header":        {with(authorization("Bearer "+key), ""), credential{keyed: true, key: "+", held: true}},
		"what is no key, by its header":    {named("hello"), credential{keyed: true, key: "hello"}},
		"two keys":                         {with(authorization("Bearer "+key), other), credential{keyed: true, held: true}},
		"two keys, the first as password":  {with(authorization(basic("x", key)), other), credential{keyed: true, basic: true, held: true}},
		"the header twice":                 {named(key, other), credential{keyed: true}},
		"the header twice, the same":       {named(key, key), credential{keyed: true}},
		"the header twice, empty":          {named("", ""), credential{keyed: true}},
		"the header twice, joined":         {named(key + ", " + other), credential{keyed: true, key: "joined"}},
		"Authorization twice":              {authorization("Bearer "+key, "Bearer "+other), credential{keyed: true, held: true}},
		"Authorization twice, the same":    {authorization("Bearer "+key, "Bearer "+key), credential{keyed: true, held: true}},
		"the app's behind a key":           {authorization("Bearer "+key, app), credential{keyed: true, basic: true, held: true}},
		"a key behind the app's":           {authorization(app, "Bearer "+key), credential{keyed: true, basic: true, held: true}},
		"a key behind the app's, joined":   {authorization(app + ", Bearer " + key), credential{keyed: true, basic: true, held: true}},
		"a password behind others, joined": {authorization("Bearer x," + basic("x", key)), credential{keyed: true, basic: true, held: true}},
		"a key, then nothing":              {authorization("Bearer " + key + ","), credential{keyed: true, held: true}},
		"the app's twice":                  {authorization(app, app), credential{basic: true, held: true}},
		"without a scheme":                 {authorization(key), credential{keyed: true, held: true}},
		"by another scheme":                {authorization("Token " + key), credential{keyed: true, held: true}},
		"as a user name":                   {authorization(basic(key, "")), credential{keyed: true, basic: true, held: true}},
		"as a password, and then noise":    {authorization(basic("xy", key) + "!"), credential{keyed: true, basic: true, held: true}},
		"capitals":                         {authorization("Bearer " + strings.ToUpper(key)), credential{keyed: true, key: "capitals", held: true}},
		"truncated":                        {authorization("Bearer usher_"), credential{keyed: true, key: "usher_", held: true}},
		"as Basic, bare":                   {authorization("Basic " + key), credential{keyed: true, basic: true, held: true}},
		"in quotes":                        {authorization(`Bearer "` + key + `"`), credential{keyed: true, held: true}},
		"a password in quotes":             {authorization(basic("xyz", `"`+key+`"`)), credential{keyed: true, basic: true, held: true}},
		"a part of something else":         {authorization(`Digest username="usher_bob", realm="` + key + `"`), credential{keyed: true, held: true}},
		"a word more":                      {authorization("Bearer " + key + " x"), credential{keyed: true, key: "x", held: true}},
		"proxies' own":                     {http.Header{"Proxy-Authorization": {"Bearer " + key}}, credential{}},
		"other headers":                    {http.Header{"X-Api-Key": {key}, "Cookie": {"X-Usher-Key=" + key}, "X_usher_key": {key}}, credential{}},
		"letters that are no ASCII":        {authorization("Bearer é"), credential{held: true}},
		"9 kB":                             {authorization("Bearer " + strings.Repeat("x", 9<<10)), credential{held: true}},
	} {
		got := readCredential(c.header)
		switch c.want.key { // secrets do not print: say which
		case "+":
			c.want.key = got.key
			if string(got.key) != key {
				t.Errorf("%s: not the key", name)
			}
		case "joined", "capitals", "x":
			c.want.key = got.key
			if string(got.key) == key || got.key == "" {
				t.Errorf("%s: the key, or nothing", name)
			}
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if got.own != "" && got.held {
			t.Errorf("%s: the app may have it and must not", name)
		}
	}
}

// Whatever surrounds a key, no app is given it.
func FuzzCredential(f *testing.F) {
	key := "usher_" + strings.Repeat("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 2)
	f.Add("Bearer ", "", false)
	f.Add("user:", "", true)
	f.Add("Basic ", "", false)
	f.Add("Digest realm=\"", "\"", false)
	f.Add("Basic dXNlcjpwYXNz,Bearer ", ", x", false)
	f.Fuzz(func(t *testing.T, before, behind string, encoded bool) {
		text := before + key + behind
		if encoded {
			text = "Basic " + base64.StdEncoding.EncodeToString([]byte(text))
		}
		c := readCredential(http.Header{"Authorization": {text}})
		if c.own != "" || !c.held {
			t.Errorf("an app is given %q", text)
		}
	})
}

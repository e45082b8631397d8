package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/plex/plextest"
)

// TestRefusedEnvironments: each is told with its variable, exit code 2, and
// nothing listens.
func TestRefusedEnvironments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	servers := "USHER_SERVERS=" + plextest.Attic
	for name, c := range map[string]struct {
		env  []string
		says string // besides the variable, which is that of the last line of env
	}{
		"mistyped name":                    {[]string{"USHER_ALOW=owner"}, "no such variable"},
		"variable of a version to come":    {[]string{"USHER_REDIS_URL=redis://127.0.0.1"}, "no such variable"},
		"file of a mistyped name":          {[]string{"USHER_SECRTE_FILE=" + file("s", testSecret)}, "no such variable"},
		"value and file":                   {[]string{"USHER_SECRET_FILE=" + file("s2", testSecret), "USHER_SECRET=" + testSecret}, "both"},
		"file that is not there":           {[]string{"USHER_SECRET_FILE=" + dir + "/nothing"}, "no such file"},
		"empty file":                       {[]string{"USHER_PLEX_TOKEN_FILE=" + file("empty", "\n")}, "empty"},
		"endless file":                     {[]string{"USHER_SECRET_FILE=/dev/zero"}, "larger"},
		"logo that is not there":           {[]string{"USHER_LOGO=" + dir + "/nothing.png"}, "no such file"},
		"logo that is an SVG":              {[]string{"USHER_LOGO=" + file("logo.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`)}, "is no PNG, JPEG or GIF"},
		"logo that is a page":              {[]string{"USHER_LOGO=" + file("logo.png", "<!doctype html>")}, "is no PNG, JPEG or GIF"},
		"logo that never ends":             {[]string{"USHER_LOGO=/dev/zero"}, "larger than 65536 bytes"},
		"logo that is a folder":            {[]string{"USHER_LOGO=" + dir}, "directory"},
		"logo on the web":                  {[]string{"USHER_LOGO=https://example.com/logo.png"}, "no such file"},
		"accent by name":                   {[]string{"USHER_ACCENT=orange"}, "#e5a00d"},
		"accent of three digits":           {[]string{"USHER_ACCENT=#fa0"}, "#e5a00d"},
		"accent that ends a rule":          {[]string{"USHER_ACCENT=#fff}a{"}, "#e5a00d"},
		"accent with a sign":               {[]string{"USHER_ACCENT=#+12345"}, "#e5a00d"},
		"accent with more behind it":       {[]string{"USHER_ACCENT=#e5a00d;background:url(//example.com)"}, "#e5a00d"},
		"background of three colours":      {[]string{"USHER_BACKGROUND=#000000,#111111,#222222"}, "#203040"},
		"background that ends a rule":      {[]string{"USHER_BACKGROUND=#000000,red;}"}, "#203040"},
		"background that is not there":     {[]string{"USHER_BACKGROUND=" + dir + "/nothing.png"}, "no such file"},
		"background that is an SVG":        {[]string{"USHER_BACKGROUND=" + file("back.svg", "<svg/>")}, "is no PNG, JPEG or GIF"},
		"message of two lines":             {[]string{"USHER_MESSAGE=Hello\nthere"}, "one line"},
		"message without an end":           {[]string{"USHER_MESSAGE=" + strings.Repeat("é", 201)}, "200"},
		"empty secret":                     {[]string{"USHER_SECRET="}, "empty"},
		"short secret":                     {[]string{"USHER_SECRET=test-secret-too-short"}, "32"},
		"second secret short":              {[]string{"USHER_SECRET=" + testSecret + ",test-short"}, "32"},
		"secret of one letter":             {[]string{"USHER_SECRET=" + strings.Repeat("a", 64)}, "random"},
		"policy that is empty":             {[]string{"USHER_ALLOW="}, "empty"},
		"policy with an unknown term":      {[]string{"USHER_ALLOW=shared,everybody"}, "everybody"},
		"policy that lets nobody in":       {[]string{"USHER_ALLOW=!user:casey"}, "nobody"},
		"friends without the owner":        {[]string{servers, "USHER_OWNER=70010009", "USHER_ALLOW=friend"}, "USHER_PLEX_TOKEN"},
		"policy about another server":      {[]string{servers, "USHER_OWNER=70010009", "USHER_ALLOW=server:" + plextest.Cellar}, "USHER_SERVERS"},
		"admins by tier":                   {[]string{"USHER_ADMINS=home"}, "user:"},
		"admins by name alone":             {[]string{"USHER_ADMINS=user:casey,sam"}, "\"sam\""},
		"admins who are kept out":          {[]string{"USHER_ADMINS=user:casey,!user:sam"}, "!user:sam"},
		"admin without a name":             {[]string{"USHER_ADMINS=user:"}, "user:"},
		"server by name":                   {[]string{"USHER_OWNER=70010009", "USHER_SERVERS=Attic"}, "Attic"},
		"server whose owner is not known":  {[]string{servers}, "USHER_OWNER"},
		"owner 0":                          {[]string{servers, "USHER_OWNER=0"}, "id"},
		"owner by name":                    {[]string{servers, "USHER_OWNER=robin"}, "id"},
		"negative owner":                   {[]string{servers, "USHER_OWNER=-70010009"}, "id"},
		"token with a line end":            {[]string{"USHER_PLEX_TOKEN=test-token\nx"}, "copy"},
		"address without a scheme":         {[]string{"USHER_URL=auth.example.com"}, "https://"},
		"address of a public suffix":       {[]string{"USHER_URL=https://usher.duckdns.org"}, "public suffix"},
		"cookies for a public suffix":      {[]string{"USHER_COOKIE_DOMAIN=co.uk", "USHER_URL=https://auth.example.co.uk"}, "public suffix"},
		"cookies for somebody else":        {[]string{"USHER_COOKIE_DOMAIN=example.org", "USHER_URL=https://auth.example.com"}, "example.org"},
		"more domains than addresses":      {[]string{"USHER_URL=https://auth.example.com", "USHER_COOKIE_DOMAIN=example.com,example.org"}, "2 domains"},
		"two addresses of one domain":      {[]string{"USHER_URL=https://auth.example.com,https://login.example.com"}, "share"},
		"listening on a word":              {[]string{"USHER_LISTEN=everywhere"}, ":4181"},
		"metrics on a port too high":       {[]string{"USHER_METRICS_LISTEN=:99999"}, ":4181"},
		"proxies by name":                  {[]string{"USHER_TRUSTED_PROXIES=traefik"}, "network"},
		"no proxies":                       {[]string{"USHER_TRUSTED_PROXIES="}, "empty"},
		"proxies everywhere":               {[]string{"USHER_TRUSTED_PROXIES=0.0.0.0/0"}, "anybody"},
		"proxies everywhere, IPv6":         {[]string{"USHER_TRUSTED_PROXIES=10.0.0.0/8,::/0"}, "anybody"},
		"lifetime without a unit":          {[]string{"USHER_SESSION_LIFETIME=720"}, "duration"},
		"lifetime longer than browsers":    {[]string{"USHER_SESSION_LIFETIME=100000h"}, "duration"},
		"recheck of nothing":               {[]string{"USHER_RECHECK=0"}, "duration"},
		"negative grace":                   {[]string{"USHER_OUTAGE_GRACE=-1h"}, "duration"},
		"headers without a field":          {[]string{"USHER_HEADERS=Remote-User"}, "{field}"},
		"headers with a field unknown":     {[]string{"USHER_HEADERS=Remote-User={password}"}, "{password}"},
		"an identity as a cookie":          {[]string{"USHER_HEADERS=Set-Cookie={username}"}, "Set-Cookie"},
		"one header twice":                 {[]string{"USHER_HEADERS=Remote-User={username},remote-user={id}"}, "twice"},
		"cookies neither nor":              {[]string{"USHER_INSECURE_COOKIES=maybe"}, "true or false"},
		"redeem yes":                       {[]string{"USHER_REDEEM=yes"}, "true or false"},
		"log level":                        {[]string{"USHER_LOG_LEVEL=loud"}, "debug"},
		"log format":                       {[]string{"USHER_LOG_FORMAT=xml"}, "json"},
		"plex.tv over another scheme":      {[]string{"USHER_PLEX_URL=ftp://plex.tv"}, "https://plex.tv"},
		"Plex's page with a fragment":      {[]string{"USHER_PLEX_AUTH_URL=https://app.plex.tv/auth#?"}, "https://plex.tv"},
		"messages to no address":           {[]string{"USHER_NOTIFY_URL=ntfy.sh/test-topic"}, "https://ntfy.sh/topic"},
		"messages in no form":              {[]string{"USHER_NOTIFY_URL=https://example.com/in#slack"}, "#ntfy"},
		"messages to ntfy without a topic": {[]string{"USHER_NOTIFY_URL=https://ntfy.sh"}, "topic"},
		"client id with a space":           {[]string{"USHER_CLIENT_ID=my usher"}, "space"},
		"port of another kubernetes thing": {[]string{"USHER_PORT=4181"}, "no such variable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := run1(t, append([]string{"USHER_DATA_DIR=" + t.TempDir()}, c.env...))
			variable, _, _ := strings.Cut(c.env[len(c.env)-1], "=")
			if code != 2 || !strings.Contains(errOut, variable+":") || !strings.Contains(errOut, c.says) {
				t.Errorf("%q: exit %d\n%s", c.env, code, errOut)
			}
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	env := []string{"USHER_SECRET=" + testToken[:20], "USHER_PLEX_TOKEN=" + testToken + " ", "USHER_ALLOW=nobody", "USHER_RECHECK=soon",
		"USHER_URL=nowhere", "USHER_TRUSTED_PROXIES=some", "USHER_MISTYPED=x", "USHER_HEADERS=x", "USHER_LOG_LEVEL=x", "USHER_OWNER=x"}
	for _, command := range []string{"serve", "config"} {
		code, out, errOut := run1(t, env, command)
		if want := map[string]int{"serve": 2, "config": 1}[command]; code != want {
			t.Errorf("%s: exit %d, want %d", command, code, want)
		}
		for _, e := range env {
			if name, _, _ := strings.Cut(e, "="); !strings.Contains(errOut, name+":") {
				t.Errorf("%s says nothing about %s:\n%s", command, name, errOut)
			}
		}
		if strings.Contains(out+errOut, testToken[:20]) {
			t.Errorf("%s shows a secret:\n%s%s", command, out, errOut)
		}
	}
}

func TestConfigTellsValuesAndSources(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Kubernetes adds some, compose sets what is not there to nothing, and
	// variables without our prefix are not ours.
	code, out, errOut := run1(t, []string{
		"USHER_SECRET_FILE=" + secret, "USHER_PLEX_TOKEN=" + testToken, "USHER_NOTIFY_URL=https://ntfy.sh/test-topic", "USHER_SERVERS=" + plextest.Attic, "USHER_TITLE=Robin's", "USHER_URL=",
		"USHER_SERVICE_HOST=10.0.0.1", "USHER_SERVICE_PORT=4181", "USHER_SERVICE_PORT_HTTP=4181", "USHER_PORT=tcp://10.0.0.1:4181",
		"USHER_PORT_4181_TCP=tcp://10.0.0.1:4181", "USHER_PORT_4181_TCP_ADDR=10.0.0.1",
		"ALLOW=anyone", "SECRET=" + testToken, "URL=https://elsewhere.example", "LISTEN=:1",
	}, "config")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, errOut)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		rows[f[0]] = f
	}
	for name, want := range map[string]string{
		"USHER_SECRET":     "(hidden) file " + secret,
		"USHER_PLEX_TOKEN": "(hidden) environment",
		"USHER_NOTIFY_URL": "(hidden) environment",
		"USHER_SERVERS":    plextest.Attic + " environment",
		"USHER_TITLE":      "Robin's environment",
		"USHER_URL":        "(under /_usher/ of every host) default",
		"USHER_OWNER":      "(whose the token is) USHER_PLEX_TOKEN",
		"USHER_CLIENT_ID":  "(made at the first start) data/client-id",
		"USHER_ALLOW":      "shared default",
		"USHER_LISTEN":     ":4181 default",
	} {
		if got := strings.Join(rows[name], " "); !strings.HasPrefix(got, name+" "+want) {
			t.Errorf("%s: %q, want it to begin with %q", name, got, want)
		}
	}
	if strings.Contains(out+errOut, testSecret) || strings.Contains(out+errOut, testToken) {
		t.Errorf("a secret is shown:\n%s", out)
	}
}

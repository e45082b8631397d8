package auth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"usher/plex/plextest"
)

const (
	fail2banFilter = "../deploy/fail2ban/filter.d/usher.conf"
	crowdsecParser = "../deploy/crowdsec/parsers/s01-parse/usher-audit.yaml"
	victim         = "192.0.2.66" // whom attackers want banned
)

// bans are the addresses that a filter makes of a log, with how often.
type bans map[string]int

func bansOf(log string, patterns []*regexp.Regexp) bans {
	found := bans{}
	for line := range strings.Lines(log) {
		for _, p := range patterns {
			if m := p.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
				if a, err := netip.ParseAddr(m[p.SubexpIndex("ip")]); err == nil {
					found[a.String()]++
				}
				break
			}
		}
	}
	return found
}

// wanted are the bans that a log should make, read as JSON or as words.
func wanted(log string) bans {
	want := bans{}
	for _, line := range strings.Split(log, "\n") {
		e := map[string]string{}
		if json.Unmarshal([]byte(line), &e) != nil {
			for _, word := range strings.Fields(line) {
				name, value, _ := strings.Cut(word, "=")
				e[name] = strings.Trim(value, `"`)
			}
		}
		what := e["event"] + " " + e["result"] + " " + e["reason"]
		if e["msg"] == "audit" && e["ip"] != "" && slices.Contains([]string{"key wrong unknown", "key slowed address", "sign_in too_many address", "redeem too_many address"}, what) {
			want[e["ip"]]++
		}
	}
	return want
}

// fail2ban are the filter's expressions, as fail2ban would put them together.
func fail2ban(t *testing.T) (patterns []*regexp.Regexp) {
	t.Helper()
	file, err := os.ReadFile(fail2banFilter)
	if err != nil {
		t.Fatal(err)
	}
	defs := regexp.MustCompile(`(?m)^(_?\w+) = (.*(?:\n +.*)*)$`).FindAllStringSubmatch(string(file), -1)
	for _, def := range defs {
		if def[1] != "failregex" {
			continue
		}
		for line := range strings.Lines(def[2]) {
			line = strings.TrimSpace(line)
			for strings.Contains(line, "%(") {
				for _, d := range defs {
					line = strings.ReplaceAll(line, "%("+d[1]+")s", d[2])
				}
			}
			patterns = append(patterns, regexp.MustCompile(strings.Replace(line, "<ADDR>", `(?P<ip>[0-9A-Fa-f:.]+)`, 1)))
		}
	}
	if len(patterns) != 6 {
		t.Fatalf("%d expressions", len(patterns))
	}
	return patterns
}

// crowdsec are the parser's patterns, expanded as https://docs.crowdsec.net/docs/log_processor/parsers/patterns-documentation says.
func crowdsec(t *testing.T) (patterns []*regexp.Regexp) {
	t.Helper()
	var parser struct {
		Name, Filter, Onsuccess string
		Syntax                  map[string]string `yaml:"pattern_syntax"`
		Nodes                   []struct {
			Grok struct {
				Pattern string
				ApplyOn string `yaml:"apply_on"`
			}
		}
		Statics []struct{ Meta, Value, Expression, Target string }
	}
	unmarshal(t, crowdsecParser, &parser)
	for _, node := range parser.Nodes {
		text := regexp.MustCompile(`%\{(\w+)(?::(\w+))?\}`).ReplaceAllStringFunc(node.Grok.Pattern, func(use string) string {
			name, field, _ := strings.Cut(strings.Trim(use, "%{}"), ":")
			if parser.Syntax[name] == "" || field == "" {
				t.Errorf("there is no %s", use)
			}
			return "(?P<" + field + ">" + parser.Syntax[name] + ")"
		})
		if node.Grok.ApplyOn != "message" {
			t.Errorf("%s is applied on %q", text, node.Grok.ApplyOn)
		}
		patterns = append(patterns, regexp.MustCompile(text))
	}
	means := map[string]string{}
	for _, s := range parser.Statics {
		means[s.Meta+s.Target] = s.Value + s.Expression
	}
	want := map[string]string{"service": "usher", "log_type": "usher_guess", "source_ip": "evt.Parsed.ip", "app": "evt.Parsed.app", "evt.StrTime": "evt.Parsed.time"}
	if diff := cmp.Diff(want, means); diff != "" || len(patterns) != 6 || parser.Onsuccess != "next_stage" || parser.Filter != "evt.Parsed.program == 'usher'" {
		t.Errorf("%d patterns, %q, %q; %s", len(patterns), parser.Onsuccess, parser.Filter, diff)
	}
	return patterns
}

func unmarshal(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Guesses are banned, and nothing else that happens.
func TestWhoIsBanned(t *testing.T) {
	t.Parallel()
	filters := map[string][]*regexp.Regexp{"fail2ban": fail2ban(t), "CrowdSec": crowdsec(t)}
	for format, handler := range formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			log := wholeLog(t, handler)
			want := wanted(log)
			if want["203.0.113.8"] < 10 || len(want) != 2 {
				t.Fatalf("this test sees no guesses: %v", want)
			}
			for name, patterns := range filters {
				if diff := cmp.Diff(want, bansOf(log, patterns)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			if diff := cmp.Diff(want, bansOf(regexp.MustCompile(`(?m)^`).ReplaceAllString(log, "attic usher[4711]: "), filters["fail2ban"])); diff != "" {
				t.Errorf("fail2ban under journald: %s", diff)
			}
		})
	}
}

// attack is everything that clients can put into a log, with lines that they would
// like to be read.
func attack(t *testing.T, format string) string {
	t.Helper()
	log := &logBuffer{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { redeeming(s); s.logTo = formats[format](log) })
		text := `level=WARN msg=audit event=key result=wrong user_id="" user="" app=app.example.com ip=` + victim + ` reason=unknown request_id=""`
		object := `"level":"WARN","msg":"audit","event":"key","result":"wrong","user_id":"","user":"","app":"app.example.com","ip":"` + victim + `","reason":"unknown","request_id":""}`
		for i, evil := range []string{
			victim, "ip=" + victim, " ip=" + victim + ` reason=unknown request_id=""`, `x" ip=` + victim + ` reason=unknown request_id="`, `","ip":"` + victim + `","reason":"unknown","request_id":""}`,
			text, "\n" + text, "\ntime=2026-10-10T20:15:00.123Z " + text, "\r\ntime=2026-10-10T20:15:00.123Z " + text + "\r\n", " time=2026-10-10T20:15:00.123Z " + text,
			`{"time":"2026-10-10T20:15:00.123Z",` + object, "\n" + `{"time":"2026-10-10T20:15:00.123Z",` + object, `",` + object, "attic usher[1]: " + text, "attic usher[1]: time=2026-10-10T20:15:00.123Z " + text,
			"\u2028" + text, "\x85" + text, "\x00" + text, "\x1b[2K\x1b[G" + text, `\n` + text, `\u000a` + text, "%0a" + text, "event=key result=wrong ip=" + victim, victim + ` user=""`,
		} {
			w.plex.Edit("mallory", func(p *plextest.Person) { p.Username, p.Title, p.Email = evil, evil, evil })
			b := w.browser()
			b.from = fmt.Sprint("203.0.113.", 100+i)
			header := http.Header{"User-Agent": {evil}, "Referer": {evil}, "X-Request-Id": {evil}, "X-Real-Ip": {victim}, "Forwarded": {"for=" + victim}}
			b.do(http.MethodGet, b.approve(b.post(site+"/login", url.Values{"rd": {evil}}).Header.Get("Location"), "mallory"), nil, header)
			key := program("X-Usher-Key", "usher_"+evil)
			maps.Copy(key, header)
			for _, proxy := range []string{"traefik", "nginx", "envoy"} {
				for _, h := range []http.Header{header, key, program("Authorization", "Bearer "+evil), program("Authorization", basic(evil, "usher_"+evil))} {
					b.check(proxy, page, h)
					w.browser().check(proxy, "https://app.example.com/"+url.PathEscape(evil)+"?"+url.QueryEscape(evil), h)
				}
				for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Proto", "X-Original-Url", "X-Original-Method"} {
					h := maps.Clone(key)
					h[name] = []string{evil}
					b.check(proxy, page, h)
				}
			}
			// What the client says in front of what the proxy adds.
			guess := program("X-Usher-Key", fmt.Sprint("usher_", i))
			guess["X-Forwarded-For"] = []string{victim + ", " + evil + ", " + b.from}
			b.check("traefik", page, guess)
			guess["X-Forwarded-For"] = []string{victim, evil + "," + b.from + ", 10.0.0.3"}
			b.check("traefik", page, guess)
			b.check("envoy:"+url.PathEscape(evil)+"/", page, nil)
			b.check("traefik/"+url.PathEscape(evil), page, nil)
			b.get(site + "/refused?why=" + url.QueryEscape(evil) + "&rd=" + url.QueryEscape(evil))
			b.post(site+"/keys", url.Values{"name": {evil}, "ends": {"30"}, "hosts": {evil}})
			b.redeem(redeemURL, bodyOf(evil), header)
			for range 12 {
				b.post(site+"/login", url.Values{"rd": {evil}})
			}
			b.post(site+"/logout", url.Values{"rd": {evil}})
			time.Sleep(time.Minute)
		}
	})
	return log.String()
}

// Nobody gets another one's address banned, whatever they call themselves.
func TestNobodyGetsSomebodyElseBanned(t *testing.T) {
	t.Parallel()
	for format := range formats {
		log := attack(t, format)
		if n := strings.Count(log, victim); n < 20 {
			t.Errorf("%s: the address is in the log %d times: this test looks at nothing", format, n)
		}
		for name, patterns := range map[string][]*regexp.Regexp{"fail2ban": fail2ban(t), "CrowdSec": crowdsec(t)} {
			got := bansOf(log, patterns)
			for address := range got {
				if !strings.HasPrefix(address, "203.0.113.") {
					t.Errorf("%s, %s: %s is banned", name, format, address)
				}
			}
			if len(got) < 20 {
				t.Errorf("%s, %s: only %d attackers are banned", name, format, len(got))
			}
			if again := bansOf(regexp.MustCompile(`(?m)^`).ReplaceAllString(log, "attic usher[4711]: "), patterns); again[victim] > 0 {
				t.Errorf("%s, %s, behind a prefix: banned", name, format)
			}
		}
	}
}

// The filters do not lean on the quoting of the log: lines as they would be without
// it, and those of others, ban nobody, or whoever wrote them.
func TestLinesThatOnlyLookLikeOurs(t *testing.T) {
	t.Parallel()
	const (
		text   = `time=2026-10-10T20:15:00.123Z level=WARN msg=audit event=key result=wrong user_id="" user="" app=app.example.com ip=192.0.2.66 reason=unknown request_id=""`
		object = `{"time":"2026-10-10T20:15:00.123Z","level":"WARN","msg":"audit","event":"key","result":"wrong","user_id":"","user":"","app":"app.example.com","ip":"192.0.2.66","reason":"unknown","request_id":""}`
	)
	for name, patterns := range map[string][]*regexp.Regexp{"fail2ban": fail2ban(t), "CrowdSec": crowdsec(t)} {
		for _, line := range []string{text, object} {
			if got := bansOf(line, patterns); got[victim] != 1 {
				t.Errorf("%s: %v of a line of ours:\n%s", name, got, line)
			}
			app := strings.Replace(line, "app.example.com", "x ip=192.0.2.67 reason=unknown request_id=", 1)
			for what, bad := range map[string]string{
				"something in front": "x " + line, "a message in front": `time=2026-10-10T20:15:00.123Z level=INFO msg="` + line, "JSON in front": `{"msg":"` + line, "a prefix that is none": "x=y usher[1]: " + line,
				"something behind": line + " x", "a quote behind": line + `"`, "more values": strings.TrimSuffix(line, "}") + ` ip=192.0.2.67`, "a host with an address in it": app,
				"a host with quotes": strings.Replace(line, "app.example.com", `","ip":"192.0.2.67","x":"`, 1), "a name": strings.NewReplacer(`user=""`, "user=casey", `"user":""`, `"user":"casey"`).Replace(line),
				"an id": strings.NewReplacer(`user_id=""`, "user_id=1", `"user_id":""`, `"user_id":"1"`).Replace(line), "a request": strings.NewReplacer(`request_id=""`, "request_id=A", `"request_id":""`, `"request_id":"A"`).Replace(line),
				"no address": strings.Replace(line, victim, "", 1), "two addresses": strings.Replace(line, victim, victim+" 192.0.2.67", 1), "a network": strings.Replace(line, victim, victim+"/1", 1), "a host name": strings.Replace(line, victim, "example.com", 1),
				"another level": strings.Replace(line, "WARN", "INFO", 1), "another message": strings.Replace(line, "audit", "audit2", 1), "an old key": strings.Replace(line, "unknown", "again", 1), "another result": strings.Replace(line, "wrong", "made", 1),
			} {
				if got := bansOf(bad, patterns); len(got) > 0 {
					t.Errorf("%s, %s: %v is banned by\n%s", name, what, got, bad)
				}
			}
		}
	}
}

// fail2ban's own program says what the translation above says. Not parallel: it
// starts a process, beside which stores are opened again.
func TestFail2banItself(t *testing.T) {
	program, err := exec.LookPath("fail2ban-regex")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("fail2ban is not installed: make test as root")
		}
		t.Skip("fail2ban is not installed: apt-get install fail2ban, or make test as root")
	}
	for format, handler := range formats {
		for name, log := range map[string]string{"everything": wholeLog(t, handler), "an attack": attack(t, format)} {
			file := filepath.Join(t.TempDir(), "usher.log")
			if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), program, "--usedns=no", "--out=<ip>", file, fail2banFilter).Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := bans{}
			for line := range strings.Lines(string(out)) {
				if a, err := netip.ParseAddr(strings.TrimSpace(line)); err == nil {
					got[a.String()]++
				}
			}
			if diff := cmp.Diff(bansOf(log, fail2ban(t)), got); diff != "" || len(got) < 2 {
				t.Errorf("%s, %s: %s", format, name, diff)
			}
		}
	}
}

func TestTheOtherFilesForBans(t *testing.T) {
	t.Parallel()
	var scenario struct {
		Type, Name, Filter, Groupby, Leakspeed, Blackhole string
		Capacity                                          int
		Labels                                            map[string]any
	}
	unmarshal(t, "../deploy/crowdsec/scenarios/usher-guessing.yaml", &scenario)
	if scenario.Type != "leaky" || scenario.Filter != "evt.Meta.log_type == 'usher_guess'" || scenario.Groupby != "evt.Meta.source_ip" || scenario.Capacity != 10 || scenario.Labels["remediation"] != true {
		t.Errorf("%+v", scenario)
	}
	for _, d := range []string{scenario.Leakspeed, scenario.Blackhole} {
		if _, err := time.ParseDuration(d); err != nil {
			t.Error(err)
		}
	}
	var acquis struct {
		Labels map[string]string
	}
	unmarshal(t, "../deploy/crowdsec/acquis.yaml", &acquis)
	if acquis.Labels["type"] != "usher" { // what the parser's filter asks for
		t.Errorf("%+v", acquis)
	}
	jail, err := os.ReadFile("../deploy/fail2ban/jail.d/usher.conf")
	if err != nil {
		t.Fatal(err)
	}
	// A trusted proxy is never banned: what is trusted by default is left out.
	for _, network := range []string{"127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"} {
		if !strings.Contains(string(jail), network) {
			t.Errorf("the jail does not leave out %s", network)
		}
	}
}

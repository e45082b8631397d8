package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsc.io/qr"

	"usher/desk"
	"usher/plex"
	"usher/plex/plextest"
)

// terminal is whoever sits there: what they type, what they see, and what is
// stored in the end.
type terminal struct {
	stand  *plextest.Server
	out    output
	stored []desk.Setup
	fixed  desk.Fixed
	fail   error
	live   bool

	addresses addresses
	printed   bool
}

// run goes through usher setup, with the code approved by a person ("": by
// nobody) a while after it is shown.
func (m *terminal) run(t *testing.T, person, typed string) error {
	t.Helper()
	client, err := plex.New(plex.Config{URL: m.stand.URL, ClientID: "test-client", Transport: m.stand.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if person != "" {
		go func() {
			time.Sleep(7 * time.Second)
			if code := codeShown(m.out.String()); code == "" || m.stand.Approve(code, person) != nil {
				t.Errorf("the code %q cannot be approved", code)
			}
		}()
	}
	d := dialogue{in: bufio.NewReader(strings.NewReader(typed)), out: &m.out, live: m.live}
	return d.setUp(ctx, kept{addresses: m.addresses, printed: m.printed, fixed: m.fixed, client: client, store: func(_ context.Context, _ plex.Token, s desk.Setup) error {
		if m.fail == nil {
			m.stored = append(m.stored, s)
		}
		return m.fail
	}})
}

func codeShown(text string) string {
	m := regexp.MustCompile(`\n    ([A-Z0-9]{4})\n`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

// inTime runs a test in which time costs nothing.
func inTime(t *testing.T, f func(t *testing.T, m *terminal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &terminal{stand: plextest.Start(t, plextest.InMemory())}
		f(t, m)
		m.stand.Close()
	})
}

func TestTerminalRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		person, typed string
		change        func(*terminal)
		says          string
	}{
		"nobody types the code":      {"", "1\n3\n", nil, "the code is over"},
		"an account without servers": {"casey", "1\n3\n", nil, "this account owns no server"},
		"no answer":                  {"robin", "", nil, "no answer"},
		"half an answer":             {"robin", "1", nil, "no answer"},
		"none of the servers":        {"robin", "0\n3\n\n1,1\nAttic\n-1\n1;2\n", nil, "no answer"},
		"none of the choices":        {"robin", "1\n0\n6\nshared\n\n", nil, "no answer"},
		"a full disk":                {"robin", "1\n3\n", func(m *terminal) { m.fail = io.ErrShortWrite }, "short write"},
		"another owner":              {"robin", "1\n3\n", func(m *terminal) { m.fixed.Owner = 70010008 }, "USHER_OWNER"},
		"no PIN":                     {"", "1\n3\n", func(m *terminal) { m.stand.Fail(plextest.CreatePIN, plextest.Maintenance()) }, "no usable answer"},
		"plex.tv silent half-way":    {"robin", "1\n3\n", func(m *terminal) { m.stand.Fail(plextest.Users, plextest.Maintenance()) }, "no usable answer"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, m *terminal) {
				if c.change != nil {
					c.change(m)
				}
				err := m.run(t, c.person, c.typed)
				if err == nil || !strings.Contains(err.Error(), "nothing is set up") || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				if len(m.stored) > 0 {
					t.Errorf("stored %+v", m.stored)
				}
			})
		})
	}
}

func TestTerminal(t *testing.T) {
	inTime(t, func(t *testing.T, m *terminal) {
		m.live = true
		m.stand.EditMachine("robin", plextest.Cellar, func(c *plextest.Machine) { c.Name = "Cel\x1b[31mlar\r\n\u202e" })
		m.stand.Fail(plextest.CheckPIN, plextest.Alternating(plextest.Maintenance())) // it keeps trying
		if err := m.run(t, "robin", "2, 1\n9\n3\n"); err != nil {
			t.Fatal(err)
		}
		said := m.out.String()
		for _, want := range []string{"https://plex.tv/link", "\rWaiting for Plex, 15:00 left ", "\rWaiting for Plex, 14:58 left ", "Signed in as robin", "1  Attic", "Cel[31mlar",
			"1  owner   robin\n", "2  home    robin, Kiddo, sam\n", "3  shared  robin, casey, Kiddo, otto, sam\n", "4  friend  robin, casey, frankie, Kiddo, otto, sam\n", "5  anyone  everybody", "accept: pat", "Give one number from 1 to 5", "Done."} {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in\n%s", want, said)
			}
		}
		if strings.Contains(said, "test-token-") || strings.ContainsAny(said, "\x1b\u202e") {
			t.Errorf("a token, or what a terminal would obey, is shown:\n%q", said)
		}
		if len(m.stored) != 1 || len(m.stored[0].Servers) != 2 || m.stored[0].Allow != "shared" || m.stored[0].Owner != 70010009 || m.stored[0].Token == "" {
			t.Errorf("%+v", m.stored)
		}
	})
}

// TestTerminalGivesTheLines: those that the pages give, with the names of the address
// that is chosen; and no answer undoes anything.
func TestTerminalGivesTheLines(t *testing.T) {
	site := func(address, domain string) desk.Site {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return desk.Site{URL: u, Domain: domain}
	}
	one, two, door := site("https://auth.home.example.org", "home.example.org"), site("https://login.example.net", "example.net"), site("https://example.edu/door", "")
	recipes, err := desk.Recipes()
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "files in deploy/; once it leads to Usher, https://auth.home.example.org/admin/recipes has the lines"
	for name, c := range map[string]struct {
		sites  []desk.Site
		typed  string
		proxy  string // by its id; "": no lines
		house  desk.House
		change func(*terminal)
		says   string
	}{
		"by number":            {[]desk.Site{one}, "1\n", "traefik", desk.House{Site: one, Port: "4242"}, nil, "Done."},
		"by id":                {[]desk.Site{one}, " NGINX \n", "nginx", desk.House{Site: one, Port: "4242"}, nil, "Done."},
		"by name":              {[]desk.Site{one}, "nginx proxy manager\n", "npm", desk.House{Site: one, Port: "4242"}, nil, "Done."},
		"the second try":       {[]desk.Site{one}, "0\n11\n-1\napache\ncaddy\n", "caddy", desk.House{Site: one, Port: "4242"}, nil, "Give a number from 1 to 10"},
		"the first address":    {[]desk.Site{one, two}, "caddy\n\n", "caddy", desk.House{Site: one, Port: "4242"}, nil, "https://login.example.net"},
		"another address":      {[]desk.Site{one, two}, "caddy\n3\n2\n", "caddy", desk.House{Site: two, Port: "4242"}, nil, "Give a number from 1 to 2"},
		"another, by its host": {[]desk.Site{one, two}, "caddy\nlogin.example.net\n", "caddy", desk.House{Site: two, Port: "4242"}, nil, "Done."},
		"no answer to which":   {[]desk.Site{one, two}, "caddy\n", "caddy", desk.House{Site: one, Port: "4242"}, nil, "Done."},
		"below a path":         {[]desk.Site{door}, "caddy\n", "caddy", desk.House{Site: door, Port: "4242"}, nil, "Done."},
		"on every host":        {nil, "caddy\n", "caddy", desk.House{Port: "4242"}, nil, "USHER_URL is not set"},
		"none":                 {[]desk.Site{door, one}, "\n", "", desk.House{}, nil, elsewhere},
		"none, without a desk": {[]desk.Site{door}, "\n", "", desk.House{}, nil, "files in deploy/.\n"},
		"no answer":            {[]desk.Site{one}, "", "", desk.House{}, nil, elsewhere},
		"into a file":          {[]desk.Site{one}, "caddy\n", "", desk.House{}, func(m *terminal) { m.live = false }, "Done. Now tell your proxy: README.md"},
		"printed":              {[]desk.Site{one}, "caddy\n", "", desk.House{}, func(m *terminal) { m.printed = true }, "put these lines into Usher's environment, and start it again. Then tell your proxy: README.md"},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, m *terminal) {
				m.live, m.addresses = true, addresses{c.sites, "4242"}
				if c.change != nil {
					c.change(m)
				}
				if err := m.run(t, "robin", "1\n3\n"+c.typed); err != nil || len(m.stored) != 1 {
					t.Fatalf("%v, stored %+v", err, m.stored)
				}
				_, said, _ := strings.Cut(m.out.String(), "5  anyone")
				if !strings.Contains(said, c.says) || strings.Contains(said, "Done.") == m.printed || strings.Contains(said, "==> ") != (c.proxy != "") || strings.Contains(said, "Which one is it?") != (m.live && !m.printed) {
					t.Errorf("%s", said)
				}
				for _, r := range recipes {
					for _, f := range r.Lines(c.house) {
						if r.ID == c.proxy && !strings.Contains(said, "\n==> "+f.Name+" <==\n\n"+strings.TrimRight(f.Text, "\n")+"\n") {
							t.Errorf("%s is not there whole:\n%s", f.Name, said)
						}
					}
				}
			})
		})
	}
}

// TestTerminalNamesEverybody, but of very many the first.
func TestTerminalNamesEverybody(t *testing.T) {
	for people, more := range map[int]string{250: "", 400: " and 104 more\n"} {
		inTime(t, func(t *testing.T, m *terminal) {
			m.stand.AddPeople(people, plextest.Shared)
			if err := m.run(t, "robin", "1\n3\n"); err != nil {
				t.Fatal(err)
			}
			_, shared, _ := strings.Cut(m.out.String(), "3  shared  ")
			shared, _, _ = strings.Cut(shared, "4  friend")
			if got := strings.Count(shared, "guest"); got != min(people, 298) || !strings.Contains(shared, more) || strings.Contains(shared, " more") != (more != "") {
				t.Errorf("%d of %d people: %.100s", got, people, shared)
			}
		})
	}
}

func TestTerminalWithWhatIsFixed(t *testing.T) {
	inTime(t, func(t *testing.T, m *terminal) {
		m.fixed = desk.Fixed{Servers: []string{plextest.Attic}, Allow: "home"}
		if err := m.run(t, "robin", ""); err != nil {
			t.Fatal(err)
		}
		if said := m.out.String(); strings.Contains(said, "\r") || !strings.Contains(said, "USHER_SERVERS") || !strings.Contains(said, "USHER_ALLOW") || !strings.Contains(said, "robin, Kiddo, sam") {
			t.Errorf("%s", said)
		}
		if len(m.stored) != 1 || m.stored[0].Allow != "" {
			t.Errorf("%+v", m.stored)
		}
	})
}

func TestPrintedLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := printLines(&out, desk.Setup{Servers: []desk.Server{{ID: plextest.Attic, Name: "Attic"}, {ID: plextest.Cellar}}, Owner: 70010009, Allow: "home", Token: "test-token-robin"})
	want := "USHER_OWNER=70010009\nUSHER_SERVERS=" + plextest.Attic + "," + plextest.Cellar + "\nUSHER_PLEX_TOKEN=test-token-robin\nUSHER_ALLOW=home\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestQRCode: every module is where it should be, with a light edge around.
func TestQRCode(t *testing.T) {
	t.Parallel()
	code, err := qr.Encode("https://plex.tv/link/?pin=AB+C%261", qr.L)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSuffix(drawn(code), "\n"), "\n")
	light := map[rune][2]bool{'█': {true, true}, '▀': {true, false}, '▄': {false, true}, ' ': {false, false}}
	for y, row := range rows {
		cells := []rune(row)
		if len(cells) != code.Size+2*quiet {
			t.Fatalf("row %d has %d cells", y, len(cells))
		}
		for x, cell := range cells {
			for half, is := range light[cell] {
				cx, cy := x-quiet, 2*y+half-quiet
				if cy < code.Size+quiet && is == code.Black(cx, cy) {
					t.Fatalf("module %d,%d is wrong", cx, cy)
				}
			}
		}
	}
	if n := len(rows); n != (code.Size+2*quiet+1)/2 {
		t.Errorf("%d rows for %d modules", n, code.Size)
	}
}

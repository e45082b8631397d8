package templates_test

import (
	"strings"
	"testing"

	"usher/templates"
)

func setupSamples() []sample {
	const pages = "https://auth.example.com/setup"
	robin := templates.Person{Name: "robin", Username: "robin", Email: "robin@example.org"}
	servers := []templates.SetupServer{{ID: "0123456789abcdef0123456789abcdef01234567", Name: "Attic", Ticked: true}, {ID: "89abcdef0123456789abcdef0123456789abcdef", Name: "Cellar"}}
	choices := []templates.SetupChoice{
		{Value: "owner", Count: 1, Names: templates.Names{Names: []string{"robin"}}},
		{Value: "home", Count: 3, Names: templates.Names{Names: []string{"robin", "Kiddo", "sam"}}},
		{Value: "shared", Count: 16, Names: templates.Names{Names: []string{"casey", "otto"}, Rest: []string{"pat", "sam", "ivan"}, More: 11}, Chosen: true},
		{Value: "friend", Count: 17, Names: templates.Names{Names: []string{"robin", "casey"}, More: 15}},
		{Value: "anyone"},
	}
	return []sample{
		{"setup-code", 200, templates.SetupCode{Action: pages + "/code"}},
		{"setup-code-wrong", 403, templates.SetupCode{Action: pages + "/code", Problem: "That is not the code. 3 more tries."}},
		{"setup-account", 200, templates.SetupAccount{Action: pages + "/plex", FormAction: []string{"https://app.plex.tv/auth"}}},
		{"setup-account-fixed", 200, templates.SetupAccount{Action: pages + "/plex", FormAction: []string{"https://app.plex.tv/auth"}, Owner: 70010009, Token: true}},
		{"setup-servers", 200, templates.SetupServers{Action: pages + "/servers", Switch: pages + "/again", Person: robin, Servers: servers}},
		{"setup-servers-fixed", 200, templates.SetupServers{Action: pages + "/servers", Switch: pages + "/again", Person: robin, Servers: servers, Fixed: true}},
		{"setup-servers-problem", 400, templates.SetupServers{Action: pages + "/servers", Switch: pages + "/again", Person: robin, Servers: servers, Problem: "Tick one at least."}},
		{"setup-people", 200, templates.SetupPeople{Action: pages + "/finish", Choices: choices, Invited: templates.Names{Names: []string{"pat"}}, Back: pages + "/servers"}},
		{"setup-people-fixed", 200, templates.SetupPeople{Action: pages + "/finish", Choices: []templates.SetupChoice{{Value: "home,!user:sam", Count: 2, Names: templates.Names{Names: []string{"robin", "Kiddo"}}}}, Fixed: "home,!user:sam", Back: pages + "/servers"}},
		{"setup-done", 200, templates.SetupDone{Servers: []string{"Attic", "Cellar"}, Allow: "shared",
			Recipe: templates.Recipe{Proxies: []templates.SetupLink{{Name: "Traefik", Address: pages + "/done?proxy=traefik"}, {Name: "nginx", Current: true}}, Sites: []templates.SetupLink{{Name: "https://auth.example.com", Current: true}, {Name: "https://auth.example.org", Address: pages + "/done?proxy=nginx&site=1"}},
				Files: []templates.SetupFile{{Name: "nginx/usher-location.conf", Text: "# Usher\nauth_request /__usher;\n\tinclude usher/usher-answers.conf;\n"}}}}},
		{"setup-problem", 200, templates.SetupProblem{Title: "No server is yours", Text: "Plex lists no server that robin owns.", Switch: pages + "/again"}},
		{"setup-problem-over", 403, templates.SetupProblem{Title: "That code is over", Text: "It was entered wrong five times.", Commands: []string{"docker kill -s USR1 usher"}, Again: pages, AgainText: "Enter the new one"}},
	}
}

func hostileSetup(v string) []sample {
	const post = "https://auth.example.com/post"
	names := templates.Names{Names: []string{v, v}, Rest: []string{v, v}, More: 2}
	return []sample{
		{"setup-code", 403, templates.SetupCode{Action: post, Problem: v}},
		{"setup-account", 200, templates.SetupAccount{Action: post}},
		{"setup-servers", 200, templates.SetupServers{Action: post, Switch: post, Person: templates.Person{Name: v}, Servers: []templates.SetupServer{{ID: v, Name: v}}, Problem: v}},
		{"setup-servers-fixed", 200, templates.SetupServers{Action: post, Switch: post, Servers: []templates.SetupServer{{ID: v}}, Fixed: true}},
		{"setup-people", 200, templates.SetupPeople{Action: post, Choices: []templates.SetupChoice{{Value: v, Names: names}, {Value: "home"}}, Invited: names, Back: v, Problem: v}},
		{"setup-people-fixed", 200, templates.SetupPeople{Action: post, Choices: []templates.SetupChoice{{Value: v, Names: names}}, Fixed: v}},
		{"setup-done", 200, templates.SetupDone{Servers: []string{v}, Allow: v, Recipe: templates.Recipe{Proxies: []templates.SetupLink{{Name: v, Address: v}}, Sites: []templates.SetupLink{{Name: v, Address: v}}, Files: []templates.SetupFile{{Name: v, Text: v}}}}},
		{"setup-problem", 400, templates.SetupProblem{Text: v, Commands: []string{v}, Again: v, AgainText: v, Switch: post}},
	}
}

// TestFilesAreCopiedWhole: what a person takes from the page is the file, to the byte.
func TestFilesAreCopiedWhole(t *testing.T) {
	t.Parallel()
	const file = "# \"a\" & 'b' <c>\n\tx;\r\n\n  y: `z` && \\d+$\n"
	doc, _ := render(t, newPages(t), sample{"", 200, templates.SetupDone{Recipe: templates.Recipe{Files: []templates.SetupFile{{Name: "f", Text: file}}}}})
	got := ""
	for n := range doc.Descendants() {
		if n.Data == "pre" {
			got = text(n)
		}
	}
	if want := strings.ReplaceAll(file, "\r", " "); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

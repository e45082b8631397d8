package templates_test

import (
	"time"

	"usher/templates"
)

const desk = "https://auth.example.com/admin"

func officeSamples() []sample {
	at := time.Date(2026, time.November, 21, 20, 15, 0, 0, time.UTC)
	of := func(here string) templates.Office {
		return templates.Office{Base: desk, Here: here, Home: "https://auth.example.com/"}
	}
	who := templates.OfficeName{ID: 70010001, Name: "Casey", User: "casey"}
	devices := []templates.OfficeDevice{
		{ID: "A", Who: who, Name: "Firefox on Linux", Address: "2001:db8:4f:2:1111:2222:3333:9", Since: at, LastSeen: at, Host: "example.com"},
		{ID: "B", Who: templates.OfficeName{ID: 70010009, Name: "robin"}, Since: at, LastSeen: at, Host: "example.com", This: true},
	}
	keys := []templates.OfficeKey{
		{ID: "A", Who: who, Name: "nzb360 on my phone", Address: "192.0.2.7", Hosts: []string{"sonarr.example.com", "*.media.example.com"}, Made: at, LastUsed: at, Ends: at},
		{ID: "B", Who: who, Name: "script", Made: at, Ends: at},
	}
	events := []templates.OfficeEvent{
		{At: at, Text: "Signed in", Who: who, App: "auth.example.com", Address: "192.0.2.7"},
		{At: at, Text: "Refused: no share", Bad: true, Who: who, App: "photos.example.com", Address: "192.0.2.7", RequestID: "7F3K-Q2", Explain: desk + "/explain?request=7F3K-Q2"},
		{At: at, Text: "A wrong key", Bad: true, App: "photos.example.com", Address: "192.0.2.9"},
	}
	ruling := templates.OfficeRuling{Who: who, By: "robin", At: at, Reason: "for the summer", Tell: true}
	pager := templates.Pager{Before: desk + "/people?page=1", After: desk + "/people?page=3", First: 51, Last: 100, Total: 1234}
	var days []templates.OfficeDay
	for i := range 30 {
		days = append(days, templates.OfficeDay{Day: at.AddDate(0, 0, i-29), SignIns: i, Refusals: i % 4, X: i * 10, In: i * 100 / 29, Out: i % 4 * 100 / 29})
	}
	let := ruling
	let.In = true
	return []sample{
		{"office", 200, templates.OfficeFront{Office: of(""), People: 12, Devices: 30, Keys: 3, Asks: 2, Problems: []string{"plex.tv rejects the owner’s token"}, Kept: []templates.OfficeRuling{ruling, let}, Days: days, Most: 29}},
		{"office-new", 200, templates.OfficeFront{Office: of("")}},
		{"office-people", 200, templates.OfficePeople{Office: of("people"), Query: "cas", Pager: pager, Rows: []templates.OfficePersonRow{
			{Who: who, Tier: "shared", Libraries: "Films, Shows", LastSeen: at, Devices: 2, Keys: 1, Ruling: "kept out"}, {Who: templates.OfficeName{ID: 70010002, Name: "Kiddo"}, Tier: "home"}}}},
		{"office-people-none", 200, templates.OfficePeople{Office: of("people"), Query: "nobody"}},
		{"office-person", 200, templates.OfficePerson{Office: of("people"), Post: desk + "/people/70010001", Person: casey, Tier: "shared", Libraries: "Films", Allowed: true, Why: "they may pass", MayRule: true, Devices: devices, Keys: keys, Events: events, MoreEvents: desk + "/events?who=70010001"}},
		{"office-person-out", 200, templates.OfficePerson{Office: templates.Office{Base: desk, Done: "They are kept out now."}, Post: desk + "/people/70010001", Person: casey, Ruling: &ruling, MayRule: true}},
		{"office-person-in", 200, templates.OfficePerson{Office: of("people"), Post: desk + "/people/70010001", Person: mallory, Ruling: &let, MayRule: true}},
		{"office-devices", 200, templates.OfficeDevices{Office: of("devices"), Post: desk + "/devices", Query: "cas", Rows: devices, Pager: pager}},
		{"office-keys", 200, templates.OfficeKeys{Office: of("keys"), Post: desk + "/keys", Rows: keys, Pager: pager}},
		{"office-asks", 200, templates.OfficeAsks{Office: of("asks"), Post: desk + "/asks", Settled: 1, Rows: []templates.OfficeAsk{
			{Who: templates.OfficeName{ID: 70010007, Name: "Mallory the Third", User: "mallory"}, Person: mallory, Tier: "anyone", At: at, Host: "photos.example.com", Message: "Hello robin, it is Mallory from work.\nYou wanted to show me the pictures.", RequestID: "7F3K-Q2", Explain: desk + "/explain?request=7F3K-Q2", Helps: true},
			{Who: who, Person: casey, Tier: "shared", At: at, Host: "sonarr.example.com"}}}},
		{"office-asks-none", 200, templates.OfficeAsks{Office: of("asks"), Post: desk + "/asks"}},
		{"office-events", 200, templates.OfficeEvents{Office: of("events"), Person: "casey", Kinds: []templates.OfficeChoice{{Text: "Everything"}, {Value: "sign_in", Text: "Sign-ins", Chosen: true}}, Rows: events, Pager: templates.Pager{After: desk + "/events?before=7"}}},
		{"office-explain", 200, templates.OfficeExplain{Office: of("explain"), User: "casey", URL: "https://photos.example.com/", Method: "GET", Asked: true, About: "GET https://photos.example.com/, casey", At: at, Steps: []string{"casey has the tier shared", `"shared" lets in: yes`}, Result: "allowed", Verdict: "they may pass", Allowed: true}},
		{"office-explain-empty", 200, templates.OfficeExplain{Office: of("explain"), Problem: "The URL has no host."}},
		{"office-health", 200, templates.OfficeHealth{Office: of("health"), Facts: []templates.OfficeFact{{Name: "Version", Text: "v1.0.0"}}, Plex: []templates.OfficePlex{{Endpoint: "users", Outcome: "ok", Good: true, Took: "120 ms", At: at, Asked: 12}}}},
		{"office-recipes", 200, templates.OfficeRecipes{Office: of("recipes"), Recipe: templates.Recipe{Proxies: []templates.SetupLink{{Name: "nginx", Address: desk + "/recipes?proxy=nginx", Current: true}, {Name: "Caddy", Address: desk + "/recipes?proxy=caddy"}},
			Sites: []templates.SetupLink{{Name: "https://auth.example.com", Current: true}, {Name: "https://auth.example.org", Address: desk + "/recipes?proxy=nginx&site=1"}}, Files: []templates.SetupFile{{Name: "nginx/usher.conf", Text: "a {\n\tb;\n}\n"}}}}},
	}
}

func hostileOffice(v string) []sample {
	of := templates.Office{Base: desk, Here: v, Home: v, Done: v}
	who := templates.OfficeName{ID: 1, Name: v, User: v}
	at := time.Unix(0, 0)
	device := templates.OfficeDevice{ID: v, Who: who, Name: v, Address: v, Host: v, Since: at}
	key := templates.OfficeKey{ID: v, Who: who, Name: v, Address: v, Hosts: []string{v}}
	event := templates.OfficeEvent{At: at, Text: v, Who: who, App: v, Address: v, RequestID: v, Explain: v}
	ruling := templates.OfficeRuling{Who: who, By: v, Reason: v, Tell: true}
	pager := templates.Pager{Before: v, After: v, Total: 1}
	person := templates.Person{Name: v, Username: v + "1", Email: v + "2", Detail: v + "3"}
	return []sample{
		{"office", 200, templates.OfficeFront{Office: of, Problems: []string{v}, Kept: []templates.OfficeRuling{ruling}}},
		{"office-people", 200, templates.OfficePeople{Office: of, Query: v, Pager: pager, Rows: []templates.OfficePersonRow{{Who: who, Tier: v, Libraries: v, Ruling: v}}}},
		{"office-person", 200, templates.OfficePerson{Office: of, Post: desk, Person: person, Tier: v, Libraries: v, Why: v, Ruling: &ruling, MayRule: true, Devices: []templates.OfficeDevice{device}, Keys: []templates.OfficeKey{key}, Events: []templates.OfficeEvent{event}, MoreEvents: v}},
		{"office-devices", 200, templates.OfficeDevices{Office: of, Post: desk, Query: v, Rows: []templates.OfficeDevice{device}, Pager: pager}},
		{"office-keys", 200, templates.OfficeKeys{Office: of, Post: desk, Query: v, Rows: []templates.OfficeKey{key}, Pager: pager}},
		{"office-asks", 200, templates.OfficeAsks{Office: of, Post: desk, Rows: []templates.OfficeAsk{{Who: who, Person: person, Tier: v, At: at, Host: v, Message: v, RequestID: v, Explain: v, Helps: true}, {Who: who}}}},
		{"office-events", 200, templates.OfficeEvents{Office: of, Person: v, App: v, Kinds: []templates.OfficeChoice{{Value: v, Text: "Everything"}}, Problem: v, Rows: []templates.OfficeEvent{event}, Pager: pager}},
		{"office-explain", 200, templates.OfficeExplain{Office: of, User: v, URL: v, Method: v, IP: v, Policy: v, Request: v, Problem: v, Asked: true, About: v, Steps: []string{v}, Result: v, Verdict: v}},
		{"office-health", 200, templates.OfficeHealth{Office: of, Problems: []string{v}, Facts: []templates.OfficeFact{{Name: v, Text: v}}, Plex: []templates.OfficePlex{{Endpoint: v, Outcome: v, Took: v}}}},
		{"office-recipes", 200, templates.OfficeRecipes{Office: of, Recipe: templates.Recipe{Proxies: []templates.SetupLink{{Name: v, Address: v}}, Sites: []templates.SetupLink{{Name: v, Address: v}}, Files: []templates.SetupFile{{Name: v, Text: v}}}}},
	}
}

package templates

import (
	"html/template"
	"time"
)

// Office is what every page of the desk has.
type Office struct {
	Base string // address of the desk: https://auth.example.com/admin
	Here string // which page it is: "", people, devices, keys, events, explain, health, recipes
	Home string // the administrator's own page
	Done string // a sentence on what was just done; may be empty
}

// Pager leads through a long list.
type Pager struct {
	Before, After      string // addresses; "" where there is no such page
	First, Last, Total int    // 0 where it is not known
}

// OfficeFront is the desk's front page.
type OfficeFront struct {
	Office
	People, Devices, Keys int
	Asks                  int // that are open
	Problems              []string
	Kept                  []OfficeRuling
	Days                  []OfficeDay // the oldest first
	Most                  int         // sign-ins or refusals of the day that had most
	SetUp                 string      // where a POST begins the set-up once more; "": not for them
}

// OfficeRuling is a person about whom something was decided by hand.
type OfficeRuling struct {
	Who    OfficeName
	In     bool
	By     string
	At     time.Time
	Reason string
	Tell   bool
}

// OfficeDay is how many signed in, and how many checks were refused. The bars are in hundredths of the picture's height.
type OfficeDay struct {
	Day               time.Time
	SignIns, Refusals int
	X, In, Out        int
}

// OfficeName is a person, and the page about them.
type OfficeName struct {
	ID   int64
	Name string
	User string // the username, where it differs
}

// OfficePeople lists people. The search is a GET of the page with the field q.
type OfficePeople struct {
	Office
	Query string
	Rows  []OfficePersonRow
	Pager Pager
}

// OfficePersonRow is a person in the list.
type OfficePersonRow struct {
	Who           OfficeName
	Tier          string
	Libraries     string
	LastSeen      time.Time
	Devices, Keys int
	Ruling        string // "kept out", "let in" or ""
}

// OfficePerson is the page of one person. Its forms are POSTs to Post with the field do and, where one of several is meant, id.
type OfficePerson struct {
	Office
	Post      string
	Person    Person
	Tier      string
	Libraries string
	Allowed   bool   // by the policy for what no rule names
	Why       string // what that decision comes from
	Ruling    *OfficeRuling
	MayRule   bool // not the owner, and not themselves
	Devices   []OfficeDevice
	Keys      []OfficeKey
	// How many there are besides, and where.
	MoreDevices, MoreKeys int
	AllDevices, AllKeys   string
	Events                []OfficeEvent
	MoreEvents            string // address of all
}

// OfficeDevice is a session, and OfficeKey a key. Who is empty on the person's own page.
type OfficeDevice struct {
	ID              string
	Who             OfficeName
	Name, Address   string
	Since, LastSeen time.Time
	Host            string // the domain or host that it is for
	This            bool
}

// OfficeKey is a key of somebody's.
type OfficeKey struct {
	ID                   string
	Who                  OfficeName
	Name, Address        string
	Hosts                []string
	Made, LastUsed, Ends time.Time
}

// OfficeDevices lists everybody's sessions. Forms are POSTs to Post with the fields do, id and q.
type OfficeDevices struct {
	Office
	Post  string
	Query string
	Rows  []OfficeDevice
	Pager Pager
}

// OfficeKeys lists everybody's keys, like OfficeDevices.
type OfficeKeys struct {
	Office
	Post  string
	Query string
	Rows  []OfficeKey
	Pager Pager
}

// OfficeAsks lists who asks to be let in. Forms are POSTs to Post with the fields do (let-in or no) and id.
type OfficeAsks struct {
	Office
	Post    string
	Rows    []OfficeAsk
	Settled int // that were closed just now, for they pass already or are kept out
}

// OfficeAsk is what somebody who was refused asks.
type OfficeAsk struct {
	Who       OfficeName
	Person    Person
	Tier      string
	At        time.Time
	Host      string // that was asked for
	Message   string // may have two lines
	RequestID string
	Explain   string // address of how the refusal came about
	Helps     bool   // to let them in by hand lets them in there
}

// OfficeEvent is something that happened.
type OfficeEvent struct {
	At        time.Time
	Text      string // what, in words
	Bad       bool   // a refusal, or something that went wrong
	Who       OfficeName
	App       string
	Address   string
	RequestID string
	Explain   string // address of how the refusal came about
}

// OfficeEvents lists what happened, the newest first. The filter is a GET of the page with the fields who, app and kind.
type OfficeEvents struct {
	Office
	Person, App, Kind string
	Kinds             []OfficeChoice
	Problem           string
	Rows              []OfficeEvent
	Pager             Pager
}

// OfficeChoice is one of several to choose from.
type OfficeChoice struct {
	Value, Text string
	Chosen      bool
}

// OfficeExplain asks about a decision and tells how it comes about. The question is a GET of the page with the fields user, url,
// method, ip, policy and request.
type OfficeExplain struct {
	Office
	User, URL, Method, IP, Policy, Request string
	Problem                                string
	Asked                                  bool
	About                                  string // the request in a line
	At                                     time.Time
	Steps                                  []string
	Result, Verdict                        string
	Allowed                                bool
}

// OfficeHealth says how Usher is.
type OfficeHealth struct {
	Office
	Problems []string
	Plex     []OfficePlex
	Facts    []OfficeFact
}

// OfficePlex is how plex.tv last answered a question.
type OfficePlex struct {
	Endpoint, Outcome string
	Good              bool
	Took              string
	At                time.Time
	Asked             int
}

// OfficeFact is a name and what is true of it.
type OfficeFact struct{ Name, Text string }

// OfficeRecipes gives the lines for each proxy.
type OfficeRecipes struct {
	Office
	Recipe
}

// officeRows is a table of rows that more than one page has.
type officeRows struct {
	Base, Post, Query string
	Rows              any
	Named             bool // whose each row is
}

func officeFuncs() template.FuncMap {
	return template.FuncMap{
		"rows": func(base, post, query string, rows any, named bool) officeRows {
			return officeRows{base, post, query, rows, named}
		},
		// The picture is 100 high, and a bar 4 wide.
		"below":  func(height int) int { return 100 - height },
		"after":  func(x int) int { return x + 4 },
		"moment": func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") },
	}
}

func officeAbout(name string) about { return about{name: "office-" + name, posts: true, wide: true} }

func (OfficeFront) about() about   { return officeAbout("front") }
func (OfficePeople) about() about  { return officeAbout("people") }
func (OfficePerson) about() about  { return officeAbout("person") }
func (OfficeDevices) about() about { return officeAbout("devices") }
func (OfficeKeys) about() about    { return officeAbout("keys") }
func (OfficeAsks) about() about    { return officeAbout("asks") }
func (OfficeEvents) about() about  { return officeAbout("events") }
func (OfficeExplain) about() about { return officeAbout("explain") }
func (OfficeHealth) about() about  { return officeAbout("health") }

func (OfficeRecipes) about() about { return officeAbout("recipes") }

func officeKinds() []Page {
	return []Page{OfficeFront{}, OfficePeople{}, OfficePerson{}, OfficeDevices{}, OfficeKeys{}, OfficeAsks{}, OfficeEvents{}, OfficeExplain{}, OfficeHealth{}, OfficeRecipes{}}
}

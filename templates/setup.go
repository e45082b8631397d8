package templates

// SetupCode asks for the one-time code that the log has. The form is a POST to Action with the field code.
type SetupCode struct {
	Action  string
	Problem string // what is wrong with the one that was entered
}

// SetupAccount asks the owner to sign in with Plex. The form is a POST to Action.
type SetupAccount struct {
	Action     string
	FormAction []string // addresses whose origins the POST may redirect to: Plex's sign-in page
	Owner      int64    // whom USHER_OWNER fixes; 0: nobody
	Token      bool     // USHER_PLEX_TOKEN fixes the token
}

// SetupServers has the owner tick the servers that count. The form is a POST to Action with a field server for each.
type SetupServers struct {
	Action  string
	Switch  string // POST: signs in with another account
	Person  Person
	Servers []SetupServer
	Fixed   bool // by USHER_SERVERS: there is nothing to tick
	Problem string
}

// SetupServer is a server of the owner's.
type SetupServer struct {
	ID, Name string
	Ticked   bool
}

// SetupPeople has the owner choose who may pass, with the names of those who would. The form is a POST to Action with the field
// allow.
type SetupPeople struct {
	Action  string
	Choices []SetupChoice
	Invited Names  // who has not accepted yet
	Fixed   string // the policy, where USHER_ALLOW fixes it: the one choice is then shown, not offered
	Back    string // the servers once more
	Problem string
}

// SetupChoice is one answer to who may pass.
type SetupChoice struct {
	Value  string // owner, home, shared, friend or anyone; another text is a policy, shown as it is
	Count  int    // of those who would get in by what is known now
	Names  Names  // theirs
	Chosen bool
}

// Names are people by name, and how many there are besides.
type Names struct {
	Names []string
	Rest  []string // behind a press; not of SetupPeople.Invited
	More  int
}

// Besides is how many there are besides Names.
func (n Names) Besides() int { return len(n.Rest) + n.More }

// Others are the Rest.
func (n Names) Others() Names { return Names{Names: n.Rest, More: n.More} }

// SetupDone gives the lines for a proxy.
type SetupDone struct {
	Recipe
	Servers []string // names of the servers that count
	Allow   string   // the policy in force
}

// Recipe is the lines for one proxy, with the names of one address of the pages.
type Recipe struct {
	Proxies []SetupLink
	Sites   []SetupLink // addresses of the pages, where there are several
	Files   []SetupFile
}

// SetupLink leads to the lines for one proxy, or with the names of one address.
type SetupLink struct {
	Name, Address string
	Current       bool
}

// SetupFile is a file for a proxy, to copy.
type SetupFile struct{ Name, Text string }

// SetupProblem says why set-up does not go on, and how it does.
type SetupProblem struct {
	Title, Text string
	Commands    []string // to copy into a terminal
	Again       string   // where it goes on; may be empty
	AgainText   string
	Switch      string // POST: signs in with another account; may be empty
}

func (SetupCode) about() about { return about{name: "setup-code", posts: true} }
func (p SetupAccount) about() about {
	return about{name: "setup-account", posts: true, leadsTo: p.FormAction}
}
func (SetupServers) about() about   { return about{name: "setup-servers", posts: true} }
func (SetupPeople) about() about    { return about{name: "setup-people", posts: true} }
func (SetupDone) about() about      { return about{name: "setup-done"} }
func (p SetupProblem) about() about { return about{name: "setup-problem", posts: p.Switch != ""} }

func setupKinds() []Page {
	return []Page{SetupCode{}, SetupAccount{}, SetupServers{}, SetupPeople{}, SetupDone{}, SetupProblem{}}
}

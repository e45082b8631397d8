package templates

// Who asks who is watching: members of a Plex Home, to be signed in as themselves. The form is a POST to Action with the fields member
// and rd, and pin where the member has one.
type Who struct {
	Action, Return string
	Again          string // the page itself, where another can be chosen
	Stay           string // where to go as oneself
	Me             Person // who asks
	Members        []Member
	Chosen         Member // whose PIN is asked for; the zero Member: nobody's
	Problem        WhoProblem
	Seconds        int // to wait, for WhoTries
}

// Member is one of a Plex Home.
type Member struct {
	UUID   string
	Person Person
	Ask    string // the page that asks for their PIN; "": they have none
	Shut   Shut
}

// Shut is why a member cannot be chosen; "": they can.
type Shut string

const (
	OwnAccount Shut = "own account" // and they sign in with that
	ShutOut    Shut = "kept out"    // by the owner
	Above      Shut = "above"       // they own the server, or administer here
)

// WhoProblem is what came of the last choice.
type WhoProblem string

const (
	WhoNobody  WhoProblem = "nobody"  // who asks may not choose; there is nothing else on the page
	WhoGone    WhoProblem = "gone"    // there is no such member
	WhoRefused WhoProblem = "refused" // nobody becomes that member
	WhoPINForm WhoProblem = "form"    // what was sent is no PIN
	WhoPIN     WhoProblem = "pin"     // a wrong one
	WhoTries   WhoProblem = "tries"   // too many of these
)

// Open are the members who can be chosen.
func (p Who) Open() (open []Member) {
	for _, m := range p.Members {
		if m.Shut == "" {
			open = append(open, m)
		}
	}
	return open
}

// Closed are the others.
func (p Who) Closed() (closed []Member) {
	for _, m := range p.Members {
		if m.Shut != "" {
			closed = append(closed, m)
		}
	}
	return closed
}

func (p Who) about() about {
	return about{name: "who", posts: p.Problem != WhoNobody, returns: p.Return}
}

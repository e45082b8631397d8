package templates

import "time"

// Page is one of the structs of this file. Addresses in them are absolute, http or https: a link to anything else
// is not shown, and a form to anything else is an error.
type Page interface{ about() about }

// about is what a page needs of the layout and of the Content-Security-Policy.
type about struct {
	name  string // of the file in html
	polls bool   // runs the script
	posts bool   // has a form
	// Origins to which the answer to the form may redirect: Chrome holds redirects after a POST to form-action.
	leadsTo []string
	returns string
}

// Person is the Plex account that a page speaks of. Empty fields are not shown; all may be empty.
type Person struct {
	Name     string // the display name, which anybody can choose
	Username string // missing for managed members of a Plex Home
	Email    string
	Detail   string // one more line, e.g. how the account relates to the owner
}

// SignIn offers to sign in with Plex. The form is a POST to Action with the fields rd and keep:
// keep=0 always, and keep=1 behind it where the box is ticked.
type SignIn struct {
	Action, Return string
	Host           string   // the app that was asked for; may be empty
	KeepDays       int      // "Keep me signed in for N days"; 0 hides the choice
	FormAction     []string // addresses whose origins the POST may redirect to: Plex's sign-in page
	SignedInAs     string   // who is signed in already, when switching accounts
}

// Waiting is shown while Plex has not confirmed the sign-in. It reloads itself without the script, so it has to be
// the answer to a GET.
type Waiting struct {
	// Poll answers {"state","next"} as JSON; states are pending, ok, denied, expired and unavailable. It is on the
	// origin of the page itself.
	Poll     string
	Again    string // starts over
	Continue string // Plex's sign-in page once more
	Host     string
}

// Expired says that the sign-in took too long, was used, or began in another browser.
type Expired struct{ Again string }

// Reason is why a person may not pass. It never says who else may.
type Reason string

// The reasons; the zero Reason says no more than that there is no access.
const (
	NoShare     Reason = "no share"     // no allowed server is shared with them
	NeedsFriend Reason = "needs friend" // for the owner's friends on Plex
	NeedsHome   Reason = "needs home"   // for members of the owner's Plex Home
	NeedsOwner  Reason = "needs owner"  // for the owner alone
	NeedsNamed  Reason = "needs named"  // for people whom the owner named
	KeptOut     Reason = "kept out"     // the owner keeps this account out
)

// Refused says who is signed in, why that account may not pass, and how to use another.
type Refused struct {
	Person    Person
	Reason    Reason
	Host      string
	Again     string // the address that was asked for
	Switch    string // signs in as somebody else
	Reference string // names the line in the log
}

// Unavailable says that plex.tv does not answer.
type Unavailable struct {
	Again        string
	RetrySeconds int // 0: in a few minutes
}

// NotSetUp says that no server is allowed yet, and tells the owner what to set.
type NotSetUp struct{}

// Unreachable says that a sign-in cannot reach the address that was asked for.
type Unreachable struct {
	Host     string
	Pages    []string // the addresses in USHER_URL
	Insecure bool     // the address is http and the cookie goes over https only; otherwise the domain is another
	HTTPS    string   // the same address with https, for Insecure
}

// Home shows who is signed in, why, until when and where, and signs out.
type Home struct {
	Person  Person
	Tier    string // owner, home, shared, friend, anyone; any other text is shown as it is
	Owner   string // the owner's name; may be empty
	Allowed bool   // false: signed in, but this account has no access
	Until   time.Time
	Keep    bool // false: no longer than until the browser closes
	Devices []Device
	SignOut string // POST: signs out here, and everywhere with everywhere=1
}

// Device is where a person is signed in. Times are shown in the location that they carry.
type Device struct {
	Name, Address   string
	Since, LastSeen time.Time
	This            bool // the one that asks
}

// SignOut asks before signing out. The form is a POST to Action with the field rd.
type SignOut struct {
	Action, Return string
	Stay           string // where to go without signing out
	Person         Person
	FormAction     []string // addresses, besides Return, whose origins the POST may redirect to
}

// SignedOut says that it is done.
type SignedOut struct{ Again string }

// TooMany says when to try again.
type TooMany struct {
	Seconds int
	Again   string
}

// Problem is any other refusal of a request: 400, 403, 404, 405.
type Problem struct {
	Status      int
	Title, Text string
}

func (p SignIn) about() about {
	return about{name: "sign-in", posts: true, leadsTo: p.FormAction, returns: p.Return}
}
func (Waiting) about() about     { return about{name: "waiting", polls: true} }
func (Expired) about() about     { return about{name: "expired"} }
func (Refused) about() about     { return about{name: "refused"} }
func (Unavailable) about() about { return about{name: "unavailable"} }
func (NotSetUp) about() about    { return about{name: "not-set-up"} }
func (Unreachable) about() about { return about{name: "unreachable"} }
func (Home) about() about        { return about{name: "home", posts: true} }
func (p SignOut) about() about {
	return about{name: "sign-out", posts: true, leadsTo: p.FormAction, returns: p.Return}
}
func (SignedOut) about() about { return about{name: "signed-out"} }
func (TooMany) about() about   { return about{name: "too-many"} }
func (Problem) about() about   { return about{name: "problem"} }

func kinds() []Page {
	return []Page{SignIn{}, Waiting{}, Expired{}, Refused{}, Unavailable{}, NotSetUp{}, Unreachable{}, Home{}, SignOut{}, SignedOut{}, TooMany{}, Problem{}}
}

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
	wide  bool   // is of the desk: has tables
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
	NoShare      Reason = "no share"      // no allowed server is shared with them
	NeedsFriend  Reason = "needs friend"  // for the owner's friends on Plex
	NeedsLibrary Reason = "needs library" // for people with whom a certain library is shared
	NeedsHome    Reason = "needs home"    // for members of the owner's Plex Home
	NeedsOwner   Reason = "needs owner"   // for the owner alone
	NeedsNamed   Reason = "needs named"   // for people whom the owner named
	KeptOut      Reason = "kept out"      // the owner keeps this account out
)

// Refused says who is signed in, why that account may not pass, and how to use another.
type Refused struct {
	Person  Person
	Reason  Reason
	Words   string // the owner's own, about KeptOut; may be empty
	Host    string
	Again   string // the address that was asked for
	Switch  string // signs in as somebody else
	Request string // its id: names the line in the log, and is what the owner asks usher explain about
	Asking  Asking
}

// Asking is how somebody who was refused asks the owner to be let in. The zero Asking says nothing of it. The form is a POST to
// Action with the fields why, rd and message.
type Asking struct {
	Link                string // address of the page that has the form
	Action, Why, Return string // the form, where Action is there
	Problem             string // with the message
	Message             string // as it was entered, or what they have asked
	Asked               time.Time
	From                time.Time // when they may ask again, once the owner has said no
	Full                bool      // too many have asked today
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

// Home shows who is signed in, why, until when and where, what they may open and what the apps are told, and signs out.
type Home struct {
	Person  Person
	Tier    string // owner, home, shared, friend, anyone; any other text is shown as it is
	Owner   string // the owner's name; may be empty
	Allowed bool   // false: signed in, but this account has no access
	Admin   bool   // administers this Usher
	Desk    string // where; may be empty
	NoDesk  bool   // there is none here, for apps may share this host
	View    View
	At      time.Time // when Plex said so
	Until   time.Time
	Keep    bool   // false: no longer than until the browser closes
	SignOut string // POST: signs out here, and everywhere with everywhere=1

	OnlyHost   string // the one host that the page is about; "": all
	Reach      Reach  // of OnlyHost, or of what no rule names; "" is not shown
	Reason     Reason // where Reach is Closed
	Places     []Place
	MorePlaces bool

	Devices  []Device
	Keys     string // the page of their keys; may be empty
	LastKeys []Key
	MoreKeys int // besides LastKeys
	Told     []Header
}

// View is whose Plex account showed what Plex said; any other says nothing.
type View string

const (
	OwnersView  View = "owner"
	PersonsView View = "person"
	BothViews   View = "both"
)

// Reach is how much of a place a person may open.
type Reach string

const (
	Open    Reach = "yes"
	Partly  Reach = "in part"
	Closed  Reach = "no"
	Unknown Reach = "not known now" // Plex has not said which libraries are shared with them
)

// Place is a host that has a rule of its own, or "*." and a domain.
type Place struct {
	Host    string
	Address string // may be empty
	Reach   Reach
}

// Header is one that the apps get. Its value is shown whole, up to 2048 characters.
type Header struct{ Name, Value string }

// Device is where a person is signed in. Times are shown in the location that they carry.
type Device struct {
	ID, Name, Address string
	Since, LastSeen   time.Time
	This              bool   // the one that asks
	End               string // POST with the field id: signs it out; may be empty
}

// Keys lists a person's keys for programs, makes one by a POST to Make with the fields name, ends and hosts, and revokes
// one by a POST to End with the field id.
type Keys struct {
	Make, End string
	Home      string
	OnlyHost  string // the one host that keys made here are for; "": they may choose
	Domain    string // whose hosts they may choose
	Keys      []Key
	Form      KeyForm
}

// KeyForm is what was entered, where Problem says what is wrong with it.
type KeyForm struct {
	Problem string
	Name    string
	Days    int // until its end: 30, 90, 365 or 1095
	Hosts   []string
}

// Key is one key of a person's. Times are shown in the location that they carry.
type Key struct {
	ID, Name             string
	Hosts                []string // none: every app
	Made, Ends, LastUsed time.Time
	Address              string // from where it was used last
}

// NewKey shows a key, once, and how to give it.
type NewKey struct {
	Secret string // the key itself
	Key    Key
	Back   string
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
func (Waiting) about() about { return about{name: "waiting", polls: true} }
func (Expired) about() about { return about{name: "expired"} }
func (p Refused) about() about {
	return about{name: "refused", posts: p.Asking.Action != "", returns: p.Asking.Return}
}
func (Unavailable) about() about { return about{name: "unavailable"} }
func (NotSetUp) about() about    { return about{name: "not-set-up"} }
func (Unreachable) about() about { return about{name: "unreachable"} }
func (Home) about() about        { return about{name: "home", posts: true} }
func (Keys) about() about        { return about{name: "keys", posts: true} }
func (NewKey) about() about      { return about{name: "new-key"} }
func (p SignOut) about() about {
	return about{name: "sign-out", posts: true, leadsTo: p.FormAction, returns: p.Return}
}
func (SignedOut) about() about { return about{name: "signed-out"} }
func (TooMany) about() about   { return about{name: "too-many"} }
func (Problem) about() about   { return about{name: "problem"} }

func kinds() []Page {
	return append(append(setupKinds(), officeKinds()...), SignIn{}, Waiting{}, Expired{}, Refused{}, Unavailable{}, NotSetUp{}, Unreachable{}, Home{}, Keys{}, NewKey{}, SignOut{}, SignedOut{}, TooMany{}, Problem{})
}

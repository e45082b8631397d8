package templates

import "time"

// Page is one of the structs of this file. Addresses in them are absolute, http or https: a link to anything else
// is not shown, and a form to anything else is an error.
type Page interface{ about() about }

// about is what a page needs of the layout and of the Content-Security-Policy.
type about struct {
	name     string   // of the file in html
	script   string   // that it runs: the name of its file in html
	connects string   // what the script may ask, as a source of the policy
	posts    bool     // has a form
	wide     bool     // is of the desk: has tables
	framedBy []string // hosts whose pages may show it, as sources of the policy; a page that does anything has none
	// Origins to which the answer to the form may redirect: Chrome holds redirects after a POST to form-action.
	leadsTo []string
	returns string
}

// The scripts, each a file in html.
const (
	pollScript   = "poll.js"
	pinScript    = "pin.js"
	tryScript    = "try.js"
	remoteScript = "remote.js" // of every page but those of the desk and within a frame
)

// Person is the Plex account that a page speaks of. Empty fields are not shown; all may be empty.
type Person struct {
	Name     string // the display name, which anybody can choose
	Username string // missing for managed members of a Plex Home
	Email    string
	Detail   string // one more line, e.g. how the account relates to the owner
	Face     []byte // their picture, a small JPEG; without it a letter stands for them
}

// SignIn offers to sign in with Plex. The form is a POST to Action with the fields rd and keep:
// keep=0 always, and keep=1 behind it where the box is ticked. cookie=asked is there where Cookie is.
type SignIn struct {
	Action, Return string
	Host           string        // the app that was asked for; may be empty
	Keep           time.Duration // "Keep me signed in for N days"; 0 hides the choice
	FormAction     []string      // addresses whose origins the POST may redirect to: Plex's sign-in page
	SignedInAs     string        // who is signed in already, when switching accounts
	Plex           string        // where one signs out of Plex
	Dropped        bool          // an address to return to was given that is none of ours
	Unfinished     string        // where a sign-in goes on that Plex has not confirmed; may be empty
	// PINs is where the page's script may ask plex.tv for the PIN itself, by an empty POST; it then adds the fields
	// pin_id and pin_code. "", or an address that no policy can name: the page has no script.
	PINs string
	// Device takes the same form and leads to a [Link]; "" does not offer that.
	Device string
	Cookie bool // one is set with the page, and has to come back with the form
}

// Waiting is shown while Plex has not confirmed the sign-in. It reloads itself without the script, so it has to be
// the answer to a GET.
type Waiting struct {
	// Poll answers {"state","next","name"} as JSON; states are pending, ok, denied, expired and unavailable, and the name
	// is that of whom it has signed in, or missing. It is on the origin of the page itself.
	Poll     string
	Again    string // starts over
	Continue string // Plex's sign-in page once more
	Host     string
	Left     time.Duration // until the sign-in is over; 0 is not shown
}

// Link shows the code that signs this browser in from another device. It reloads itself without the script, so it has
// to be the answer to a GET. A code that has run out, which is an empty one, is shown with a form for a new one: a POST
// to Action with the fields rd, keep and cookie.
type Link struct {
	Code            string
	At              string        // where it is filled in already; the QR code leads there
	Left            time.Duration // until the code runs out
	Poll            string        // as in [Waiting]
	Here            string        // the page itself, which knows what follows a code
	Back            string        // the sign-in page
	Host            string        // the app that was asked for; may be empty
	Address         string        // from where the code was asked for; may be empty
	Browser, System string        // and with what; may be empty
	Action, Return  string
	Keep            bool
	Cookie          bool // as in [SignIn]
}

// Expired says that the sign-in took too long, was used, or began in another browser. The form is that of [SignIn]; without Action,
// a link to Again is in its place.
type Expired struct {
	Again          string
	Action, Return string
	Keep           time.Duration
	FormAction     []string
	PINs           string // as in [SignIn]
	Cookie         bool   // as in [SignIn]
}

// Loss is which cookie got lost, and where.
type Loss string

const (
	NoCookies          Loss = "no cookies"           // nothing that was given to the browser came back
	SessionNotKept     Loss = "session not kept"     // the pages' own cookies come back, but not the session's
	SessionNotArriving Loss = "session not arriving" // the session is known to the pages, and not to the app
)

// CookieLost says that a sign-in cannot work in this browser, or at this app, and why.
type CookieLost struct {
	What   Loss
	Host   string // the app
	Pages  string // the host of the pages
	Domain string // of the cookie; "" for one of a single host
	Again  string
}

// Framed stands within a page of somebody's own, such as a dashboard, and opens Top in the whole window. It is the one page that may be
// framed: it has no form, names nobody, and its link does no more than what any link to Top would.
type Framed struct {
	Top    string
	Host   string
	Frames []string // who may frame it: https://example.com:*, https://*.example.com:*
}

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
	Plex    string // where one signs out of Plex
	Who     string // where a member of their Plex Home is chosen; may be empty
	Request string // its id: names the line in the log, and is what the owner asks usher explain about
	Asking  Asking
}

// Asking is how somebody who was refused asks the owner to be let in. The zero Asking says nothing of it. The form is a POST to
// Action with the fields why, rd and message.
type Asking struct {
	Link                string // address of the page that has the form
	Action, Why, Return string // the form, where Action is there
	TooLong             bool   // the message is
	Message             string // as it was entered, or what they have asked
	Asked               time.Time
	From                time.Time // when they may ask again, once the owner has said no
	Full                bool      // too many have asked today
}

// Unavailable says that plex.tv does not answer.
type Unavailable struct {
	Again        string
	Retry        string // where the page tries again by itself after RetrySeconds; may be empty
	RetrySeconds int    // 0: in a few minutes
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
	Who     string // where a member of their Plex Home is chosen; may be empty
	NoDesk  bool   // there is none here, for apps may share this host
	View    View
	At      time.Time // when Plex said so
	Until   time.Time
	Keep    bool   // false: no longer than until the browser closes
	SignOut string // POST: signs out here, and everywhere with everywhere=1
	Dropped bool   // they wanted to go to an address that is none of ours

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
	ID                    string
	Name, System, Address string // of the browser, and what it runs on; either may be empty
	Since, LastSeen       time.Time
	This                  bool   // the one that asks
	End                   string // POST with the field id: signs it out; may be empty
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

// KeyProblem is what is wrong with what was entered for a key.
type KeyProblem string

// What can be wrong.
const (
	NoKeyName    KeyProblem = "no name"
	NoKeyEnd     KeyProblem = "no end"
	KeyNameTaken KeyProblem = "name taken"
	TooManyKeys  KeyProblem = "too many keys"
	NoKeyHost    KeyProblem = "no host"   // About is no host name
	KeyHostAway  KeyProblem = "not below" // About is not below Domain
	TooManyHosts KeyProblem = "too many hosts"
)

// KeyForm is what was entered, where Problem says what is wrong with it.
type KeyForm struct {
	Problem KeyProblem
	About   string
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
type SignedOut struct {
	Again string
	Plex  string // where one signs out of Plex
}

// ChooseLanguage offers every language. The form is a POST to Action with the fields rd and to, a language's tag.
type ChooseLanguage struct{ Action, Return string }

// TooMany says when to try again.
type TooMany struct {
	Seconds int
	Again   string
}

func (p SignIn) about() about {
	a := about{name: "sign-in", posts: true, leadsTo: p.FormAction, returns: p.Return}
	if source, ok := pathSource(p.PINs); ok {
		a.script, a.connects = pinScript, source
	}
	return a
}
func (Waiting) about() about { return about{name: "waiting", script: pollScript, connects: "'self'"} }
func (p Link) about() about {
	if p.Code == "" {
		return about{name: "link", posts: true, returns: p.Return}
	}
	return about{name: "link", script: pollScript, connects: "'self'"}
}
func (p Expired) about() about {
	a := about{name: "expired", posts: p.Action != "", leadsTo: p.FormAction, returns: p.Return}
	if source, ok := pathSource(p.PINs); ok && a.posts {
		a.script, a.connects = pinScript, source
	}
	return a
}
func (CookieLost) about() about { return about{name: "cookie-lost"} }
func (p Framed) about() about   { return about{name: "framed", framedBy: p.Frames} }
func (p Refused) about() about {
	return about{name: "refused", posts: p.Asking.Action != "", returns: p.Asking.Return}
}
func (p Unavailable) about() about {
	if p.Retry == "" || p.RetrySeconds <= 0 {
		return about{name: "unavailable"}
	}
	return about{name: "unavailable", script: tryScript}
}
func (NotSetUp) about() about    { return about{name: "not-set-up"} }
func (Unreachable) about() about { return about{name: "unreachable"} }
func (Home) about() about        { return about{name: "home", posts: true} }
func (Keys) about() about        { return about{name: "keys", posts: true} }
func (NewKey) about() about      { return about{name: "new-key"} }
func (p SignOut) about() about {
	return about{name: "sign-out", posts: true, leadsTo: p.FormAction, returns: p.Return}
}
func (SignedOut) about() about { return about{name: "signed-out"} }
func (p ChooseLanguage) about() about {
	return about{name: "language", posts: true, returns: p.Return}
}
func (TooMany) about() about { return about{name: "too-many"} }

func kinds() []Page {
	return append(append(setupKinds(), officeKinds()...), SignIn{}, Waiting{}, Link{}, Expired{}, CookieLost{}, Framed{}, Refused{}, Unavailable{}, NotSetUp{}, Unreachable{}, Home{}, Keys{}, NewKey{}, SignOut{}, SignedOut{}, ChooseLanguage{}, Who{}, TooMany{}, Problem{})
}

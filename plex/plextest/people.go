package plextest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is how a person stands to the owner, robin, when they are added.
type Kind int

const (
	Stranger  Kind = iota // a Plex account and nothing else
	Owner                 // owns Attic and Cellar, and admin of the Plex Home
	Home                  // member of the owner's Plex Home, with a share of Attic
	Managed               // as Home, but without username and e-mail: cannot sign in alone
	Shared                // has accepted a share of two of Attic's libraries
	Friend                // is a friend of the owner's, without a share
	Pending               // was invited to Attic and has not accepted
	Elsewhere             // has accepted a share of Cellar only
	Impostor              // a stranger who owns a server with Attic's machine identifier
)

// String describes the kind for the sign-in page.
func (k Kind) String() string {
	switch k {
	case Owner:
		return "Owns the server"
	case Home:
		return "Member of the owner’s home"
	case Managed:
		return "Managed member of the home, without username and e-mail. On plex.tv only by way of the owner"
	case Shared:
		return "The server is shared with them"
	case Friend:
		return "Friend of the owner, nothing shared"
	case Pending:
		return "Invited, has not accepted yet"
	case Elsewhere:
		return "Another server of the owner is shared with them"
	case Impostor:
		return "Stranger whose own server claims to be the owner’s"
	default:
		return "Stranger: an account and nothing else"
	}
}

// Person is a Plex account. Username and Email are empty, null in JSON, for
// managed people.
type Person struct {
	Name         string // what the methods of Server call them; Rename does not change it
	ID           int64
	UUID         string
	Username     string
	Title        string // the display name of a managed person; elsewhere the username
	Email        string
	FriendlyName string
	PIN          string // of four digits, that a switch to them in a Plex Home wants; empty: none
	Kind         Kind
}

// The sample servers of robin, by machine identifier.
const (
	Attic  = "0123456789abcdef0123456789abcdef01234567" // libraries Films, Shows, Music, and "Home, Videos"
	Cellar = "89abcdef0123456789abcdef0123456789abcdef" // libraries Films, Books; offline, and a client too
)

// world is the people and what they have to do with each other.
type world struct {
	people  map[string]*Person       // by lower-case Name
	byID    map[int64]*Person        //
	friends map[int64]map[int64]bool // both ways
	admin   map[int64]int64          // member of a Plex Home, its admin included → its admin
	devices []*Machine               //
	shares  map[int64][]*share       // by invitee
	lastID  int64                    // of a person
	lastNo  int64                    // of a share
}

func newWorld() world {
	w := world{
		people:  make(map[string]*Person),
		byID:    make(map[int64]*Person),
		friends: make(map[int64]map[int64]bool),
		admin:   make(map[int64]int64),
		shares:  make(map[int64][]*share),
		lastID:  70020000,
		lastNo:  55500,
	}
	attic := &Machine{ID: Attic, Name: "Attic", Owner: "robin", Provides: "server",
		Libraries: []Library{{"Films", "movie"}, {"Shows", "show"}, {"Music", "artist"}, {"Home, Videos", "movie"}}}
	cellar := &Machine{ID: Cellar, Name: "Cellar", Owner: "robin", Provides: "server,client",
		Offline: true, TellOwner: true, Libraries: []Library{{"Films", "movie"}, {"Books", "artist"}}}
	w.devices = append(w.devices, attic, cellar)
	for _, p := range []Person{
		{Name: "robin", ID: 70010009, Kind: Owner},
		{Name: "sam", ID: 70010003, Kind: Home},
		{Name: "Kiddo", ID: 70010002, Kind: Managed},
		{Name: "casey", ID: 70010001, Kind: Shared},
		{Name: "frankie", ID: 70010004, Kind: Friend},
		{Name: "pat", ID: 70010005, Kind: Pending},
		{Name: "otto", ID: 70010006, Kind: Elsewhere},
		{Name: "mallory", ID: 70010007, Kind: Stranger},
		{Name: "ivan", ID: 70010008, Kind: Impostor},
	} {
		w.add(p)
	}
	return w
}

// add fills in what p leaves empty, and gives p what its kind says.
func (w *world) add(p Person) Person {
	if p.ID == 0 {
		w.lastID++
		p.ID = w.lastID
	}
	if w.people[strings.ToLower(p.Name)] != nil || w.byID[p.ID] != nil || p.Name == "" {
		panic(fmt.Sprintf("plextest: person %q (%d) exists already or has no name", p.Name, p.ID))
	}
	p.UUID = cmp.Or(p.UUID, fmt.Sprintf("9f00%012x", p.ID))
	p.Title = cmp.Or(p.Title, p.Name)
	if p.Kind != Managed {
		p.Username = cmp.Or(p.Username, p.Name)
		p.Email = cmp.Or(p.Email, strings.ToLower(p.Name)+"@example.org")
	}
	w.people[strings.ToLower(p.Name)], w.byID[p.ID] = &p, &p
	switch p.Kind {
	case Owner:
		w.admin[p.ID] = p.ID
	case Home, Managed:
		w.admin[p.ID] = w.person("robin").ID
		w.share(&p, w.machine("robin", Attic), true)
	case Shared:
		w.befriend("robin", p.Name)
		w.share(&p, w.machine("robin", Attic), true, "Films", "Shows")
	case Friend:
		w.befriend("robin", p.Name)
	case Pending:
		w.share(&p, w.machine("robin", Attic), false)
	case Elsewhere:
		w.befriend("robin", p.Name)
		w.share(&p, w.machine("robin", Cellar), true)
	case Impostor:
		w.devices = append(w.devices, &Machine{ID: Attic, Name: "Attic", Owner: p.Name, Provides: "server",
			Libraries: []Library{{"Films", "movie"}}})
	}
	return p
}

// person panics for a name that it does not know: that is a bug of the test.
func (w *world) person(name string) *Person {
	p := w.people[strings.ToLower(name)]
	if p == nil {
		panic(fmt.Sprintf("plextest: no person %q", name))
	}
	return p
}

func (w *world) befriend(a, b string) {
	p, q := w.person(a).ID, w.person(b).ID
	for _, pair := range [][2]int64{{p, q}, {q, p}} {
		if w.friends[pair[0]] == nil {
			w.friends[pair[0]] = make(map[int64]bool)
		}
		w.friends[pair[0]][pair[1]] = true
	}
}

func (w *world) unfriend(p, q int64) {
	delete(w.friends[p], q)
	delete(w.friends[q], p)
}

// Person returns a person of that name, letter case ignored, as they are now.
// Like every method that takes a name it panics if there is none.
func (s *Server) Person(name string) Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.person(name)
}

// People returns everybody, by id.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Person
	for _, p := range s.byIDSorted() {
		all = append(all, *p)
	}
	return all
}

func (w *world) byIDSorted() []*Person {
	var all []*Person
	for _, id := range slices.Sorted(maps.Keys(w.byID)) {
		all = append(all, w.byID[id])
	}
	return all
}

// AddPerson adds an account with what its Kind says. Only Name is needed;
// the rest is filled in.
func (s *Server) AddPerson(p Person) Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(p)
}

// AddPeople adds n accounts of a kind at once, called guest1, guest2, … by the
// number of people that there are.
func (s *Server) AddPeople(n int, k Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.add(Person{Name: fmt.Sprintf("guest%d", len(s.byID)+1), Kind: k})
	}
}

// Edit changes what plex.tv says of a person. Name and ID stay.
func (s *Server) Edit(name string, change func(*Person)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(name)
	before := *p
	change(p)
	p.Name, p.ID = before.Name, before.ID
}

// Rename gives a person another username and title, which somebody else may have too.
func (s *Server) Rename(name, username string) {
	s.Edit(name, func(p *Person) { p.Username, p.Title = username, username })
}

// SetEmail gives a person another e-mail address.
func (s *Server) SetEmail(name, email string) {
	s.Edit(name, func(p *Person) { p.Email = email })
}

// AddFriend makes a person a friend of robin's.
func (s *Server) AddFriend(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.befriend("robin", name)
}

// RemoveFriend ends robin's friendship with a person, their place in the Plex
// Home, and all shares and invitations from robin.
func (s *Server) RemoveFriend(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(name)
	s.unfriend(s.person("robin").ID, p.ID)
	delete(s.admin, p.ID)
	s.shares[p.ID] = slices.DeleteFunc(s.shares[p.ID], func(sh *share) bool { return sh.machine.Owner == "robin" })
}

// RemovePerson deletes an account: its tokens die, and nobody lists it any more.
func (s *Server) RemovePerson(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.person(name)
	s.revoke(p.ID)
	for friend := range s.friends[p.ID] {
		delete(s.friends[friend], p.ID)
	}
	delete(s.friends, p.ID)
	delete(s.admin, p.ID)
	delete(s.shares, p.ID)
	for id := range s.shares {
		s.shares[id] = slices.DeleteFunc(s.shares[id], func(sh *share) bool { return strings.EqualFold(sh.machine.Owner, p.Name) })
	}
	delete(s.byID, p.ID)
	delete(s.people, strings.ToLower(p.Name))
	s.devices = slices.DeleteFunc(s.devices, func(m *Machine) bool { return strings.EqualFold(m.Owner, p.Name) })
}

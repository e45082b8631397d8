package plextest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Machine is a server or a player that Plex lists under resources.
type Machine struct {
	ID        string // machine identifier, "clientIdentifier" in resources; not unique: an impostor may claim one
	Name      string
	Owner     string // Name of the person it belongs to
	Provides  string // comma list, e.g. "server", "server,client", "client,player"; empty means "server"
	Offline   bool   // listed all the same, with presence false
	TellOwner bool   // its owner too is told ownerId; both null and the id have been seen there
	Libraries []Library
}

// Library is a library of a server.
type Library struct {
	Title string
	Type  string // movie, show, artist, photo
}

// share is an invitation to a machine, accepted or not.
type share struct {
	no        int64
	machine   *Machine
	accepted  bool
	all       bool // all libraries, future ones too
	libraries []string
}

func (sh *share) has(library string) bool {
	return sh.all || slices.Contains(sh.libraries, library)
}

// created is when everything in this world came to be.
func created() time.Time { return time.Date(2021, 10, 1, 12, 0, 0, 0, time.UTC) }

// machine panics if that person has no such machine: that is a bug of the test.
func (w *world) machine(owner, id string) *Machine {
	for _, m := range w.devices {
		if m.ID == id && strings.EqualFold(m.Owner, owner) {
			return m
		}
	}
	panic(fmt.Sprintf("plextest: %s has no machine %q", owner, id))
}

// share replaces what p has of m. No libraries means all.
func (w *world) share(p *Person, m *Machine, accepted bool, libraries ...string) {
	w.unshare(p, m)
	w.lastNo++
	w.shares[p.ID] = append(w.shares[p.ID],
		&share{no: w.lastNo, machine: m, accepted: accepted, all: len(libraries) == 0, libraries: libraries})
}

// shareOf is p's share of m, of libraries by name; it panics if there is none.
func (w *world) shareOf(p *Person, m *Machine) *share {
	for _, sh := range w.shares[p.ID] {
		if sh.machine != m {
			continue
		}
		if sh.all {
			sh.all, sh.libraries = false, nil
			for _, l := range m.Libraries {
				sh.libraries = append(sh.libraries, l.Title)
			}
		}
		return sh
	}
	panic(fmt.Sprintf("plextest: %s has no share of %s", p.Name, m.Name))
}

func (w *world) unshare(p *Person, m *Machine) {
	w.shares[p.ID] = slices.DeleteFunc(w.shares[p.ID], func(sh *share) bool { return sh.machine == m })
}

// AddMachine adds a server, or, by its Provides, a player.
func (s *Server) AddMachine(m Machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Owner = s.person(m.Owner).Name
	if m.Provides == "" {
		m.Provides = "server"
	}
	s.devices = append(s.devices, &m)
}

// EditMachine changes a machine; owner and id say which.
func (s *Server) EditMachine(owner, id string, change func(*Machine)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machine(owner, id)
	before := m.Owner
	change(m)
	m.Owner = before
}

// Share lets a person accept a share of one of robin's servers, of all its
// libraries or of those named. They become friends.
func (s *Server) Share(name, machine string, libraries ...string) {
	s.ShareBy("robin", name, machine, libraries...)
}

// ShareBy is Share by somebody else, such as the impostor.
func (s *Server) ShareBy(owner, name, machine string, libraries ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.befriend(owner, name)
	s.share(s.person(name), s.machine(owner, machine), true, libraries...)
}

// Invite offers a person a share of one of robin's servers, which they have not
// accepted; Share accepts it.
func (s *Server) Invite(name, machine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.share(s.person(name), s.machine("robin", machine), false)
}

// GiveLibraries adds libraries to what a person has been offered of one of
// robin's servers, accepted or not; TakeLibraries removes some. Once some are
// named, a share is no longer of all and of all to come.
func (s *Server) GiveLibraries(name, machine string, titles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shareOf(s.person(name), s.machine("robin", machine))
	sh.libraries = append(sh.libraries, titles...)
}

func (s *Server) TakeLibraries(name, machine string, titles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shareOf(s.person(name), s.machine("robin", machine))
	sh.libraries = slices.DeleteFunc(sh.libraries, func(l string) bool { return slices.Contains(titles, l) })
}

// Unshare ends a share or an invitation of one of robin's servers. The
// friendship stays.
func (s *Server) Unshare(name, machine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unshare(s.person(name), s.machine("robin", machine))
}

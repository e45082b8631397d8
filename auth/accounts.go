package auth

import (
	"usher/plex"
	"usher/session"
)

// Settings under which the owner's view of plex.tv is kept, and when it was last got.
const (
	ownerSetting = "owner's view"
	freshSetting = "owner's view, when"
)

// PlexStore keeps what plex.tv said in the store of sessions.
func PlexStore(s *session.Store) plex.Store { return accounts{s} }

type accounts struct{ *session.Store }

func (a accounts) Person(id int64) (plex.Token, []byte, error) {
	account, _, err := a.Account(id)
	return plex.Token(account.Token), account.Answer, err
}

func (a accounts) SavePerson(id int64, answer []byte) error { return a.SaveAnswer(id, answer) }

func (a accounts) SaveToken(id int64, token plex.Token) error {
	return a.Store.SaveToken(id, session.Token(token))
}

func (a accounts) ForgetPerson(id int64) error { return a.ForgetAccount(id) }

func (a accounts) Owner() (view, fresh []byte, err error) {
	if view, err = a.Setting(ownerSetting); err == nil {
		fresh, err = a.Setting(freshSetting)
	}
	return view, fresh, err
}

func (a accounts) SaveOwner(view []byte) error { return a.SetSetting(ownerSetting, view) }

func (a accounts) SaveOwnerFresh(fresh []byte) error { return a.SetSetting(freshSetting, fresh) }

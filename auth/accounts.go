package auth

import (
	"usher/plex"
	"usher/session"
)

// ownerSetting is the setting under which the owner's view of plex.tv is kept.
const ownerSetting = "owner's view"

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

func (a accounts) Owner() ([]byte, error) { return a.Setting(ownerSetting) }

func (a accounts) SaveOwner(view []byte) error { return a.SetSetting(ownerSetting, view) }

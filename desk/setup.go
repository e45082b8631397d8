package desk

import (
	"encoding/json"
	"errors"

	"usher/plex"
)

// Server is a Plex server that counts.
type Server struct {
	ID   string `json:"id"`   // machine identifier
	Name string `json:"name"` // for showing alone; "": not known
}

// Setup is what set-up has found out. Zero values are for what is not known,
// or left to the environment.
type Setup struct {
	Servers   []Server   `json:"servers"`
	Owner     int64      `json:"owner"` // their Plex id
	OwnerName string     `json:"owner_name"`
	Allow     string     `json:"allow"` // who may pass
	Token     plex.Token `json:"-"`     // the owner's
}

// stored is a set-up with its token in clear: what is sealed before it is
// stored.
type stored struct {
	Setup
	Token string `json:"token"`
}

// Encode is for a store that seals: the token is in it.
func (s Setup) Encode() ([]byte, error) { return json.Marshal(stored{s, string(s.Token)}) }

// Decode reads what [Setup.Encode] made; nothing is the zero Setup.
func Decode(text []byte) (Setup, error) {
	if len(text) == 0 {
		return Setup{}, nil
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return Setup{}, errors.New("what set-up has stored cannot be read") // the error would quote it
	}
	s.Setup.Token = plex.Token(s.Token)
	return s.Setup, nil
}

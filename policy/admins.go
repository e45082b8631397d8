package policy

import (
	"errors"
	"fmt"
	"strings"
)

// ParseAdmins reads a comma list of people, each named by a user: term. A term
// that describes more than one person, or keeps somebody out, is refused: who
// administers is to be seen in the list itself.
func ParseAdmins(text string) (Policy, error) {
	var errs []error
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); !strings.HasPrefix(word, "user:") {
			errs = append(errs, fmt.Errorf("%q names no person: write user: and a Plex id (or a uuid, username or e-mail address)", word))
		}
	}
	if len(errs) > 0 {
		return Policy{}, errors.Join(errs...)
	}
	return Parse(text)
}

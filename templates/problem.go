package templates

import "net/http"

// Problem is any other refusal of a request: 400, 403, 404, 405, 500.
type Problem struct {
	Status  int
	Kind    Trouble
	Address string // that Behind tells of
	// Title and Text are where there is no Kind, in English: the desk's.
	Title, Text string
}

// Trouble is what a [Problem] is about.
type Trouble string

// The kinds of trouble.
const (
	NoPage          Trouble = "no page"    // there is none, or not for everybody
	NoAddress       Trouble = "no address" // the host name is no host name
	NotHere         Trouble = "not here"   // not by this method
	Elsewhere       Trouble = "elsewhere"  // a form of another site's
	NoForm          Trouble = "no form"    // that can be read
	Behind          Trouble = "behind"     // the sign-in page, at Address, is itself behind the check
	NoKeys          Trouble = "no keys"    // for an account without access
	OldPage         Trouble = "old page"   // to ask the owner from
	AskNotStored    Trouble = "ask not stored"
	DeviceNotStored Trouble = "device not stored"
	KeyNotStored    Trouble = "key not stored"
	NoNewKey        Trouble = "no new key"
	NotSignedOut    Trouble = "not signed out"
)

// NoSuchPage is the answer for a page that is not there, or not for everybody.
func NoSuchPage() Problem { return Problem{Status: http.StatusNotFound, Kind: NoPage} }

// troubleWords are the keys of what a page says.
type troubleWords struct{ Title, Text string }

// trouble is what is said of a kind of trouble, nil for none.
func trouble(kind Trouble) *troubleWords {
	switch kind {
	case NoPage:
		return &troubleWords{"problem.no-page.title", "problem.no-page.text"}
	case NoAddress:
		return &troubleWords{"problem.no-address.title", "problem.no-address.text"}
	case NotHere:
		return &troubleWords{"problem.not-here.title", "problem.not-here.text"}
	case Elsewhere:
		return &troubleWords{"problem.elsewhere.title", "problem.elsewhere.text"}
	case NoForm:
		return &troubleWords{"problem.no-form.title", "problem.no-form.text"}
	case Behind:
		return &troubleWords{"problem.behind.title", "problem.behind.text"}
	case NoKeys:
		return &troubleWords{"problem.no-keys.title", "problem.no-keys.text"}
	case OldPage:
		return &troubleWords{"problem.old-page.title", "problem.old-page.text"}
	case AskNotStored:
		return &troubleWords{"problem.not-stored.title", "problem.not-stored.ask"}
	case DeviceNotStored:
		return &troubleWords{"problem.not-stored.title", "problem.not-stored.device"}
	case KeyNotStored:
		return &troubleWords{"problem.not-stored.title", "problem.not-stored.key"}
	case NoNewKey:
		return &troubleWords{"problem.no-new-key.title", "problem.no-new-key.text"}
	case NotSignedOut:
		return &troubleWords{"problem.not-signed-out.title", "problem.not-signed-out.text"}
	}
	return nil
}

func (Problem) about() about { return about{name: "problem"} }

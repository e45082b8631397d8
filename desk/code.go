package desk

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"usher/plex"
	"usher/session"
	"usher/templates"
)

const (
	tries    = 5
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: none is taken for another
	codeSize = 12                                 // of 32 letters: 60 bits
)

// code opens set-up once. The zero value opens nothing.
type code struct {
	text string
	left int
}

func newCode() code {
	b := make([]byte, codeSize)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)] // 256 is a multiple of 32
	}
	return code{string(b), tries}
}

// String is the code in groups, to be read.
func (c code) String() string { return c.text[:4] + "-" + c.text[4:8] + "-" + c.text[8:] }

// fits spends a try. It takes the same time however much of the code is right.
func (c *code) fits(text string) bool {
	if c.left == 0 {
		return false
	}
	fits := subtle.ConstantTimeCompare([]byte(c.text), []byte(canonical(text))) == 1
	if c.left--; fits || c.left == 0 {
		*c = code{}
	}
	return fits
}

// canonical reads a code as people type it: groups and letter case do not
// count, nor which of two letters that look alike.
func canonical(text string) string {
	return strings.NewReplacer("-", "", " ", "", "\t", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(text)))
}

// NewCode makes a new one-time code, to be told to the owner alone. The one
// before opens nothing any more.
func (d *Desk) NewCode() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code = newCode()
	return d.code.String()
}

// isOpen reports whether set-up is anything that a stranger may see: while it
// has never been done, or while there is a code to enter.
func (d *Desk) isOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.code.left > 0 || len(d.cfg.InForce().Servers) == 0
}

// enter takes the code, and gives the browser that has it right the set-up.
func (d *Desk) enter(w http.ResponseWriter, r *http.Request, v Visit) {
	if err := r.ParseForm(); err != nil {
		d.write(w, http.StatusBadRequest, templates.Problem{Status: http.StatusBadRequest, Title: "That form cannot be read", Text: "Go back and try again."})
		return
	}
	d.mu.Lock()
	open := d.code.left > 0
	fits := d.code.fits(r.PostForm.Get("code"))
	left := d.code.left
	if fits {
		d.run = newRun(0, "")
	}
	now := d.run
	d.mu.Unlock()
	switch {
	case fits:
		d.audit(v, session.ResultBegun, byCode, plex.Account{})
		d.setCookie(w, v, now)
		see(w, v.Base+path)
	case left > 0:
		d.audit(v, session.ResultWrongCode, "", plex.Account{})
		d.codePage(w, v, http.StatusForbidden, fmt.Sprintf("That is not the code. Tries left: %d.", left))
	case !open:
		d.codePage(w, v, http.StatusForbidden, "")
	default:
		d.audit(v, session.ResultWrongCode, "", plex.Account{})
		d.cfg.Log.Warn("there is no set-up code that could be entered; SIGUSR1 has a new one printed")
		d.codePage(w, v, http.StatusForbidden, "")
	}
}

// codePage asks for the code, or says that there is none.
func (d *Desk) codePage(w http.ResponseWriter, v Visit, status int, problem string) {
	d.mu.Lock()
	left := d.code.left
	d.mu.Unlock()
	if left > 0 {
		d.write(w, status, templates.SetupCode{Action: v.Base + path + "/code", Problem: problem})
		return
	}
	d.write(w, http.StatusForbidden, templates.SetupProblem{Title: "That code is over", Again: v.Base + path, AgainText: "I have a new one",
		Text:     "It was used, or entered wrong too often. Have a new one printed into Usher's log, or run usher setup in a terminal:",
		Commands: []string{"docker kill -s USR1 usher", "systemctl kill -s USR1 usher", "docker exec -it usher /usher setup"}})
}

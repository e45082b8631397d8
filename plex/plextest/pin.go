package plextest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	strongLife  = 30 * time.Minute
	weakLife    = 15 * time.Minute
	claimedLife = 10 * time.Second // what a capture shows to be left after approval
	maxPINs     = 100_000          // live at a time; our bound, not Plex's
)

type pins struct {
	byPINID map[int64]*pin
	byCode  map[string]*pin
	lastPIN int64
}

type pin struct {
	id      int64
	code    string
	client  string // client identifier it is bound to
	product string
	from    string // address that asked for it
	origin  string // of the web page that did; empty: it was none
	created time.Time
	expires time.Time
	token   string // of who approved it; empty until then
}

func newPins() pins {
	return pins{byPINID: make(map[int64]*pin), byCode: make(map[string]*pin), lastPIN: 601223344}
}

// text is n random characters of an alphabet.
func text(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			panic("plextest: " + err.Error()) // crypto/rand does not fail
		}
		b[i] = alphabet[k.Int64()]
	}
	return string(b)
}

func (p *pins) drop(x *pin) {
	delete(p.byPINID, x.id)
	delete(p.byCode, x.code)
}

// livePIN finds a PIN by its code, nil if it is unknown or over.
func (s *Server) livePIN(code string) *pin {
	p := s.byCode[code]
	if p == nil {
		p = s.byCode[strings.ToUpper(code)] // people type weak codes
	}
	if p == nil || !s.now().Before(p.expires) {
		return nil
	}
	return p
}

func (s *Server) createPIN(r *http.Request) reply {
	client := clientOf(r)
	if client == "" {
		return noClient(r)
	}
	p := &pin{client: client, product: plexHeader(r, "X-Plex-Product"), from: addressOf(r), origin: r.Header.Get("Origin")}
	life, size, alphabet := weakLife, 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if wantsStrong(r) {
		life, size, alphabet = strongLife, 25, "abcdefghijklmnopqrstuvwxyz0123456789"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.created = s.now()
	p.expires = p.created.Add(life)
	if len(s.byPINID) >= maxPINs {
		for _, old := range s.byPINID {
			if !p.created.Before(old.expires) {
				s.drop(old)
			}
		}
	}
	if len(s.byPINID) >= maxPINs {
		return refuse(r, http.StatusTooManyRequests, 1003, "API rate limit exceeded")
	}
	for p.code == "" || s.byCode[p.code] != nil {
		p.code = text(size, alphabet)
	}
	s.lastPIN++
	p.id = s.lastPIN
	s.byPINID[p.id], s.byCode[p.code] = p, p
	return s.pinReply(r, http.StatusCreated, p)
}

// wantsStrong reads strong from the query, a form or a JSON body: clients use all three.
func wantsStrong(r *http.Request) bool {
	var body struct {
		Strong bool `json:"strong"`
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if json.NewDecoder(r.Body).Decode(&body) == nil && body.Strong {
			return true
		}
	}
	strong, err := strconv.ParseBool(r.FormValue("strong"))
	return err == nil && strong
}

func (s *Server) checkPIN(r *http.Request) reply {
	client := clientOf(r)
	if client == "" {
		return noClient(r)
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return refuse(r, http.StatusBadRequest, 1004, "id is invalid")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byPINID[id]
	if p == nil || p.client != client || !s.now().Before(p.expires) {
		return noPIN(r)
	}
	return s.pinReply(r, http.StatusOK, p)
}

// linkPIN is how plex.tv/link approves: the token says who does.
func (s *Server) linkPIN(r *http.Request) reply {
	if clientOf(r) == "" {
		return noClient(r)
	}
	code := r.FormValue("code")
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.bearer(r)
	if who == nil {
		return noToken(r)
	}
	if !s.claim(s.livePIN(code), who) {
		return noPIN(r)
	}
	return reply{status: http.StatusNoContent}.fromPlex()
}

// claim gives a PIN's client a token of who, unless somebody was first. The
// PIN's life is cut: the token can be read for some seconds, then the PIN is gone.
func (s *Server) claim(p *pin, who *Person) bool {
	if p == nil || p.token != "" {
		return false
	}
	p.token = s.issue(who, p.client)
	p.expires = s.now().Add(claimedLife)
	return true
}

// Approve approves the PIN of a code as a person, without the sign-in page.
func (s *Server) Approve(code, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.claim(s.livePIN(code), s.person(name)) {
		return fmt.Errorf("plextest: no PIN to approve has the code %q", code)
	}
	return nil
}

func noPIN(r *http.Request) reply {
	return refuse(r, http.StatusNotFound, 1020, "Code not found or expired")
}

type location struct {
	Code              string  `json:"code"`
	EuropeanUnion     bool    `json:"european_union_member"`
	Continent         *string `json:"continent_code"`
	Country           string  `json:"country"`
	City              *string `json:"city"`
	TimeZone          *string `json:"time_zone"`
	PostalCode        *string `json:"postal_code"`
	RestrictedCountry bool    `json:"in_privacy_restricted_country"`
	RestrictedRegion  bool    `json:"in_privacy_restricted_region"`
	Subdivisions      *string `json:"subdivisions"`
	Coordinates       *string `json:"coordinates"`
}

type pinBody struct {
	ID               int64    `json:"id"`
	Code             string   `json:"code"`
	Product          *string  `json:"product"`
	Trusted          bool     `json:"trusted"`
	QR               string   `json:"qr"`
	ClientIdentifier string   `json:"clientIdentifier"`
	Location         location `json:"location"`
	ExpiresIn        int      `json:"expiresIn"`
	CreatedAt        string   `json:"createdAt"`
	ExpiresAt        string   `json:"expiresAt"`
	AuthToken        *string  `json:"authToken"`
	NewRegistration  *bool    `json:"newRegistration"`
}

// pinReply is called with mu held. In XML only id, code and authToken have been
// seen for certain; the other attributes follow the JSON.
func (s *Server) pinReply(r *http.Request, status int, p *pin) reply {
	v := pinBody{
		ID: p.id, Code: p.code, Product: null(p.product),
		QR:               "https://plex.tv/api/v2/pins/qr/" + p.code,
		ClientIdentifier: p.client,
		Location:         location{Code: "GB", Continent: null("EU"), Country: "United Kingdom", RestrictedCountry: true},
		ExpiresIn:        int((p.expires.Sub(s.now()) + time.Second - 1) / time.Second),
		CreatedAt:        stamp(p.created),
		ExpiresAt:        stamp(p.expires),
		AuthToken:        null(p.token),
	}
	registered := ""
	if p.token != "" {
		v.NewRegistration, registered = new(bool), "0"
		v.Location.City, v.Location.Coordinates = null("Leeds"), null("53.79, -1.54")
	}
	place := el("location", "code", v.Location.Code, "country", v.Location.Country, "city", "", "coordinates", "")
	return either(r, status, v, el("pin", "id", number(p.id), "code", p.code, "product", p.product,
		"trusted", "0", "clientIdentifier", p.client, "expiresIn", strconv.Itoa(v.ExpiresIn),
		"createdAt", v.CreatedAt, "expiresAt", v.ExpiresAt, "authToken", p.token,
		"newRegistration", registered).with(place))
}

// stamp writes a time as v2 does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

package plex_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"usher/plex"
	"usher/plex/plextest"
)

// teen is a managed member of a Home, protected by a PIN.
var teen = plex.HomeUser{Account: plex.Account{ID: 70010020, UUID: "9f00aa11bb22cc44", Title: "Teen"}, Managed: true, Protected: true}

func TestAListOfMembersThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	member := func(id int, uuid string) string {
		return fmt.Sprintf(`{"id":%d,"uuid":"%s","title":"x","restricted":true}`, id, uuid)
	}
	var many []string
	for i := range 101 {
		many = append(many, member(i+1, fmt.Sprintf("%016x", i)))
	}
	for name, body := range map[string]string{
		"no list":                     `{"id":1}`,
		"null":                        `{"users":null}`,
		"an object":                   `{"users":{}}`,
		"an id that is text":          `{"users":[{"id":"70010002","uuid":"9f00"}]}`,
		"id 0":                        `{"users":[` + member(0, "9f00") + `]}`,
		"a negative id":               `{"users":[` + member(-1, "9f00") + `]}`,
		"no uuid":                     `{"users":[{"id":70010002}]}`,
		"a uuid that is a path":       `{"users":[` + member(1, "../users") + `]}`,
		"a uuid that has a query":     `{"users":[` + member(1, "9f00?pin=1234") + `]}`,
		"a uuid that breaks lines":    `{"users":[` + member(1, `9f\r\n00`) + `]}`,
		"a uuid of no end":            `{"users":[` + member(1, strings.Repeat("9", 65)) + `]}`,
		"two of one id":               `{"users":[` + member(1, "9f00") + `,` + member(1, "9f01") + `]}`,
		"two of one uuid":             `{"users":[` + member(1, "9f00") + `,` + member(2, "9f00") + `]}`,
		"more than there can be":      `{"users":[` + strings.Join(many, ",") + `]}`,
		"managed is text":             `{"users":[{"id":1,"uuid":"9f00","restricted":"1"}]}`,
		"half a list":                 `{"users":[` + member(1, "9f00"),
		"something behind the object": `{"users":[]}{"users":[]}`,
	} {
		if list, err := newClient(t, answer(200, js, body)).HomeUsers(t.Context(), testToken); !errors.Is(err, plex.ErrUnavailable) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// Whoever is not plainly a managed member may not be picked.
func TestWhoIsManaged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		row  string
		want bool
	}{
		"managed":                         {`"restricted":true,"username":null,"email":null`, true},
		"managed, with empty names":       {`"restricted":true,"username":"","email":""`, true},
		"a Plex account of their own":     {`"restricted":false`, false},
		"nothing is said":                 {`"title":"x"`, false},
		"a username":                      {`"restricted":true,"username":"robin"`, false},
		"a username too long to be kept":  {`"restricted":true,"username":"` + strings.Repeat("r", 3000) + `"`, false},
		"an e-mail address":               {`"restricted":true,"email":"robin@example.org"`, false},
		"an e-mail that is not confirmed": {`"restricted":true,"email":"robin@example.org","confirmed":false`, false},
		"the admin":                       {`"restricted":true,"admin":true`, false},
		"the Home's guest":                {`"restricted":true,"guest":true`, false},
	} {
		list, err := newClient(t, answer(200, js, `{"users":[{"id":1,"uuid":"9f00",`+tt.row+`}]}`)).HomeUsers(t.Context(), testToken)
		if err != nil || len(list) != 1 || list[0].Managed != tt.want {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
}

func TestASwitchToSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"another id":                 `{"id":70010009,"uuid":"9f00aa11bb22cc44","authToken":"test-token-teen"}`,
		"another uuid":               `{"id":70010020,"uuid":"9f00aa11bb22cc33","authToken":"test-token-teen"}`,
		"no id":                      `{"uuid":"9f00aa11bb22cc44","authToken":"test-token-teen"}`,
		"no uuid":                    `{"id":70010020,"authToken":"test-token-teen"}`,
		"no token":                   `{"id":70010020,"uuid":"9f00aa11bb22cc44"}`,
		"a token that is null":       `{"id":70010020,"uuid":"9f00aa11bb22cc44","authToken":null}`,
		"a token that breaks lines":  `{"id":70010020,"uuid":"9f00aa11bb22cc44","authToken":"a\r\nb"}`,
		"the token that asked":       `{"id":70010020,"uuid":"9f00aa11bb22cc44","authToken":"test-token-robin"}`,
		"a token under another name": `{"id":70010020,"uuid":"9f00aa11bb22cc44","authenticationToken":"test-token-teen"}`,
	} {
		token, err := newClient(t, answer(201, js, body)).SwitchHomeUser(t.Context(), testToken, teen, "1234")
		if !errors.Is(err, plex.ErrUnavailable) || token != "" {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "1234") || strings.Contains(err.Error(), "token-")) {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
}

func TestWhatIsNoPINIsNotSent(t *testing.T) {
	t.Parallel()
	c := newClient(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("asked %s", r.URL.Path)
		return nil, io.EOF
	}))
	for _, pin := range []string{"1", "123", "12345", "12a4", "١٢٣٤", "1&a=", " 123", "-123", strings.Repeat("1", 1<<20)} {
		if _, err := c.SwitchHomeUser(t.Context(), testToken, teen, pin); !errors.Is(err, plex.ErrBadRequest) || strings.Contains(err.Error(), pin) {
			t.Errorf("%.9q: %v", pin, err)
		}
	}
	for _, uuid := range []string{"", "../..", "9f00/switch", "9f00?a", "9f00%2f", strings.Repeat("9", 65)} {
		u := teen
		u.UUID = uuid
		if _, err := c.SwitchHomeUser(t.Context(), testToken, u, ""); !errors.Is(err, plex.ErrBadRequest) {
			t.Errorf("%q: %v", uuid, err)
		}
	}
}

// The PIN goes to plex.tv, and nowhere else.
func TestThePINOfAMemberStaysBetweenUsAndPlex(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]roundTrip{
		"silence":    func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("Post %q: EOF", r.URL) },
		"a redirect": answer(302, "", "", "Location", "http://169.254.169.254/?pin=1234"),
		"a page":     answer(200, "text/html", "pin=1234"),
		"too many":   answer(429, js, `{"errors":[{"code":1003}]}`, "Retry-After", "60"),
		"wrong":      answer(403, js, `{"errors":[{"code":1041,"message":"1234"}]}`),
	} {
		asked, told := "", ""
		c, err := plex.New(plex.Config{ClientID: clientID, Observe: func(endpoint, outcome string, _ time.Duration) { told += endpoint + outcome }, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked += r.URL.String()
			return end(r)
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.SwitchHomeUser(t.Context(), testToken, teen, "1234")
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "1234") || strings.Contains(told, "1234") {
			t.Errorf("%s: %v, %s", name, err, told)
		}
		if asked != "https://plex.tv/api/v2/home/users/9f00aa11bb22cc44/switch?pin=1234" {
			t.Errorf("%s: asked %s", name, asked)
		}
	}
}

// The stand-in's Home, as the client reads it.
func TestAHome(t *testing.T) {
	t.Parallel()
	s := plextest.Start(t, plextest.InMemory())
	person := s.AddPerson(plextest.Person{Name: "Teen", ID: 70010020, Kind: plextest.Managed, PIN: "1234"})
	tr := s.Transport()
	t.Cleanup(tr.CloseIdleConnections)
	c, err := plex.New(plex.Config{URL: s.URL, ClientID: clientID, Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	admin := plex.Token(s.Token("robin", clientID))
	me, err := c.Account(t.Context(), admin)
	if err != nil || !me.HomeAdmin {
		t.Errorf("robin is the admin of their Home: %+v, %v", me, err)
	}
	for _, name := range []string{"sam", "casey"} {
		if a, err := c.Account(t.Context(), plex.Token(s.Token(name, clientID))); err != nil || a.HomeAdmin {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	list, err := c.HomeUsers(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, u := range list {
		got[u.Title] = fmt.Sprint(u.Admin, u.Managed, u.Protected)
	}
	if diff := cmp.Diff(map[string]string{"robin": "true false false", "sam": "false false false", "Kiddo": "false true false", "Teen": "false true true"}, got); diff != "" {
		t.Error(diff)
	}
	member := plex.HomeUser{Account: plex.Account{ID: person.ID, UUID: person.UUID}}
	for _, pin := range []string{"", "0000"} {
		if _, err := c.SwitchHomeUser(t.Context(), admin, member, pin); !errors.Is(err, plex.ErrHomePIN) {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
	token, err := c.SwitchHomeUser(t.Context(), admin, member, "1234")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := c.Account(t.Context(), token); err != nil || a.ID != person.ID {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := c.SwitchHomeUser(t.Context(), plex.Token(s.Token("casey", clientID)), member, "1234"); !errors.Is(err, plex.ErrUnavailable) {
		t.Errorf("casey is not in that Home: %v", err)
	}
}

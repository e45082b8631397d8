package auth

import (
	"net/http"
	"net/url"
	"strings"

	"usher/templates"
)

// languageName is the cookie of the language that somebody chose. It is no
// secret and decides nothing else, so that it may go wherever the session does.
const languageName = "usher-language"

// languageLife is how long a choice is remembered, in seconds: a year.
const languageLife = 365 * 24 * 60 * 60

// languagePath is where the languages are, below the pages.
const languagePath = "/language"

// languagePage offers every language. A GET changes nothing.
func (s *Server) languagePage(w http.ResponseWriter, r *http.Request, site Site) {
	page := templates.ChooseLanguage{Action: site.base() + languagePath, Return: site.returnFrom(r).String()}
	s.write(w, r, http.StatusOK, page)
}

// chooseLanguage remembers the language that somebody picked, and leads back.
// One that is none of ours is not remembered.
func (s *Server) chooseLanguage(w http.ResponseWriter, r *http.Request, site Site) {
	if !s.readForm(w, r) {
		return
	}
	if l, ok := templates.ParseLanguage(r.PostForm.Get("to")); ok {
		http.SetCookie(w, &http.Cookie{Name: languageName, Value: string(l), Domain: site.domain, Path: "/", MaxAge: languageLife,
			Secure: !s.cfg.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	see(w, site.returnFrom(r).String())
}

// reader is who a page is written for, and where they choose another language.
// No check that lets somebody pass asks.
func (s *Server) reader(r *http.Request) templates.Reader {
	chosen := ""
	if c, err := r.Cookie(languageName); err == nil {
		chosen = c.Value
	}
	reader := templates.Reader{Language: s.cfg.Pages.Match(chosen, r.Header.Get("Accept-Language"))}
	if site, here, ok := s.standing(r); ok {
		reader.Choose = site.base() + languagePath + "?rd=" + url.QueryEscape(here.String())
	}
	return reader
}

// standing is where a reader stands: the site whose cookie reaches them, and the
// address that shows them the same page again. It reports false on the page of
// the languages itself, and where no site is theirs.
func (s *Server) standing(r *http.Request) (site Site, here Return, ok bool) {
	if isCheck(r.URL) {
		f, _, _ := s.family(r)
		if f == nil {
			return Site{}, Return{}, false
		}
		a, err := f.read(*f, r)
		if err != nil {
			return Site{}, Return{}, false
		}
		site, ok = s.siteOf(a)
		return site, site.comeBack(a), ok
	}
	base := s.baseOf(r)
	if site, ok = s.pageSite(r, base); !ok || r.URL.Path == base+languagePath {
		return Site{}, Return{}, false
	}
	return site, s.sameAgain(r, site), true
}

// sameAgain is the address that shows the page of a request again. What a form
// was answered with no address shows: a sign-in begins anew then, and any other
// leads to the person's own page.
func (s *Server) sameAgain(r *http.Request, site Site) Return {
	address := site.origin() + r.URL.RequestURI()
	switch back, given := site.givenReturn(r); {
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
	case given && strings.HasPrefix(r.URL.Path, site.path+"/login"):
		address = site.loginPage(back)
	default:
		address = site.base() + "/"
	}
	if here, ok := site.parseReturn(address); ok {
		return here
	}
	return Return{site.base() + "/"}
}

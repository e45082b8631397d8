package auth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"usher/plex"
	"usher/policy"
	"usher/session"
)

const (
	maxRedeem = 8 << 10 // bytes of a body
	maxToken  = 4096    // bytes of a Plex token
)

// redeem signs in whoever holds a person's Plex token, for programs and pages
// that have one already. It is there only where the configuration asks for it.
// It costs plex.tv what a sign-in costs, so it spends of the same budgets; a
// request that cannot be read spends nothing.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request, site Site) {
	if s.cfg.Directory == nil {
		s.cannotRedeem(w)
		return
	}
	token, problem := readToken(w, r)
	if problem == "" && s.losesCookies(site.scheme, site.host.name) {
		problem = "only_https"
	}
	if problem != "" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": problem})
		return
	}
	if s.tooMany(w, r, site, session.EventRedeem) > 0 {
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "too_many"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), plexTime)
	defer cancel()
	who, err := s.identify(ctx, token)
	switch {
	case rejects(err):
		s.auditSome(s.failures, r, site.host, session.Event{Kind: session.EventRedeem, Result: resultRejected, Reason: reasonRejected})
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "token_rejected"})
		return
	case err != nil:
		s.log.Warn("a token could not be redeemed", "problem", err)
		s.cannotRedeem(w)
		return
	}
	if !s.admits(s.personOf(who)) {
		v := s.cfg.Policy.Decide(s.personOf(who))
		if v.Reason == policy.Undecided {
			s.cannotRedeem(w)
			return
		}
		s.audit(r, site.host, about(who, session.EventRedeem, resultRefused, reasonWord(v.Reason)))
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "forbidden", "reason": reasonWord(v.Reason)})
		return
	}
	old, signedIn := s.cfg.Cookies.Read(r, site.scope())
	sess, err := s.startSession(r, site, who, session.Session{Keep: true, NoAdmin: true})
	if err != nil {
		s.log.Error("the session could not be stored", "problem", err)
		s.cannotRedeem(w)
		return
	}
	s.audit(r, site.host, about(who, session.EventRedeem, resultOK, ""))
	s.begin(w, site, old, signedIn, sess)
	writeJSON(w, http.StatusOK, map[string]string{"to": site.returnFrom(r).String()})
}

// cannotRedeem says that nobody can be signed in now.
func (s *Server) cannotRedeem(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
}

// readToken reads the body {"plex_token":"…"}, and nothing that is only like
// it. The problem is a word for the answer, "" for none; it quotes nothing.
func readToken(w http.ResponseWriter, r *http.Request) (token plex.Token, problem string) {
	const badBody = "bad_body"
	// A form, which any site can have a browser send, is not taken for JSON.
	declared := r.Header["Content-Type"]
	if len(declared) != 1 {
		return "", badBody
	}
	if kind, _, err := mime.ParseMediaType(declared[0]); err != nil || kind != "application/json" {
		return "", badBody
	}
	text, err := decodeToken(http.MaxBytesReader(w, r.Body, maxRedeem))
	switch {
	case err != nil:
		return "", badBody
	case text == "":
		return "", "token_missing"
	case len(text) > maxToken || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", "token_malformed"
	}
	return plex.Token(text), ""
}

// decodeToken reads the object piece by piece, for json.Unmarshal ignores the
// letter case of fields, takes the last of two, and drops those that it does
// not know: which token counts would be up to the reader. None is "".
func decodeToken(body io.Reader) (text string, err error) {
	d := json.NewDecoder(body)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", errors.Join(err, errors.New("no object"))
	}
	for seen := false; d.More(); seen = true {
		name, err := d.Token()
		if err != nil || name != "plex_token" || seen {
			return "", errors.Join(err, errors.New("a field that does not belong there"))
		}
		value, err := d.Token()
		var ok bool
		if text, ok = value.(string); err != nil || !ok && value != nil {
			return "", errors.Join(err, errors.New("no text"))
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return "", err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", errors.Join(err, errors.New("something follows the object"))
	}
	return text, nil
}

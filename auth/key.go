package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/plex"
	"usher/policy"
	"usher/session"
)

// keyRefusal is an error: why the key of a check opens nothing.
type keyRefusal struct {
	result string // for the metrics
	reason string // for the audit, of keyWrong and keySlowed
	wait   time.Duration
	key    session.Key // the right key, for keyOtherHost
	who    *plex.Answer
}

func (k *keyRefusal) Error() string { return k.result }

const (
	keyWrong     = "key_wrong"  // unknown, revoked, ended, or its person's access to Usher is gone
	keySlowed    = "key_slowed" // too many wrong ones came from there
	keyOtherHost = "key_host"   // a right one, but not for the host that was asked for
)

// asker is who a check is for: the person of the key, where one came, else the
// person who is signed in. The error is a *keyRefusal, errNobody, or says that
// it cannot be decided.
func (s *Server) asker(r *http.Request, site Site, a asked, c credential) (*plex.Answer, error) {
	if !c.keyed {
		_, who, err := s.person(r, site.scope())
		return who, err
	}
	from, now := s.cfg.Proxies.client(r), time.Now()
	key, ok := s.cfg.Store.OpenKey(c.key)
	// A key that is at home there passes however many others guess beside it.
	if !ok || network(key.LastAddress) != network(from) || !from.IsValid() {
		reason, wait := s.guesses.guess(from, c.key, ok)
		switch {
		case wait > 0:
			return nil, &keyRefusal{result: keySlowed, reason: reason, wait: wait}
		case !ok:
			return nil, &keyRefusal{result: keyWrong, reason: reason}
		}
	}
	who, err := s.cfg.Directory.Lookup(r.Context(), key.Account)
	switch {
	case errors.Is(err, plex.ErrUnauthorized):
		return nil, &keyRefusal{result: keyWrong, reason: reasonNoPerson}
	case err != nil:
		return nil, err
	}
	if now.Sub(key.LastUsed) >= seenEvery || key.LastAddress != from {
		s.cfg.Store.TouchKey(c.key, now, from)
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.Debug("key used", "key", key.ID, "name", key.Name, "user_id", key.Account, "host", a.host.String(), "address", from)
	}
	if !opens(key, a.host) {
		return nil, &keyRefusal{result: keyOtherHost, key: key, who: who}
	}
	return who, nil
}

// opens reports whether a key is for a host.
func opens(key session.Key, h host) bool {
	return key.Hosts == nil || slices.ContainsFunc(key.Hosts, func(name string) bool { return policy.HostMatches(name, h.name) })
}

// answeredKey answers a check whose key opens nothing, and one by a program
// that shows other credentials of Basic where nobody is signed in. A browser
// sends those of the app by itself: it is sent to sign in as anybody is.
func (s *Server) answeredKey(w http.ResponseWriter, r *http.Request, f *family, a asked, c credential, err error) bool {
	refused := (*keyRefusal)(nil)
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, errNobody) && c.basic && !a.isPage(r.Header):
		refused = &keyRefusal{result: keyWrong, reason: reasonNoKey}
	default:
		return false
	}
	if refused.result == keyOtherHost {
		s.otherHost(w, r, f, a, refused)
		return true
	}
	s.count(f.name, refused.result)
	result := resultWrong
	if refused.result == keySlowed {
		result = resultSlowed
	}
	s.auditSome(s.wrongKeys, r, a.host, session.Event{Kind: session.EventKey, Result: result, Reason: refused.reason})
	if refused.result == keySlowed && f.redirects { // nginx would make 500 of a 429
		w.Header().Set("Retry-After", strconv.Itoa(int(refused.wait/time.Second)+1))
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "too_many_wrong_keys"})
		return true
	}
	if c.basic {
		w.Header().Set("Www-Authenticate", `Basic realm="Usher", charset="UTF-8"`)
	}
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "wrong_key"})
	return true
}

// otherHost refuses a right key that is not for the host that was asked for.
func (s *Server) otherHost(w http.ResponseWriter, r *http.Request, f *family, a asked, refused *keyRefusal) {
	s.count(f.name, "refused")
	id, key := newRequestID(), refused.key
	event := refusedAccess(refused.who, keyOtherHost, id)
	event.Program = true
	s.audit(r, a.host, event)
	e := newExplanation(a, s.cfg.Proxies.client(r))
	e.say("person", e.person(refused.who, nil))
	s.refusals.add(id, e.end("refused", keyOtherHost, fmt.Sprintf("they gave their key %q, which is for %s and not for this host", key.Name, strings.Join(key.Hosts, ", "))))
	writeJSON(w, http.StatusForbidden, map[string]string{"error": "forbidden", "reason": keyOtherHost, "host": a.host.name, "request_id": id})
}

// pass answers that a request may go on: who the person is, nil where nobody
// was asked for, and what the app may have of the client's own credentials.
func (s *Server) pass(w http.ResponseWriter, f *family, c credential, id *identity) {
	result := "allowed"
	if id == nil {
		result = "bypassed"
	}
	s.count(f.name, result)
	s.cfg.Headers.write(w.Header(), id)
	c.write(w.Header(), f)
	w.WriteHeader(http.StatusOK)
}

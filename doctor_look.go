package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"usher/auth"
)

// look is one examination.
type look struct {
	*patient
	*report
	names []string // identity headers
	who   []string // those of them that no signed-in person lacks
	open  bool     // the address is open on purpose

	refused int // forged requests that did not reach an app which is reached otherwise

	ctx    context.Context
	nobody answer // to a plain page load without a session
}

// examine asks first as a person without a session would, then as one with.
func (l *look) examine() {
	defer l.finish()
	defer func() {
		if l.Requests = min(l.sent, maxProbes); l.refused > 0 {
			l.notSeen("%d forged requests that never reached the app: something on the way refused them", l.refused)
		}
	}()
	plain := probe{}
	if l.open {
		plain.headers = []string{anyKey}
	}
	l.nobody = l.send(l.ctx, plain)
	if l.nobody.err != nil {
		l.Problem = unreachable(l.url, l.nobody.err)
		return
	}
	l.nameProxy()
	if l.open {
		l.lookAtOpen()
		return
	}
	if l.isClosed() {
		l.tryPaths()
		l.tryHosts()
		l.tryIdentity()
		l.tryOpened()
		l.tryCheck()
	}
	l.tryTold()
	if l.cookie == "" {
		l.notSeen("what reaches the app of somebody who is signed in: give a session with --cookie FILE")
	} else if l.Problem == "" {
		l.lookWithSession()
	}
	if l.limited > 0 {
		l.notSeen("%d requests that were answered 429: something limits how much one address may ask", l.limited)
	}
	l.notSeen("who asks beside the proxy: whether the app, or Usher, can be reached around it; HTTP/2 and HTTP/3; addresses that were not given")
	l.notSeen("whose X-Forwarded-For Usher gets with the check (its log names the address); X-Forwarded-… of this machine, if the proxy trusts it: ask from another")
}

// nameProxy finds out which recipe applies.
func (l *look) nameProxy() {
	said, version := proxyOf(l.nobody.header)
	if l.recipe == nil && said == nil {
		return
	}
	if l.recipe == nil {
		l.recipe = said
	} else if _, given, _ := strings.Cut(l.Proxy, " "); given != "" || said == nil || said.name != l.recipe.name {
		version = given
	}
	l.Proxy = strings.TrimSpace(l.recipe.name + " " + version)
	if version == "" && l.recipe.needs == "" {
		return
	}
	if version == "" {
		l.notSeen("how old %s is: it does not tell. --proxy %[1]s=VERSION; the recipe needs %s", l.recipe.name, l.recipe.needs)
	} else if older(version, l.recipe.needs) {
		l.hole(outdated, "", "", fmt.Sprintf("%s is older than %s, which the recipe in deploy/%s needs: %s.", l.Proxy, l.recipe.needs, l.recipe.name, l.recipe.advisory))
	}
}

// isClosed judges the answer to nobody. If it is not Usher's way to the
// sign-in page the address is open, or there is nothing to look at.
func (l *look) isClosed() bool {
	a := l.nobody
	switch {
	case a.login != nil:
		if asked := *a.login; asked.Scheme != l.url.Scheme || asked.Hostname() != l.url.Hostname() {
			l.note(told, "", "", fmt.Sprintf("Usher is told that %q was asked for: another proxy stands in front of this one, or it is told too little.", asked.Scheme+"://"+asked.Host))
		}
		return true
	case a.reached():
		l.SeenBy = a.by()
		l.hole(anybody, "", "", "Anybody gets in: the app answers without a session. Nothing asks Usher about this address.")
		l.unknownHeaders(a)
	case a.unknown():
		l.hole(anybody, "", "", fmt.Sprintf("Anybody gets in: the answer to a request without a session is %d. Nothing asks Usher about this address, or it is not behind Usher at all.", a.status))
	case a.status/100 == 3:
		l.Problem = l.redirected(a.header.Get("Location"))
	case a.usherPage() && a.status == http.StatusBadRequest:
		l.Problem = "Usher answers, but no session cookie of its own reaches this host: add an address of its domain to USHER_URL."
	case a.status == http.StatusBadRequest && strings.Contains(string(a.body), "X-Forwarded-"):
		l.Problem = "Usher cannot read the check: the proxy does not tell it what it must know. Usher's log names the header, and the line to add."
	case a.status == http.StatusServiceUnavailable:
		l.Problem = "Nobody can pass now: the answer is 503. Usher is not set up, or plex.tv has been silent for too long."
	case a.status >= 500:
		l.Problem = fmt.Sprintf("The proxy refuses everybody with %d: Usher does not run, or the proxy does not tell it what it must know. The logs of both say more.", a.status)
		if l.recipe != nil && l.recipe.silent != "" {
			l.Problem += fmt.Sprintf(" Where they do not, the server block does not include %s.", l.recipe.silent)
		}
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		l.Problem = fmt.Sprintf("This address is not behind Usher, or the proxy keeps its answers: a page load without a session is answered %d, without Usher's sign-in page.", a.status)
	default:
		l.Problem = fmt.Sprintf("This address is not behind Usher: a page load without a session is answered %d, and not with the sign-in page.", a.status)
	}
	return false
}

func (l *look) redirected(location string) string {
	to, err := l.url.Parse(location)
	switch {
	case err != nil || location == "":
		return "The address redirects to nowhere."
	case to.Host == l.url.Host && to.Scheme == l.url.Scheme:
		return fmt.Sprintf("The address redirects to another path, %q: give that one.", to.EscapedPath())
	case to.Hostname() == l.url.Hostname():
		return fmt.Sprintf("The address redirects to %s://: give that address.", to.Scheme)
	}
	return fmt.Sprintf("The address redirects elsewhere, to %q, which is not Usher's sign-in page: nothing was sent there.", to.Scheme+"://"+to.Host)
}

func (a answer) by() string {
	if a.seen == nil {
		return ""
	}
	return a.seen.by
}

// through reports whether an answer to nobody is the app's.
func (l *look) through(a answer) bool {
	return a.reached() || a.unknown() && l.SeenBy == "" && l.word == ""
}

func (l *look) tryPaths() {
	for _, pr := range l.pathProbes() {
		if l.through(l.send(l.ctx, pr)) {
			l.hole(byPath, "", pr.what, "Without a session the app answers at paths that are written in another way.")
		}
	}
	if l.through(l.send(l.ctx, socketProbe())) {
		l.hole(anybody, "", "a WebSocket", "Without a session a WebSocket reaches the app.")
	}
}

func (l *look) tryHosts() {
	for _, pr := range l.hostProbes() {
		a := l.send(l.ctx, pr)
		line, err := url.Parse(pr.target)
		switch {
		case a.reached():
			l.hole(twoHosts, "", pr.what, "Without a session the app answers when the host is written in another way.")
		case a.login != nil && err == nil && line.Hostname() == l.url.Hostname() && a.login.Hostname() != line.Hostname():
			l.hole(twoHosts, "", pr.what, "The request line chooses the app, but Usher is asked about the host in Host: somebody who may open one app opens another.")
		}
	}
}

func (l *look) tryIdentity() {
	for _, pr := range identityProbes(l.names, false) {
		if l.through(l.send(l.ctx, pr)) {
			l.hole(anybody, "identity", pr.what, "A forged identity header lets anybody in.")
		}
	}
}

// tryOpened looks at paths that are often left open: nobody may have a name
// there.
func (l *look) tryOpened() {
	for _, o := range opened {
		a := l.send(l.ctx, probe{target: o, headers: []string{anyKey}})
		if a.seen == nil {
			continue
		}
		l.note(anybody, "", o, "The app answers without a session at paths that are open, on purpose as one hopes.")
		for _, pr := range identityProbes(l.names, false) {
			pr.target, pr.headers = o, append(pr.headers, anyKey)
			l.forged(l.send(l.ctx, pr).seen, nil, atOpen, pr)
		}
	}
}

func (l *look) tryCheck() {
	for _, pr := range checkProbes() {
		a := l.send(l.ctx, pr)
		if a.status == http.StatusUnauthorized && a.login != nil && l.nobody.status != a.status {
			l.hole(check, "", pr.what, "The address at which the proxy asks Usher answers everybody, by any policy that they like.")
		}
	}
}

// tryTold forges what a proxy tells Usher. It also finds a proxy that tells
// nothing by itself, where only a forged request is ever understood.
func (l *look) tryTold() {
	base := l.nobody
	for _, pr := range l.toldProbes() {
		a := l.send(l.ctx, pr)
		switch {
		case base.login == nil && l.Problem == "":
		case l.through(a):
			l.hole(told, pr.what, "", fmt.Sprintf("A client's own %s lets anybody in.", pr.what))
		case a.login == nil:
		case base.login == nil || *a.login != *base.login || a.status != base.status:
			header, ok := l.lastWord(pr, a)
			if ok {
				l.hole(told, header, "", fmt.Sprintf("A client's own %s reaches Usher: the client decides what Usher is asked about.", header))
			}
		}
	}
}

// lastWord names the header that had the effect; of the probes with many, only
// what they add counts.
func (l *look) lastWord(pr probe, a answer) (string, bool) {
	if !strings.HasPrefix(pr.what, "Connection") {
		return pr.what, true
	}
	for _, f := range l.report.Findings {
		if f.Kind == told {
			return "", false
		}
	}
	if a.login.Hostname() == l.otherHost() || a.login.Path == forgedPath {
		return "X-Forwarded-… or X-Original-URL, named in Connection,", true
	}
	return "", false
}

// identityNames reads which headers carry the identity, and which of them are
// never empty for somebody who is signed in.
func identityNames(text string) (names, who []string, err error) {
	headers, err := auth.ParseHeaders(text)
	if err != nil {
		return nil, nil, err
	}
	names = headers.Names()
	for i, item := range strings.Split(text, ",") {
		if strings.HasSuffix(strings.TrimSpace(item), "={username}") || strings.HasSuffix(strings.TrimSpace(item), "={id}") {
			who = append(who, names[i])
		}
	}
	return names, who, nil
}

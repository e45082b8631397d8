package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// forged compares the identity that the app saw with the one that it must see.
func (l *look) forged(got, want *seen, k kind, pr probe) {
	if got == nil {
		l.refused++
		return
	}
	for _, name := range l.names {
		values, right := got.all(name), []string(nil)
		if want != nil {
			right = want.all(name)
		}
		switch mine := strings.Contains(strings.Join(values, ","), forgedIdentity); {
		case mine && k == atOpen:
			l.hole(atOpen, name, pr.what, fmt.Sprintf("At a path that is open anybody can be anybody: a client's own %s reaches the app.", name))
		case mine && got.aliased(name, forgedIdentity):
			l.hole(alias, name, pr.what, fmt.Sprintf("A client's own %s reaches the app under a name with _ or . in it, which many apps read as %[1]s.", name))
		case mine:
			l.hole(identity, name, pr.what, fmt.Sprintf("A client's own %s reaches the app: whoever is signed in can be anybody.", name))
		case k == hop && !same(values, right):
			l.hole(hop, name, pr.what, fmt.Sprintf("A client can have %s taken away on the way to the app.", name))
		case !same(values, right):
			l.hole(identity, name, pr.what, fmt.Sprintf("A client's own %s changes what the app sees of it.", name))
		}
	}
}

// same counts an empty header as none.
func same(a, b []string) bool {
	empty := func(v string) bool { return v == "" }
	return slices.Equal(slices.DeleteFunc(slices.Clone(a), empty), slices.DeleteFunc(slices.Clone(b), empty))
}

// lookWithSession looks at what reaches the app of somebody who may pass.
func (l *look) lookWithSession() {
	base := l.send(l.ctx, probe{session: true})
	switch {
	case base.err != nil:
		l.Problem = unreachable(l.url, base.err)
		return
	case base.login != nil:
		l.Problem = "The session cookie does not open: it is cut off, has ended, or is another installation's. Nobody was signed in."
		return
	case base.status == http.StatusForbidden || base.status/100 == 3 && strings.HasSuffix(pathOf(base), "/refused"):
		l.Problem = "The session is good, but that person may not open this address: give a session of somebody who may."
		return
	case base.seen == nil && l.word != "":
		l.Problem = fmt.Sprintf("The answer to a signed-in person is %d and not Usher's echo: the proxy must send /doctor/echo to Usher as it sends the rest to the app, and the doctor must use the data folder of that very Usher, as the same user.", base.status)
		return
	case base.seen == nil:
		l.Problem = fmt.Sprintf("What reaches the app could not be seen: the answer to a signed-in person is %d, and no echo. Give the address of a whoami, or use --echo.", base.status)
		return
	}
	l.SeenBy = base.seen.by
	l.unknownHeaders(base)
	l.lookAtApp(base.seen, true)
}

// unknownHeaders: the app of somebody signed in must be told who it is.
func (l *look) unknownHeaders(base answer) {
	if base.seen == nil || l.cookie == "" {
		return
	}
	for _, name := range l.who {
		if strings.Join(base.seen.all(name), "") == "" {
			l.hole(unnamed, name, "", fmt.Sprintf("The app is not told who is signed in: %s does not reach it.", name))
		}
	}
}

// lookAtApp forges what the app must see right.
func (l *look) lookAtApp(want *seen, session bool) {
	for _, pr := range identityProbes(l.names, session) {
		l.forged(l.send(l.ctx, pr).seen, want, identity, pr)
	}
	l.tryKey(session)
	for _, pr := range hopProbes(l.names, session) {
		got := l.send(l.ctx, pr).seen
		l.forged(got, want, hop, pr)
		for _, f := range l.forwardings() {
			if got != nil && f.ours && len(want.all(f.name)) > 0 && len(got.all(f.name)) == 0 {
				l.hole(hop, f.name, pr.what, fmt.Sprintf("A client can have %s taken away on the way to the app.", f.name))
			}
		}
	}
	for _, f := range l.forwardings() {
		got := l.send(l.ctx, probe{headers: []string{f.name + ": " + f.value}, session: session}).seen
		if got == nil || slices.Equal(got.all(f.name), want.all(f.name)) {
			continue
		}
		list := strings.Split(strings.Join(got.all(f.name), ","), ",")
		switch {
		case f.ours && strings.TrimSpace(list[len(list)-1]) == f.value:
			l.hole(forwarded, f.name, "", fmt.Sprintf("A client's own %s reaches the app as if the proxy had written it.", f.name))
		case slices.ContainsFunc(list, func(v string) bool { return strings.TrimSpace(v) == f.value }):
			l.note(forwarded, "", f.name, "These reach the app as a client sends them, which matters only where the app believes them.")
		}
	}
}

// lookAtOpen looks at an address that is open on purpose: nobody may have a
// name there.
func (l *look) lookAtOpen() {
	switch {
	case l.nobody.login != nil:
		l.Problem = "This address is not open: without a session it leads to the sign-in page. Leave --open out."
	case l.nobody.seen == nil:
		l.Problem = fmt.Sprintf("What reaches the app could not be seen: the answer is %d, and no echo. Give the address of a whoami, or use --echo.", l.nobody.status)
	default:
		l.SeenBy = l.nobody.seen.by
		for _, pr := range identityProbes(l.names, false) {
			pr.headers = append(pr.headers, anyKey)
			l.forged(l.send(l.ctx, pr).seen, nil, atOpen, pr)
		}
		l.tryKey(false)
	}
}

// tryKey looks whether a proxy keeps back the headers in which a key of Usher's comes, but for what Usher's answer
// gives back.
func (l *look) tryKey(session bool) {
	arrives := func(header string) bool {
		pr := probe{headers: []string{header}, session: session}
		if !session {
			pr.headers = append(pr.headers, anyKey)
		}
		got := l.send(l.ctx, pr).seen
		if got == nil {
			l.refused++
			return false
		}
		name, _, _ := strings.Cut(header, ":")
		return len(got.all(name)) > 0
	}
	if arrives(noKey) {
		l.hole(secret, "X-Usher-Key", "", "X-Usher-Key reaches the app: so does the key of every program, and whoever has it passes as its person elsewhere.")
	}
	if arrives(notGivenOut) {
		l.hole(secret, "Authorization", "", "Authorization reaches the app as a client sends it: so does the key of every program, and whoever has it passes as its person elsewhere.")
	}
	if session && !arrives(appsOwn) {
		l.note(secret, "Authorization", "", "Authorization never reaches the app: where the app has a sign-in of its own by Basic or Bearer, it does not work.")
	}
}

func pathOf(a answer) string {
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return ""
	}
	return to.Path
}

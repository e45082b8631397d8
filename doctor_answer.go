package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// answer is what came back for a probe.
type answer struct {
	status int
	header http.Header
	body   []byte
	login  *url.URL // what Usher was asked about, where this is its way to the sign-in page
	seen   *seen    // what the app saw, where it told
	err    error
}

// reached reports whether the app, or what stands for it, got the request.
func (a answer) reached() bool {
	return a.seen != nil || a.status == http.StatusSwitchingProtocols
}

// unknown reports whether somebody answered who is neither Usher nor an echo.
// An empty answer says nothing: Caddy gives one for hosts that it does not know.
func (a answer) unknown() bool {
	return a.status/100 == 2 && !a.reached() && a.login == nil && len(a.body) > 0 && !a.usherPage()
}

// loginOf reads Usher's way to the sign-in page, as a redirect or as what a
// script is told. Its "rd" is what the proxy said to Usher.
func loginOf(a answer) *url.URL {
	to := a.header.Get("Location")
	if a.status == http.StatusUnauthorized && to == "" {
		var said struct{ Error, Login string }
		if json.Unmarshal(a.body, &said) == nil && said.Error == "not_signed_in" {
			to = said.Login
		}
	}
	if a.status/100 != 3 && a.status != http.StatusUnauthorized {
		return nil
	}
	page, err := url.Parse(to)
	if err != nil || page.Host == "" || !strings.HasSuffix(page.Path, "/login") {
		return nil
	}
	rd, err := url.Parse(page.Query().Get("rd"))
	if err != nil || rd.Host == "" {
		return nil
	}
	return rd
}

// unreachable says in words why there was no answer at all.
func unreachable(u *url.URL, err error) string {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		noTLS     tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("%s cannot be reached: this machine finds no address for that name. --connect HOST:PORT names one.", u.Host)
	case errors.As(err, &authority):
		return fmt.Sprintf("The certificate of %s is not trusted: nobody whom this machine trusts has signed it. If the authority is your own: --ca FILE.", u.Host)
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate of %s is not trusted: it is made out to other names, %q.", u.Host, name.Certificate.DNSNames)
	case errors.As(err, &invalid):
		return fmt.Sprintf("The certificate of %s is not trusted: %v.", u.Host, invalid)
	case errors.As(err, &noTLS):
		return fmt.Sprintf("%s cannot be reached: what listens there speaks no TLS. Is the address http://?", u.Host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s cannot be reached: nobody listens there.", u.Host)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s cannot be reached: no answer within %v.", u.Host, answerTime)
	}
	return fmt.Sprintf("%s cannot be reached: %v.", u.Host, err)
}

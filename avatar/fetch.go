package avatar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/picture"
)

const (
	maxBody      = 256 << 10
	maxRedirects = 3
)

// hosts are where plex.tv's own pictures are, and those of accounts that have theirs elsewhere; their subdomains count.
var hosts = []string{"plex.tv", "gravatar.com", "googleusercontent.com"}

// standIn is the origin of what stands in for plex.tv, nil where that is plex.tv itself.
func standIn(plex string) (*url.URL, error) {
	u, err := url.Parse(plex)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("avatar: the address of plex.tv must look like https://plex.tv")
	}
	if name := strings.ToLower(u.Hostname()); u.Scheme == "https" && (name == "plex.tv" || strings.HasSuffix(name, ".plex.tv")) {
		return nil, nil
	}
	return u, nil
}

// allows reports whether an address may be asked.
func (f *Faces) allows(u *url.URL) bool {
	if u.User != nil || u.Opaque != "" {
		return false
	}
	if f.standIn != nil {
		return u.Scheme == f.standIn.Scheme && u.Host == f.standIn.Host
	}
	name := strings.ToLower(u.Host) // with a port, it is none of them
	return u.Scheme == "https" && slices.ContainsFunc(hosts, func(h string) bool { return name == h || strings.HasSuffix(name, "."+h) })
}

func (f *Faces) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || !f.allows(r.URL) {
		return errors.New("a redirect that is not followed")
	}
	r.Header.Del("Referer")
	return nil
}

// fetch is the picture, or nil for whatever reason: none matters to the page.
func (f *Faces) fetch(u *url.URL) (jpeg []byte) {
	defer func() {
		if recover() != nil { // a decoder's mistake about somebody's picture must not end Usher
			jpeg = nil
		}
	}()
	ctx, cancel := context.WithTimeout(f.ctx, fetchTime)
	defer cancel()
	select {
	case f.fetching <- struct{}{}:
		defer func() { <-f.fetching }()
	case <-ctx.Done():
		return nil
	}
	body, err := f.get(ctx, u)
	if err != nil {
		return nil
	}
	f.decoding.Lock()
	defer f.decoding.Unlock()
	small, err := picture.Face(body)
	if err != nil {
		return nil
	}
	return small
}

func (f *Faces) get(ctx context.Context, u *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "image/jpeg, image/png, image/gif")
	req.Header.Set("User-Agent", "Usher")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength > maxBody {
		return nil, errors.New("no picture")
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("too large")
	}
	return body, err
}

// newTransport reaches public addresses, and what stands in for plex.tv. Where the environment names a proxy, it is the proxy
// that connects, and what it lets through is in its hands; hosts are those of the list all the same.
func newTransport(standIn *url.URL) *http.Transport {
	open := &net.Dialer{Timeout: fetchTime}
	guarded := &net.Dialer{Timeout: fetchTime, Control: refusePrivate}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "plex.tv"}}); standIn != nil || proxy != nil || err != nil {
		guarded = open
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            guarded.DialContext,
		TLSHandshakeTimeout:    fetchTime,
		ResponseHeaderTimeout:  fetchTime,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 16 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// refusePrivate keeps a name from leading into our own network. It sees the address that a connection is made to, so no
// answer of a name server comes between.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return fmt.Errorf("%s is no public address", address)
	}
	return nil
}

// notPublic are the networks that netip's own words do not cover:
// https://www.iana.org/assignments/iana-ipv4-special-registry and its twin for IPv6.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

// Global unicast, and the prefix by which a network without IPv4 reaches it (RFC 6052).
var (
	unicast = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
)

func public(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is6() && a.Zone() == "" && nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !unicast.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

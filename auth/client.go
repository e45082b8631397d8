package auth

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose word about a request is believed.
type Proxies []netip.Prefix

// trusts reports whether an address is a proxy's. The zero address is not.
func (p Proxies) trusts(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection, the zero address if
// it cannot be read.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// client is the address of the person's device: the first one from the right
// of X-Forwarded-For that no trusted proxy wrote about itself. What stands
// further left was sent by the client and is never read. The zero address
// means unknown, which matches no network.
func (p Proxies) client(r *http.Request) netip.Addr {
	at := peer(r)
	if !p.trusts(at) {
		return at
	}
	list := r.Header["X-Forwarded-For"]
	for i := len(list) - 1; i >= 0; i-- {
		for rest, more := list[i], true; more; {
			hop := rest
			if j := strings.LastIndexByte(rest, ','); j >= 0 {
				rest, hop = rest[:j], rest[j+1:]
			} else {
				more = false
			}
			var ok bool
			if at, ok = parseHop(strings.TrimSpace(hop)); !ok {
				return netip.Addr{}
			}
			if !p.trusts(at) {
				return at
			}
		}
	}
	return at
}

// parseHop reads an address as proxies write it: plain, with a port, and IPv6
// in brackets.
func parseHop(s string) (netip.Addr, bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s += ":0"
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

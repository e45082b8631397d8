package desk

import (
	"cmp"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"usher/templates"
)

// Question is about a request that somebody could make, or by its id about one that was refused.
type Question struct {
	Request string

	User, URL, Method, Policy string
	Client                    netip.Addr // zero: unknown
}

// Explanation is a decision with the steps that led to it, the last of them the verdict.
type Explanation struct {
	RequestID               string
	At                      time.Time
	User, Method, URL, From string
	Steps                   []string
	Result                  string
}

func (o *Office) explain(v *visit) {
	page := templates.OfficeExplain{Office: v.desk("explain"), User: v.query("user"), URL: v.query("url"), Method: cmp.Or(v.query("method"), http.MethodGet),
		IP: v.query("ip"), Policy: v.query("policy"), Request: v.query("request")}
	// An address that somebody pasted may hold a token: it does not stay in the browser's own.
	if at := strings.IndexAny(page.URL, "?#"); at >= 0 {
		q := v.r.URL.Query()
		q.Set("url", page.URL[:at])
		v.w.Header().Set("Location", v.Base+v.at+"?"+q.Encode())
		v.w.WriteHeader(http.StatusSeeOther)
		return
	}
	if page.URL == "" && page.Request == "" {
		v.write(page)
		return
	}
	q := Question{Request: page.Request}
	if page.Request == "" {
		q = Question{User: page.User, URL: page.URL, Method: page.Method, Policy: page.Policy}
		var err error
		if page.IP != "" {
			if q.Client, err = netip.ParseAddr(page.IP); err != nil {
				page.Problem = "That is no IP address such as 192.168.1.20."
				v.writeStatus(http.StatusBadRequest, page)
				return
			}
			q.Client = q.Client.Unmap().WithZone("")
		}
	}
	e, err := o.cfg.Explain(q)
	if err != nil {
		page.Problem = err.Error()
		v.writeStatus(http.StatusUnprocessableEntity, page)
		return
	}
	page.Asked, page.At, page.Result, page.Allowed = true, e.At, strings.ReplaceAll(e.Result, "_", " "), e.Result == "allowed" || e.Result == "bypassed"
	page.About = e.Method + " " + e.URL + ", " + cmp.Or(e.User, "somebody who is not signed in")
	if e.From != "" {
		page.About += ", from " + e.From
	}
	if e.RequestID != "" {
		page.About = "Request " + e.RequestID + ": " + page.About
	}
	if n := len(e.Steps); n > 0 {
		page.Steps, page.Verdict = e.Steps[:n-1], e.Steps[n-1]
	}
	v.write(page)
}

package plex

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultURL     = "https://plex.tv"
	maxBody        = 2 << 20
	requestTimeout = 10 * time.Second
	connectTimeout = 5 * time.Second
)

// Config says how to reach plex.tv and how to appear there.
type Config struct {
	URL      string // of plex.tv; empty: https://plex.tv
	ClientID string // X-Plex-Client-Identifier: this install, for ever; PINs and tokens belong to it; required
	Product  string // what people see under Authorized Devices; empty: Usher
	Version  string

	// Transport carries the requests; nil: one of the client's own, with every timeout set and the proxy of the environment.
	Transport http.RoundTripper
	// Observe, where not nil, is told of every exchange: the question, its outcome in a word, and how long it took.
	Observe func(endpoint, outcome string, took time.Duration)
}

// Client asks plex.tv. It is safe for concurrent use. Every method answers within 10 seconds, follows no redirect, keeps no
// cookie, and returns an [*Error] where the answer is no good.
type Client struct {
	base, id, product, version string

	http    http.Client
	observe func(endpoint, outcome string, took time.Duration)
}

// New checks the configuration; it asks plex.tv nothing.
func New(cfg Config) (*Client, error) {
	base := cmp.Or(cfg.URL, defaultURL)
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("plex: the URL of plex.tv must look like https://plex.tv")
	}
	if !printable(cfg.ClientID, 256) {
		return nil, errors.New("plex: the client identifier must be 1 to 256 printable ASCII characters without spaces")
	}
	product := cmp.Or(cfg.Product, "Usher")
	for _, s := range []string{product, cfg.Version} {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, errors.New("plex: the product and its version must not contain control characters")
		}
	}
	c := &Client{base: strings.TrimRight(base, "/"), id: cfg.ClientID, product: product, version: cfg.Version, observe: cfg.Observe}
	c.http = http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.http.Transport == nil {
		c.http.Transport = newTransport()
	}
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		ResponseHeaderTimeout:  requestTimeout,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// Close drops connections that are kept for later.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// question is one request. Questions to /api/v2 are asked for JSON and may be answered in XML, plex.tv's default; the older
// ones are answered in XML whatever one asks for, and are lists.
type question struct {
	op, method, path string
	token            Token                 // sent where the question needs one
	anonymous        bool                  // needs none
	json, xml        any                   // where to decode to
	check            func() string         // what is wrong with the decoded value; empty: nothing
	list             func(io.Reader) error // reads a list as it comes, in place of the three above
}

// do asks, and sorts the answer by its status, its type and what it holds.
func (c *Client) do(ctx context.Context, q question) *Error {
	if !q.anonymous && !q.token.usable() {
		return &Error{Op: q.op, Kind: ErrUnauthorized, Reason: "no token, or one that cannot be sent"}
	}
	start := time.Now()
	err := c.exchange(ctx, q)
	if c.observe != nil {
		c.observe(q.op, err.outcome(), time.Since(start))
	}
	return err
}

func (c *Client) exchange(ctx context.Context, q question) *Error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, nil)
	if err != nil {
		return &Error{Op: q.op, Kind: ErrBadRequest, Reason: "the address cannot be built"}
	}
	c.sign(req, q)
	res, err := c.http.Do(req)
	if err != nil {
		return &Error{Op: q.op, Kind: ErrUnavailable, Reason: transportReason(ctx, err)}
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return refusal(q, res)
	}
	if reason := q.read(ctx, res); reason != "" {
		return &Error{Op: q.op, Status: res.StatusCode, Kind: ErrUnavailable, Reason: reason}
	}
	return nil
}

// read reads an answer that is 2xx and returns what is wrong with it.
func (q question) read(ctx context.Context, res *http.Response) string {
	if q.list == nil {
		body, reason := read(ctx, res)
		if reason == "" {
			reason = q.decode(res.Header, body)
		}
		if reason == "" {
			reason = q.check()
		}
		return reason
	}
	if mediaType(res.Header) != typeXML {
		return "neither JSON nor XML as is due"
	}
	err := q.list(http.MaxBytesReader(nil, res.Body, maxList))
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &tooLong):
		return errTooBig.Error()
	case err == errXML || err == errPart || err == errTooBig:
		return err.Error()
	}
	return transportReason(ctx, err)
}

func (c *Client) sign(req *http.Request, q question) {
	h := req.Header
	h.Set("Accept", "application/xml")
	if q.json != nil {
		h.Set("Accept", "application/json")
	}
	h.Set("User-Agent", strings.TrimRight(c.product+"/"+c.version, "/"))
	h.Set("X-Plex-Client-Identifier", c.id)
	h.Set("X-Plex-Product", c.product)
	if c.version != "" {
		h.Set("X-Plex-Version", c.version)
	}
	if !q.anonymous {
		h.Set("X-Plex-Token", string(q.token))
	}
}

// refusal sorts an answer that is not 2xx. Two are read, for Plex's own code in them: a PIN's 404, where it tells "expired" from an
// outage, and what is said to a switch, where it tells a wrong PIN from any other no.
func refusal(q question, res *http.Response) *Error {
	err := &Error{Op: q.op, Status: res.StatusCode, Kind: kindOf(res.StatusCode, !q.anonymous), RetryAfter: retryAfter(res.Header, time.Now())}
	code := func() int {
		body, reason := read(res.Request.Context(), res)
		if reason != "" {
			return 0
		}
		return errorCode(res.Header, body)
	}
	switch {
	case q.op == opCheckPIN && res.StatusCode == http.StatusNotFound && code() == codePINExpired:
		err.Kind = ErrExpired
	case q.op == opHomeSwitch && (res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized) && code() == codeHomePIN:
		err.Kind = ErrHomePIN
	}
	return err
}

// read returns the whole body, or why it cannot.
func read(ctx context.Context, res *http.Response) ([]byte, string) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, transportReason(ctx, err)
	case len(body) > maxBody:
		return nil, errTooBig.Error()
	}
	return body, ""
}

const (
	typeJSON = "application/json"
	typeXML  = "application/xml"
)

func mediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	if t == "text/xml" {
		return typeXML
	}
	return t
}

// decode decodes the body by its Content-Type and returns what is wrong with it. Extra fields are no fault.
func (q question) decode(h http.Header, body []byte) string {
	switch t := mediaType(h); {
	case t == typeJSON:
		if json.Unmarshal(body, q.json) != nil {
			return "not the JSON that is due"
		}
	case t == typeXML:
		if unmarshalXML(body, q.xml) != nil {
			return errXML.Error()
		}
	default:
		return "neither JSON nor XML as is due"
	}
	return ""
}

// unmarshalXML is xml.Unmarshal that, like json.Unmarshal, refuses what follows the value.
func unmarshalXML(body []byte, into any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return err
	}
	for {
		switch t, err := d.Token(); t := t.(type) {
		case nil:
			if err == io.EOF {
				return nil
			}
			return err
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errors.New("text after the document")
			}
		case xml.Comment, xml.ProcInst:
		default:
			return errors.New("a second document")
		}
	}
}

// errorCode is Plex's own number in an error body, 0 where there is none.
func errorCode(h http.Header, body []byte) int {
	var e struct {
		XMLName xml.Name `json:"-" xml:"errors"`
		Errors  []struct {
			Code int `json:"code" xml:"code,attr"`
		} `json:"errors" xml:"error"`
	}
	if (question{json: &e, xml: &e}).decode(h, body) != "" || len(e.Errors) == 0 {
		return 0
	}
	return e.Errors[0].Code
}

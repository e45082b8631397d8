package plextest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// reply is an answer that has not been written yet, so that a fault may damage it.
type reply struct {
	status int
	typ    string // Content-Type; empty: none is sent
	header http.Header
	body   []byte
}

func (p reply) write(w http.ResponseWriter) {
	p.writeHeader(w)
	_, _ = w.Write(p.body) // the client may have gone
}

func (p reply) writeHeader(w http.ResponseWriter) {
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	h["Content-Type"] = nil // without this net/http guesses one
	if p.typ != "" {
		h.Set("Content-Type", p.typ)
		h.Set("Content-Length", strconv.Itoa(len(p.body)))
	}
	w.WriteHeader(p.status)
}

// fromPlex adds what healthy answers of plex.tv carry. A client must not keep the cookie.
func (p reply) fromPlex() reply {
	p.header = http.Header{
		"X-Request-Id": {rand.Text()},
		"X-Runtime":    {"0.021345"},
		"Vary":         {"Origin"},
		"Set-Cookie":   {"_my-plex_session_32=" + rand.Text() + "; path=/; secure; HttpOnly"},
	}
	return p
}

const (
	typeJSON = "application/json; charset=utf-8"
	typeXML  = "application/xml; charset=utf-8"
)

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		panic("plextest: " + err.Error()) // our own structs always marshal
	}
	return reply{status: status, typ: typeJSON, body: body}.fromPlex()
}

func xmlReply(status int, e element) reply {
	b := bytes.NewBufferString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	e.write(b)
	return reply{status: status, typ: typeXML, body: b.Bytes()}.fromPlex()
}

// either answers in JSON if the request accepts it, else in XML, as v2 does.
func either(r *http.Request, status int, v any, e element) reply {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		return jsonReply(status, v)
	}
	return xmlReply(status, e)
}

// refuse is an error of v2. Plex leaves the status out of 1020.
func refuse(r *http.Request, status, code int, message string) reply {
	type fault struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Status  int    `json:"status,omitempty"`
	}
	f := fault{code, message, status}
	e := el("error", "code", strconv.Itoa(code), "message", message)
	if code == 1020 {
		f.Status = 0
	} else {
		e.attrs = append(e.attrs, "status", strconv.Itoa(status))
	}
	v := struct {
		Errors []fault `json:"errors"`
	}{[]fault{f}}
	return either(r, status, v, el("errors").with(e))
}

// element is an XML element as plex.tv writes it: attributes, and closed at
// once when it is empty, which encoding/xml cannot do.
type element struct {
	name  string
	attrs []string // name, value, name, value, …
	kids  []element
	text  string
}

func el(name string, attrs ...string) element { return element{name: name, attrs: attrs} }

func (e element) with(kids ...element) element {
	e.kids = append(e.kids, kids...)
	return e
}

func (e element) write(b *bytes.Buffer) {
	b.WriteString("<" + e.name)
	for i := 0; i+1 < len(e.attrs); i += 2 {
		b.WriteString(" " + e.attrs[i] + `="`)
		_ = xml.EscapeText(b, []byte(e.attrs[i+1])) // a Buffer does not fail
		b.WriteString(`"`)
	}
	if len(e.kids) == 0 && e.text == "" {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(e.text))
	for _, k := range e.kids {
		b.WriteString("\n")
		k.write(b)
	}
	b.WriteString("</" + e.name + ">")
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// null is a string that plex.tv sends as null when it is empty.
func null(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

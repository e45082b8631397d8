package main

import (
	"fmt"
	"net/http"
	"time"

	"usher/auth"
	"usher/desk"
	"usher/plex"
	"usher/policy"
	"usher/session"
	"usher/templates"
)

// newOffice makes the administrators' pages of a house. They look into its server, which is made afterwards.
func (a *app) newOffice(h *household) func(http.ResponseWriter, *http.Request, auth.Admin) bool {
	if h.directory == nil { // nobody is known, so nobody administers
		return nil
	}
	office := desk.NewOffice(desk.OfficeConfig{
		Store: a.store, Directory: h.directory, Pages: a.pages, Faces: a.faces, Log: a.log, Device: auth.Device, Plex: &a.asked, Setup: a.desk,
		Person: func(who *plex.Answer) policy.Person { return h.server.Person(who) },
		Allow:  func() policy.Policy { return h.server.Allow() },
		Passes: func(ask session.Ask) bool { return h.server.AskPasses(ask) },
		Audit:  func(e session.Event) { h.server.Audit(e) },
		Explain: func(q desk.Question) (desk.Explanation, error) {
			e, err := h.server.Explain(auth.Question{Request: q.Request, User: q.User, URL: q.URL, Method: q.Method, Policy: q.Policy, Client: q.Client})
			said := desk.Explanation{RequestID: e.RequestID, At: e.At, User: e.User, Method: e.Method, URL: e.URL, From: e.Client, Result: e.Result}
			for _, step := range e.Steps {
				said.Steps = append(said.Steps, step.Text)
			}
			return said, err
		},
		Health: func() ([]string, []templates.OfficeFact) {
			return h.server.Problems(), []templates.OfficeFact{
				{Name: "Version", Text: buildVersion()},
				{Name: "Up for", Text: time.Since(a.began).Round(time.Second).String()},
				{Name: "Policy", Text: h.set.policy.String()},
				{Name: "Allowed servers", Text: fmt.Sprint(len(h.set.servers))},
			}
		},
	})
	return func(w http.ResponseWriter, r *http.Request, who auth.Admin) bool {
		return office.Serve(w, r, desk.Admin{Base: who.Base, Account: who.Account, Session: who.Session, Client: who.Client})
	}
}

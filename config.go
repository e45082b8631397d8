package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"usher/desk"
)

// errProblems: usher config found some; they are told already.
var errProblems = errors.New("usher would not start with this")

// showConfig prints what is in force and where each value comes from, and
// every problem. It changes nothing and asks nobody but the Usher that has the
// store open.
func showConfig(ctx context.Context, stdout, stderr io.Writer) error {
	env, vars, envErr := readEnvironment()
	set, err := newSettings(env)
	found, unseen := desk.Setup{}, error(nil)
	if err == nil {
		if found, unseen = findSetup(ctx, set); unseen == nil {
			set, err = set.with(found)
		}
	}
	out := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "VARIABLE\tVALUE\tFROM")
	for _, v := range vars {
		value, from := v.Value, v.Source
		if value == "" {
			value, from = set.implied(v.Name, found)
		} else if v.Secret {
			value = "(hidden)"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", v.Name, value, from)
	}
	if rules := set.rules.All(); len(rules) > 0 {
		fmt.Fprintln(out, "\nLINE\tRULE (the first that matches counts)\t")
		for _, r := range rules {
			fmt.Fprintf(out, "%d\t%s\t\n", r.Line, r.String())
		}
		fmt.Fprintf(out, "-\teverything else: %s\t\n", set.policy)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if unseen != nil {
		fmt.Fprintln(stderr, "warning: what set-up has stored cannot be seen:", unseen)
	}
	for _, w := range set.warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}
	if err := errors.Join(envErr, err); err != nil {
		fmt.Fprintln(stderr, err)
		return errProblems
	}
	return nil
}

// implied is what is in force where a variable has no value, and why.
func (s settings) implied(name string, found desk.Setup) (value, from string) {
	if value := foundValue(name, found); value != "" {
		return value, "set-up"
	}
	switch name {
	case "USHER_ALLOW":
		return defaultAllow, "default"
	case "USHER_URL":
		return "(under /_usher/ of every host)", "default"
	case "USHER_COOKIE_DOMAIN":
		var domains []string
		for _, site := range s.sites {
			domains = append(domains, cmp.Or(site.CookieDomain(), "(its host alone)"))
		}
		if domains == nil {
			return "(each host alone)", "default"
		}
		return strings.Join(domains, ","), "USHER_URL"
	case "USHER_SERVERS":
		return "(none: nobody passes)", "default"
	case "USHER_OWNER":
		if s.token != "" {
			return "(whose the token is)", "USHER_PLEX_TOKEN"
		}
	case "USHER_SECRET":
		return "(made at the first start)", s.dataFile("secret")
	case "USHER_CLIENT_ID":
		return "(made at the first start)", s.dataFile("client-id")
	}
	return "-", "default"
}

// foundValue is what set-up has found out for a variable, "" for nothing.
func foundValue(name string, found desk.Setup) string {
	switch {
	case name == "USHER_SERVERS":
		var ids []string
		for _, s := range found.Servers {
			ids = append(ids, s.ID)
		}
		return strings.Join(ids, ",")
	case name == "USHER_ALLOW":
		return found.Allow
	case name == "USHER_PLEX_TOKEN" && found.Token != "":
		return "(hidden)"
	case name == "USHER_OWNER" && found.Owner != 0:
		return strconv.FormatInt(found.Owner, 10)
	}
	return ""
}

// ownAddress is where a server that listens so is to be reached from its own
// machine.
func ownAddress(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("USHER_LISTEN: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// healthcheck asks the server of this machine whether it is alive, for
// container engines whose images hold no other program.
func healthcheck(ctx context.Context) error {
	env, _, err := readEnvironment()
	if err != nil {
		return err
	}
	address, err := ownAddress(env.Listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if isSilent(err) {
		return fmt.Errorf("nothing listens at %s; if Usher listens elsewhere, say so in USHER_LISTEN", address)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return nil
}

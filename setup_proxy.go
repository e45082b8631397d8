package main

import (
	"fmt"
	"slices"
	"strings"

	"usher/desk"
)

// addresses are where people sign in, and the port on which Usher listens: what the
// lines for a proxy leave open.
type addresses struct {
	sites []desk.Site // none: on every host
	port  string
}

// recipes says where the lines for a proxy are, besides here.
func (a addresses) recipes() string {
	text := `README.md, "Set it up", or the files in deploy/`
	if i := slices.IndexFunc(a.sites, func(s desk.Site) bool { return s.URL.Path == "" }); i >= 0 { // below a path there is no desk
		text += fmt.Sprintf("; once it leads to Usher, %s/admin/recipes has the lines with your own names in", a.sites[i].URL)
	}
	return text
}

// finish says what is left to do after a set-up. At a terminal it gives the lines for
// a proxy, as the last page of a set-up in a browser does.
func (d dialogue) finish(k kept) error {
	switch {
	case k.printed:
		d.say("\nNothing is stored: put these lines into Usher's environment, and start it again. Then tell your proxy: %s.\n", k.addresses.recipes())
		return nil
	case !d.live:
		d.say("\nDone. Now tell your proxy: %s. At a terminal usher setup gives them, too.\n", k.addresses.recipes())
		return nil
	}
	recipes, err := desk.Recipes()
	if err != nil {
		return err
	}
	d.say("\nDone. Now tell your proxy. Which one is it?\n\n")
	for i, r := range recipes {
		d.say("  %2d  %s\n", i+1, r.Name)
	}
	at := d.choose("\nA number or a name, or Enter for none: ", len(recipes), func(i int) []string { return []string{recipes[i].ID, recipes[i].Name} })
	if at < 0 {
		d.say("\nThe lines are in %s.\n", k.addresses.recipes())
		return nil
	}
	house := desk.House{Site: d.chooseSite(k.sites), Port: k.port}
	for _, f := range recipes[at].Lines(house) {
		d.say("\n==> %s <==\n\n%s\n", f.Name, strings.TrimRight(f.Text, "\n"))
	}
	if house.Site.URL == nil {
		d.say("\nThese are for pages on every app's host: USHER_URL is not set here.")
	}
	d.say("\nYour own app stands in for app. The lines for a policy of an app's own are in there too: remove what you do not need.\n")
	return nil
}

// chooseSite asks with the names of which address, where there are several.
func (d dialogue) chooseSite(sites []desk.Site) desk.Site {
	if len(sites) == 0 {
		return desk.Site{}
	}
	if len(sites) == 1 {
		return sites[0]
	}
	d.say("\nFor the apps of which address?\n\n")
	for i, s := range sites {
		d.say("  %2d  %s\n", i+1, s.URL)
	}
	return sites[max(0, d.choose("\nA number, or Enter for the first: ", len(sites), func(i int) []string { return []string{sites[i].URL.String(), sites[i].URL.Hostname()} }))]
}

// choose asks for one of n by its number or one of its names. -1: none is wanted, or
// nobody answers, which undoes nothing of what is set up.
func (d dialogue) choose(question string, n int, names func(int) []string) int {
	for again := question; ; again = fmt.Sprintf("Give a number from 1 to %d, a name, or Enter alone: ", n) {
		answer, err := d.ask(again)
		answer = strings.TrimSpace(answer)
		if err != nil || answer == "" {
			return -1
		}
		if i := number(answer, n); i >= 0 {
			return i
		}
		for i := range n {
			if slices.ContainsFunc(names(i), func(name string) bool { return strings.EqualFold(name, answer) }) {
				return i
			}
		}
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"rsc.io/qr"

	"usher/auth"
	"usher/desk"
	"usher/plex"
	"usher/session"
)

// errNobodyThere: usher setup asks questions, and nobody can answer them.
var errNobodyThere = fmt.Errorf(`usher setup asks questions, so it needs a terminal. In a container: docker exec -it usher /usher setup
Over SSH: ssh -t HOST usher setup
Without one: open the address that Usher prints into its log while it is not set up, and again on SIGUSR1: %w`, errUsage)

// setUp is set-up in a terminal: the owner signs in with a code at
// plex.tv/link, chooses servers and who may pass. The choice goes to the Usher
// that serves on this machine, or into its store where none does.
func setUp(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("usher setup", flag.ContinueOnError)
	printed := flags.Bool("print", false, "print environment lines, with the owner's token, and store nothing")
	if err := readFlags(flags, helpOf("setup"), args, stdout, stderr); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || flags.NArg() > 0 {
		return fmt.Errorf("usher setup [--print]: %w", errUsage)
	}
	env, _, envErr := readEnvironment()
	set, err := newSettings(env)
	if err := errors.Join(envErr, err); err != nil {
		return fmt.Errorf("each line names a variable and what to do:\n%w\n%w", err, errUsage)
	}
	if !isTerminal(os.Stdin) {
		return errNobodyThere
	}
	talk := dialogue{in: bufio.NewReader(io.LimitReader(os.Stdin, 64<<10)), out: stdout, live: isTerminal(os.Stdout)}
	if *printed { // so that the lines alone can go into a file
		talk.out, talk.live = stderr, isTerminal(os.Stderr)
	}
	keep, err := keeper(ctx, set, *printed, stdout)
	if err != nil {
		return err
	}
	return talk.setUp(ctx, keep)
}

// storeFunc keeps a set-up; the token is that of who has signed in.
type storeFunc func(context.Context, plex.Token, desk.Setup) error

// kept is where a set-up goes.
type kept struct {
	addresses
	fixed   desk.Fixed
	client  *plex.Client
	store   storeFunc
	printed bool // and nothing is stored
}

// keeper finds out where a set-up goes: to whoever serves, into the store, or,
// where it is to be printed, nowhere.
func keeper(ctx context.Context, set settings, printed bool, stdout io.Writer) (k kept, err error) {
	k.fixed, k.printed, k.addresses = set.fixed(), printed, set.addresses()
	if printed {
		if id, err := readSmall(set.dataFile("client-id"), maxFile); err == nil && set.clientID == "" {
			set.clientID = strings.TrimSpace(id)
		}
		if set.clientID == "" {
			set.clientID = "usher-" + hex.EncodeToString(random(16))
		}
		k.store = func(_ context.Context, _ plex.Token, s desk.Setup) error { return printLines(stdout, s) }
	} else {
		served, err := set.served(ctx)
		if err != nil {
			return kept{}, err
		}
		if served {
			err = set.readKept()
		} else {
			err = set.generate(slog.New(slog.DiscardHandler))
		}
		if err != nil {
			return kept{}, err
		}
		if k.store, k.addresses, err = set.storer(ctx); err != nil {
			return kept{}, err
		}
	}
	k.client, err = plex.New(plex.Config{URL: set.plexURL, ClientID: set.clientID, Product: set.product, Version: buildVersion()})
	return k, err
}

// served reports whether an Usher serves on this machine. Where the folder has no secret it is asked by one that
// nobody has: whoever serves says so, before a folder is made that is not its own.
func (set settings) served(ctx context.Context) (bool, error) {
	if err := set.readSecret(); errors.Is(err, fs.ErrNotExist) {
		set.secrets = []string{hex.EncodeToString(random(32))}
	} else if err != nil {
		return false, err
	}
	if _, err := session.NewKeys(set.secrets...); err != nil {
		return false, nil // generate says what is wrong with it
	}
	_, err := set.tellRunning(ctx, desk.Command{})
	if isSilent(err) {
		return false, nil
	}
	return err == nil, err
}

// storer hands a set-up to whoever serves, or, where nobody does, writes it
// into the store. That it cannot is told before anybody signs in. The addresses are
// those of whoever serves, which alone may have been told them.
func (set settings) storer(ctx context.Context) (_ storeFunc, a addresses, err error) {
	keys, err := session.NewKeys(set.secrets...)
	if err != nil {
		return nil, a, fmt.Errorf("USHER_SECRET: %w", err)
	}
	served, err := set.tellRunning(ctx, desk.Command{})
	switch {
	case isSilent(err):
		a = set.addresses()
		if _, err := session.Peek(set.dataFile("usher.db"), keys, setupSetting); err != nil && !errors.Is(err, session.ErrSealedOtherwise) {
			return nil, a, err
		}
	case err != nil:
		return nil, a, err
	default:
		a = addresses{served.Sites, served.Port}
	}
	return func(ctx context.Context, token plex.Token, s desk.Setup) error {
		c := desk.Command{Token: string(token), Allow: s.Allow}
		for _, server := range s.Servers {
			c.Servers = append(c.Servers, server.ID)
		}
		if _, err := set.tellRunning(ctx, c); !isSilent(err) {
			return err
		}
		a, err := openApp(set, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer a.close()
		if err := a.apply(s); err != nil {
			return err
		}
		a.current().server.Audit(session.Event{Kind: session.EventSetUp, Result: session.ResultDone, Reason: desk.ByCommand, Account: s.Owner})
		return nil
	}, a, nil
}

// printLines prints what an environment needs to say the same.
func printLines(w io.Writer, s desk.Setup) error {
	lines := []string{"USHER_OWNER=" + fmt.Sprint(s.Owner), "USHER_SERVERS=" + foundValue("USHER_SERVERS", s)}
	if s.Token != "" {
		lines = append(lines, "USHER_PLEX_TOKEN="+string(s.Token))
	}
	if s.Allow != "" {
		lines = append(lines, "USHER_ALLOW="+s.Allow)
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// dialogue is a conversation with whoever sits at a terminal.
type dialogue struct {
	in   *bufio.Reader
	out  io.Writer
	live bool // out is a terminal, where a line can be written over
}

// pollEvery is how often plex.tv is asked whether the code was typed.
const pollEvery = 2 * time.Second

func (d dialogue) setUp(ctx context.Context, k kept) error {
	token, err := d.signIn(ctx, k.client)
	if err != nil {
		return err
	}
	account, err := k.client.Account(ctx, token)
	if err != nil {
		return fmt.Errorf("nothing is set up: %w", err)
	}
	list, err := k.client.Resources(ctx, token)
	if err != nil {
		return fmt.Errorf("nothing is set up: %w", err)
	}
	users, err := k.client.Users(ctx, token)
	if err != nil {
		return fmt.Errorf("nothing is set up: %w", err)
	}
	own := desk.Owned(account, list)
	if err := k.fixed.Admit(account, own); err != nil {
		return fmt.Errorf("nothing is set up: %w", err)
	}
	d.say("Signed in as %s.\n", plain(account.Name()))
	servers, err := d.chooseServers(k.fixed.Servers, own)
	if err != nil {
		return err
	}
	allow, err := d.choosePeople(k.fixed.Allow, plex.Foresee(account, users, servers))
	if err != nil {
		return err
	}
	s, err := k.fixed.Choose(account, token, own, servers, allow)
	if err != nil {
		return err
	}
	if err := k.store(ctx, token, s); err != nil {
		return fmt.Errorf("nothing is set up: %w", err)
	}
	return d.finish(k)
}

// signIn shows a code for plex.tv/link and waits until it was typed there.
func (d dialogue) signIn(ctx context.Context, client *plex.Client) (plex.Token, error) {
	pin, err := client.CreateLinkPIN(ctx)
	if err != nil {
		return "", fmt.Errorf("nothing is set up: %w", err)
	}
	picture, err := qr.Encode(client.LinkURL(pin), qr.L)
	if err != nil {
		return "", err
	}
	d.say("%s\nSign in with the Plex account that owns your servers: scan this, or open https://plex.tv/link and type\n\n    %s\n\n", drawn(picture), pin.Code)
	defer d.say("\n")
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	d.countDown(pin)
	for {
		select {
		case <-ctx.Done():
			return "", errors.New("nothing is set up: interrupted")
		case <-tick.C:
		}
		d.countDown(pin)
		got, err := client.CheckPIN(ctx, pin.ID)
		switch {
		case errors.Is(err, plex.ErrExpired), err != nil && time.Now().After(pin.ExpiresAt):
			return "", errors.New("nothing is set up: the code is over. Run usher setup again for a new one")
		case err == nil && got.Token != "":
			return got.Token, nil
		}
	}
}

// countDown says how long the code is good for, where a line can be written
// over, and else once.
func (d dialogue) countDown(pin plex.PIN) {
	if d.live {
		left := max(0, time.Until(pin.ExpiresAt)).Round(time.Second)
		d.say("\rWaiting for Plex, %d:%02d left ", int(left.Minutes()), int(left.Seconds())%60)
	}
}

// chooseServers asks which servers count.
func (d dialogue) chooseServers(fixed []string, own []plex.Resource) ([]string, error) {
	if len(fixed) > 0 {
		d.say("USHER_SERVERS names the servers that count; unset it to choose here.\n")
		return fixed, nil
	}
	d.say("\nWhich of your servers count?\n\n")
	for i, s := range own {
		d.say("  %d  %s\n", i+1, plain(s.Name))
	}
	question := "\nNumbers, such as 1 or 1,2: "
	for {
		answer, err := d.ask(question)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, n := range list(strings.ReplaceAll(answer, " ", ",")) {
			if i := number(n, len(own)); i >= 0 {
				ids = append(ids, own[i].ID)
			} else {
				ids = append(ids, "")
			}
		}
		if problem := desk.Pick(ids, own); problem == "" {
			return ids, nil
		}
		question = fmt.Sprintf("Give numbers from 1 to %d, each once: ", len(own))
	}
}

// choosePeople asks who may pass, and says by name who that would be.
func (d dialogue) choosePeople(fixed string, people []plex.Foreseen) (string, error) {
	if fixed != "" {
		d.say("\nUSHER_ALLOW says who may pass; unset it to choose here.\n")
		d.sayChoices(desk.Foresee(auth.Person, people, fixed))
		return "", nil
	}
	d.say("\nWho may pass?\n\n")
	choices := desk.Foresee(auth.Person, people, desk.Tiers()...)
	d.sayChoices(choices)
	if names := desk.Invited(people); len(names) > 0 {
		d.say("\nInvited, and not in before they accept: %s\n", some(names))
	}
	question := "\nA number (3 is usual): "
	for {
		answer, err := d.ask(question)
		if err != nil {
			return "", err
		}
		if i := number(strings.TrimSpace(answer), len(choices)); i >= 0 {
			return choices[i].Allow, nil
		}
		question = fmt.Sprintf("Give one number from 1 to %d: ", len(choices))
	}
}

func (d dialogue) sayChoices(choices []desk.Choice) {
	for i, c := range choices {
		who := some(c.Names)
		if c.Allow == "anyone" {
			who = "everybody in the world who signs in"
		}
		d.say("  %d  %-6s  %s\n", i+1, plain(c.Allow), who)
	}
}

func (d dialogue) say(format string, args ...any) {
	fmt.Fprintf(d.out, format, args...) // nothing to be done about a terminal that is gone
}

// ask reads one line.
func (d dialogue) ask(question string) (string, error) {
	d.say("%s", question)
	line, err := d.in.ReadString('\n')
	if err != nil {
		return "", errors.New("nothing is set up: no answer")
	}
	return line, nil
}

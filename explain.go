package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"usher/auth"
)

// explain tells how a decision about a person and an address comes about, or
// came about where it was a refusal. It asks the Usher that runs on this
// machine, by the secret that both have; where none runs it looks into the
// store itself.
func explain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	q, asJSON, err := explainArguments(args, stdout, stderr)
	if err != nil {
		return err
	}
	env, _, envErr := readEnvironment()
	set, err := newSettings(env)
	if err := errors.Join(envErr, err); err != nil {
		return fmt.Errorf("each line names a variable and what to do:\n%w\n%w", err, errUsage)
	}
	e, err := explainRunning(ctx, set, q)
	if errors.Is(err, syscall.ECONNREFUSED) {
		e, err = askStore(set, q)
	}
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		return out.Encode(e)
	}
	printExplanation(stdout, e)
	return nil
}

func explainArguments(args []string, stdout, stderr io.Writer) (q auth.Question, asJSON bool, err error) {
	flags := flag.NewFlagSet("usher explain", flag.ContinueOnError)
	ip := ""
	flags.StringVar(&q.User, "user", "", "Plex `id`, uuid, username or e-mail; without it nobody is signed in")
	flags.StringVar(&q.URL, "url", "", "the `address` that they open")
	flags.StringVar(&q.Method, "method", http.MethodGet, "its `method`")
	flags.StringVar(&ip, "ip", "", "the `address` of their device, for rules with a network")
	flags.StringVar(&q.Policy, "policy", "", "the `policy` in the check's own address, where the proxy asks with one")
	flags.StringVar(&q.Request, "request", "", "the `id` that the page of a refusal shows")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := readFlags(flags, helpOf("explain"), args, stdout, stderr); errors.Is(err, flag.ErrHelp) {
		return q, false, err
	} else if err != nil {
		return q, false, fmt.Errorf("usher explain --user X --url U [--method M] [--ip A] [--policy P] [--json], or usher explain --request ID: %w", errUsage)
	}
	if ip != "" {
		if q.Client, err = netip.ParseAddr(ip); err != nil {
			return q, false, fmt.Errorf("--ip takes an address such as 192.168.1.20: %w", errUsage)
		}
		q.Client = q.Client.Unmap().WithZone("")
	}
	switch {
	case flags.NArg() > 0:
		return q, false, fmt.Errorf("usher explain takes no argument such as %q: %w", flags.Arg(0), errUsage)
	case q.Request != "" && (q.User != "" || q.URL != ""):
		return q, false, fmt.Errorf("--request stands alone: it knows who and what it was: %w", errUsage)
	case q.Request == "" && q.URL == "":
		return q, false, fmt.Errorf("name what they open with --url, or a refusal with --request: %w", errUsage)
	}
	return q, asJSON, nil
}

// explainRunning asks the Usher that serves.
func explainRunning(ctx context.Context, set settings, q auth.Question) (e auth.Explanation, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := askRunning(ctx, set, auth.Control{Explain: &q})
	if err != nil {
		return e, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxExplanation)).Decode(&e); err != nil {
		return e, fmt.Errorf("the answer of the Usher that serves cannot be read: %s", resp.Status)
	}
	return e, nil
}

// maxExplanation bounds what is read of an answer, in bytes.
const maxExplanation = 4 << 20

// askStore answers from the store, while no Usher serves. It asks plex.tv
// nothing.
func askStore(set settings, q auth.Question) (auth.Explanation, error) {
	if _, err := os.Stat(set.dataFile("usher.db")); err != nil {
		return auth.Explanation{}, fmt.Errorf("no Usher serves on this machine, and there is no store to look into: %w", err)
	}
	a, err := openApp(set, slog.New(slog.DiscardHandler))
	if err != nil {
		return auth.Explanation{}, err
	}
	defer a.close()
	return a.current().server.Explain(q)
}

func printExplanation(w io.Writer, e auth.Explanation) {
	who := e.User
	if who == "" {
		who = "somebody who is not signed in"
	}
	from := ""
	if e.Client != "" {
		from = " from " + e.Client
	}
	if e.RequestID != "" {
		fmt.Fprintf(w, "Request %s, %s\n", e.RequestID, e.At.Format(time.DateTime+" UTC"))
	}
	fmt.Fprintf(w, "%s %s%s, %s\n\n", e.Method, e.URL, from, who)
	for i, step := range e.Steps {
		if i == len(e.Steps)-1 {
			fmt.Fprintf(w, "\n%s: %s\n", strings.ToUpper(strings.ReplaceAll(e.Result, "_", " ")), step.Text)
			return
		}
		fmt.Fprintf(w, "%3d. %s%s\n", i+1, map[bool]string{true: "   "}[step.Kind == "term"], step.Text)
	}
}

// Usher puts a Plex sign-in in front of the apps of a home server.
//
// A reverse proxy asks it about every request. Who has access to the owner's
// Plex server passes, with identity headers for the app; strangers are sent to
// a sign-in page. Package auth says what is believed and what is refused.
//
// Main reads the environment once, wires the packages, and runs one command.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// version is set by the build; "" means what the module knows of itself.
var version string

// errUsage: the command line or the environment cannot be used. Exit code 2.
var errUsage = errors.New("see usher help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage) || errors.Is(err, errUnseen):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const help = `Usher puts a Plex sign-in in front of your apps.

  usher, usher serve   answer the reverse proxy and serve the sign-in pages
  usher setup          say which Plex servers count and who may pass, in a terminal
  usher demo           try everything on this machine: no account, no internet
  usher doctor URL     try to get around your proxy, and say what closes the holes
  usher explain        say why a person may or may not open an address, step by step
  usher backup FILE    put all that Usher knows into one file, also while it runs
  usher restore FILE   put it back, while Usher is stopped
  usher config         show what is in force and where each value comes from
  usher healthcheck    exit 0 if the server on this machine is well
  usher version        print the version

Everything is set by these variables. Each may be given as NAME_FILE, a file that holds the value.

`

func printHelp(w io.Writer) {
	fmt.Fprint(w, help)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		fmt.Fprintf(out, "  %s\t%s\n", v.Name, v.About)
	}
	_ = out.Flush() // nothing to be done about a terminal that is gone
}

// helpOf is the line that help has about a command.
func helpOf(command string) string {
	for line := range strings.Lines(help) {
		if strings.Contains(line, "usher "+command+" ") {
			return strings.TrimSpace(line) + "\n"
		}
	}
	return ""
}

// readFlags reads the flags of a command. flag.ErrHelp: help was asked for, and is printed.
func readFlags(flags *flag.FlagSet, about string, args []string, stdout, stderr io.Writer) error {
	var said bytes.Buffer
	flags.SetOutput(&said)
	flags.Usage = func() {
		said.WriteString(about)
		flags.PrintDefaults()
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		stderr = stdout
	}
	_, _ = said.WriteTo(stderr) // nothing to be done about a terminal that is gone
	return err
}

// run is the program: it returns when the command is done or ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	err := runCommand(ctx, args, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "demo":
		return demo(ctx, args, stdout, stderr)
	case "doctor":
		return doctor(ctx, args, os.Stdin, stdout, stderr)
	case "explain":
		return explain(ctx, args, stdout, stderr)
	case "setup":
		return setUp(ctx, args, stdout, stderr)
	case "backup":
		return makeBackup(ctx, args, stdout, stderr)
	case "restore":
		return restore(ctx, args, os.Stdin, stdout, stderr)
	}
	if len(args) > 0 && slices.Contains([]string{"serve", "config", "healthcheck", "version", "help"}, command) {
		if err := readFlags(flag.NewFlagSet("usher "+command, flag.ContinueOnError), helpOf(command), args, stdout, io.Discard); errors.Is(err, flag.ErrHelp) {
			return err
		}
	}
	if len(args) > 0 {
		return fmt.Errorf("usher %s takes no arguments, got %q: %w", command, args, errUsage)
	}
	switch command {
	case "serve":
		return serve(ctx, stderr)
	case "config":
		return showConfig(ctx, stdout, stderr)
	case "healthcheck":
		return healthcheck(ctx)
	case "version", "--version", "-v":
		fmt.Fprintln(stdout, "usher", buildVersion())
		return nil
	case "help", "--help", "-h":
		printHelp(stdout)
		return nil
	}
	return fmt.Errorf("there is no command %q: %w", command, errUsage)
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

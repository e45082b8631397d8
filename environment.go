package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// prefix begins the name of every variable.
const prefix = "USHER_"

// maxFile bounds a file that a NAME_FILE variable names, in bytes.
const maxFile = 64 << 10

// environment is every variable as text. Texts are read here and understood in
// settings.go, so that all problems can be told at once and no value is ever
// quoted by a library's error. No field has an envconfig tag: envconfig would
// then also read the variable without its prefix.
type environment struct {
	URL             string `split_words:"true" desc:"where the pages live, e.g. https://auth.example.com; several, comma separated, one per cookie domain; unset: under /_usher/ of every protected host"`
	CookieDomain    string `split_words:"true" desc:"domain of the session cookie, in the order of the URLs; default: the parent of each URL's host"`
	Servers         string `split_words:"true" desc:"machine identifiers of the Plex servers that count, comma separated; default: from set-up"`
	Allow           string `split_words:"true" desc:"who passes: owner, home, shared, friend, anyone, user:…, server:…, library:…, and !… to keep out; default: from set-up, or shared"`
	RulesFile       string `split_words:"true" desc:"YAML file of rules by host, path, method and network; read again on SIGHUP"`
	Admins          string `split_words:"true" desc:"who administers Usher besides the owner: user:ID, comma separated"`
	PlexToken       string `split_words:"true" desc:"the owner's Plex token: one look at plex.tv serves everybody; default: from set-up"`
	Owner           string `split_words:"true" desc:"the owner's numeric Plex id, where there is no token; default: from set-up"`
	Secret          string `split_words:"true" desc:"at least 32 random bytes that sign and encrypt; comma separated to rotate: the first seals, all open; default: generated into the data folder"`
	ClientID        string `split_words:"true" desc:"how Plex knows this installation; default: generated into the data folder"`
	Product         string `split_words:"true" default:"Usher" desc:"how Plex lists this installation among a person's devices"`
	Title           string `split_words:"true" default:"Usher" desc:"the name on the pages"`
	Logo            string `split_words:"true" desc:"PNG, JPEG or GIF file of at most 64 kB, shown beside the name"`
	Accent          string `split_words:"true" desc:"colour of the button that leads on, as #rrggbb"`
	Background      string `split_words:"true" desc:"what is behind the pages: #rrggbb, a light and a dark one, or a PNG, JPEG or GIF file of at most 1 MB, shown out of focus"`
	Message         string `split_words:"true" desc:"a line of plain text at the foot of the pages, at most 200 letters"`
	DataDir         string `split_words:"true" default:"./data" desc:"folder for the store, the secret and the client id; /data in the image"`
	Listen          string `split_words:"true" default:":4181" desc:"address for checks and pages"`
	MetricsListen   string `split_words:"true" desc:"address for /metrics alone; unset: off"`
	TrustedProxies  string `split_words:"true" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,169.254.0.0/16,fe80::/10" desc:"networks whose word about a request is believed"`
	SessionLifetime string `split_words:"true" default:"720h" desc:"how long a sign-in lasts at most"`
	Recheck         string `split_words:"true" default:"5m" desc:"how long plex.tv's answer about a person is used before it is asked again"`
	OutageGrace     string `split_words:"true" default:"24h" desc:"how long the last good answer serves while plex.tv is silent"`
	Headers         string `split_words:"true" default:"Remote-User={username},Remote-Name={name},Remote-Email={email},Remote-Groups={groups},Remote-Id={id}" desc:"identity headers: Name={field},… with id, uuid, username, email, name, thumb, groups, tier"`
	NotifyURL       string `split_words:"true" desc:"where to POST when somebody asks to be let in, or signs in with a new device: Apprise, ntfy, Discord or your own"`
	BrowserPIN      string `split_words:"true" default:"true" desc:"false: the server alone asks plex.tv for PINs, and Plex warns those who are far from it"`
	Redeem          string `split_words:"true" default:"false" desc:"true lets whoever holds a person's Plex token sign in as them, at /api/redeem"`
	InsecureCookies string `split_words:"true" default:"false" desc:"true allows cookies over http without TLS"`
	LogLevel        string `split_words:"true" default:"info" desc:"debug, info, warn or error"`
	LogFormat       string `split_words:"true" default:"text" desc:"text or json"`
	PlexURL         string `split_words:"true" default:"https://plex.tv" desc:"plex.tv, or a stand-in"`
	PlexAuthURL     string `split_words:"true" default:"https://app.plex.tv/auth" desc:"Plex's sign-in page"`
}

// variable is one variable of the environment as it was found.
type variable struct {
	Name, Value, About string
	Default            string
	Secret             bool
	Source             string // "environment", "file /run/secrets/x" or "default"
}

// refusesEmpty are variables of which an empty value could be taken for "all"
// or "none needed". The others count as unset when they are empty, which is
// what compose files make of a variable that is not there.
var refusesEmpty = []string{"USHER_SECRET", "USHER_ALLOW", "USHER_TRUSTED_PROXIES", "USHER_HEADERS"}

// injected are variables that Kubernetes adds for a service named usher.
var injected = regexp.MustCompile(`^USHER_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// readEnvironment reads all variables, from the environment or from the files
// that NAME_FILE variables name. It refuses variables that do not exist: a
// mistyped one would leave its default in force, unseen.
func readEnvironment() (environment, []variable, error) {
	vars := variables()
	var errs []error
	errs = append(errs, unknown(vars)...)
	for i := range vars {
		v := &vars[i]
		text, set := os.LookupEnv(v.Name)
		path, file := os.LookupEnv(v.Name + "_FILE")
		v.Source = "environment"
		switch {
		case set && text != "" && file && path != "":
			errs = append(errs, fmt.Errorf("%s: both it and %s_FILE are set; unset one", v.Name, v.Name))
		case file && path != "":
			v.Source = "file " + path
			content, err := readSmall(path, maxFile)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s_FILE: %w; name a file that Usher's user can read", v.Name, err))
				continue
			}
			if text = strings.TrimSpace(content); text == "" {
				errs = append(errs, fmt.Errorf("%s_FILE: %s is empty; put the value in it or unset the variable", v.Name, path))
				continue
			}
			if err := os.Setenv(v.Name, text); err != nil {
				errs = append(errs, fmt.Errorf("%s_FILE: %s has a byte that no variable can have", v.Name, path))
			}
		case set && text == "" && slices.Contains(refusesEmpty, v.Name):
			errs = append(errs, fmt.Errorf("%s: is set but empty; give it a value or unset it", v.Name))
		case !set || text == "":
			v.Source, v.Value = "default", v.Default
			if err := os.Unsetenv(v.Name); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", v.Name, err))
			}
			continue
		}
		v.Value = text
	}
	var env environment
	if err := envconfig.Process(strings.TrimSuffix(prefix, "_"), &env); err != nil {
		errs = append(errs, errors.New("the environment cannot be read")) // its own words would quote values
	}
	return env, vars, errors.Join(errs...)
}

// secrets are the variables whose values are never shown.
var secrets = []string{"USHER_PLEX_TOKEN", "USHER_SECRET", "USHER_NOTIFY_URL"}

// variables lists what may be set, with the names that envconfig reads.
func variables() []variable {
	var out strings.Builder
	err := envconfig.Usagef(strings.TrimSuffix(prefix, "_"), &environment{}, &out,
		"{{range .}}{{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}")
	if err != nil {
		panic(err) // a mistake in the tags above, which every start would meet
	}
	var vars []variable
	for line := range strings.Lines(out.String()) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		vars = append(vars, variable{Name: f[0], Default: f[1], About: f[2], Secret: slices.Contains(secrets, f[0])})
	}
	return vars
}

// unknown finds variables with our prefix that mean nothing to us.
func unknown(vars []variable) []error {
	var errs []error
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || injected.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://") {
			continue
		}
		if !slices.ContainsFunc(vars, func(v variable) bool { return v.Name == name || v.Name+"_FILE" == name }) {
			errs = append(errs, fmt.Errorf("%s: there is no such variable; unset it, or correct its name (usher help lists all)", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// readSmall reads a file of at most so many bytes.
func readSmall(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return string(content), err
}

// set gives a field the value of its variable.
func (e *environment) set(name, value string) {
	fields := reflect.ValueOf(e).Elem()
	for i, v := range variables() {
		if v.Name == name {
			fields.Field(i).SetString(value)
		}
	}
}

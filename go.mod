module usher

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0 // tests: what that browser complains about
	github.com/chromedp/chromedp v0.23.0 // tests: a real browser signs in
	github.com/google/go-cmp v0.7.0 // tests: readable differences
	github.com/gorilla/securecookie v1.1.2 // seals cookies: encrypted, then signed
	github.com/gorilla/sessions v1.4.0 // the session cookie
	github.com/kelseyhightower/envconfig v1.4.0 // reads the environment into one struct
	github.com/patrickmn/go-cache v2.1.0+incompatible // plex.tv's answers in memory
	github.com/prometheus/client_golang v1.25.0 // metrics
	go.etcd.io/bbolt v1.5.0 // the embedded store: one file, survives kill -9
	go.yaml.in/yaml/v3 v3.0.6 // the rules file, with its line numbers; tests: the YAML recipes
	golang.org/x/net v0.62.0 // publicsuffix: a cookie is never set for a public suffix; tests: html
	golang.org/x/term v0.47.0 // usher setup: does somebody sit at a terminal
	golang.org/x/text v0.43.0 // unicode/norm: a path with letters that only look like dots and slashes; language, plural: pages in one's own language
	golang.org/x/time v0.16.0 // rate: budgets for sign-ins
	rsc.io/qr v0.2.0 // the code for a phone to scan
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

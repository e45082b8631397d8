package policy

import "net/http"

// Preset is a ready-made set of paths that native clients need: apps on
// phones, other servers, browsers where they send no cookie. A rule that names
// it lets these through unseen, so each holds no path that the app, set up as
// Checks says, answers to anybody with something private.
type Preset struct {
	Name    string
	Paths   []PresetPath
	Methods []string // nil: any
	Why     string   // one sentence: which clients need it
	Checks  string   // what the app itself still checks there, and what its owner must have set for that to hold
}

// PresetPath is a path of a preset.
type PresetPath struct {
	Path  string
	Exact bool // that path alone; otherwise it and what is below it by whole segments
}

// Presets lists them by name.
func Presets() []Preset {
	return []Preset{
		{
			Name:  "arr-api",
			Paths: append(below("/api/v1", "/api/v3", "/api/v5"), bazarrAPI()...),
			Why:   "nzb360, LunaSea, dashboards and scripts reach Sonarr, Radarr, Lidarr, Readarr, Prowlarr, Whisparr and Bazarr by the app's own API key.",
			Checks: "The app asks for its key (X-Api-Key, ?apikey=, Authorization: Bearer) on every path here: set an authentication method in it, External or Forms, never None. " +
				"/initialize.json, which hands the key out, and /feed, which an old app with method None answers to anybody, stay behind the sign-in, as does Bazarr's /api/plex, which asks for no key.",
		},
		{
			Name:  "nextcloud-dav",
			Paths: nextcloudDAV(),
			Why:   "Nextcloud's desktop and phone clients, and calendar and address book apps such as DAVx5, sync by WebDAV, CalDAV, CardDAV and OCS with an app password.",
			Checks: "Nextcloud asks for an app password or its own session, slows guesses down by address (so trusted_proxies must name your proxy), and answers only its version, capabilities and public links to anybody. " +
				"No app of Nextcloud's may take people from a header such as Remote-User. The page where a person grants access stays behind the sign-in.",
		},
		{
			Name:  "paperless-api",
			Paths: below("/api"),
			Why:   "Paperless Mobile, Swift Paperless and scripts that upload documents sign in at /api/token/ and bring a token after that.",
			Checks: "Paperless-ngx asks for its token, password or session, and slows guesses of passwords down. PAPERLESS_AUTO_LOGIN_USERNAME and PAPERLESS_ENABLE_HTTP_REMOTE_USER_API must not be set: " +
				"the first answers anybody as that person, the second believes whatever name reaches it.",
		},
		{
			Name:  "seerr-api",
			Paths: seerrAPI(),
			Why:   "nzb360, LunaSea, chat bots, Home Assistant and dashboards reach Overseerr, Jellyseerr and Seerr by the app's API key.",
			Checks: "The app asks for X-Api-Key or its own session on every path here but /api/v1/status, which tells its version; forward authentication by X-Forwarded-User must be off in it. " +
				"Its own sign-in under /api/v1/auth stays behind Usher's: it takes anybody's Plex token, and makes the first who comes its administrator.",
		},
		{
			Name:  "tautulli-api",
			Paths: only("/api/v2"),
			Why:   "Tautulli Remote, nzb360, LunaSea and dashboards reach Tautulli by its API key or by the token of a registered device.",
			Checks: "Tautulli asks for the key in ?apikey=, and gives the key itself to whoever sends its user name and password with ?cmd=get_apikey. " +
				"Set both in Settings, Web Interface: without them it gives the key to anybody.",
		},
		{
			Name: "web-manifest",
			Paths: only("/apple-touch-icon-precomposed.png", "/apple-touch-icon.png", "/favicon.ico",
				"/manifest.json", "/manifest.webmanifest", "/site.webmanifest"),
			Methods: []string{http.MethodGet, http.MethodHead},
			Why:     "Browsers fetch a web app's manifest, and phones its icon for the home screen, without cookies, and would be sent to the sign-in page.",
			Checks:  "The app checks nothing: whoever asks learns its name and sees its icon, so its owner must not have put anything private into these files.",
		},
	}
}

// bazarrAPI leaves out /api/plex, which links the app to a Plex account and tells about the one that is linked,
// and /api/system/account, where passwords are tried: neither asks for the key.
func bazarrAPI() []PresetPath {
	return below("/api/badges", "/api/episodes", "/api/history", "/api/movies", "/api/providers", "/api/series", "/api/subtitles",
		"/api/system/health", "/api/system/languages", "/api/system/status", "/api/system/tasks")
}

// seerrAPI is what the app's router puts behind its own check, as far as clients use it.
func seerrAPI() []PresetPath {
	return append(
		only("/api/v1/auth/me", "/api/v1/settings/about", "/api/v1/settings/main", "/api/v1/status"),
		below("/api/v1/blacklist", "/api/v1/blocklist", "/api/v1/collection", "/api/v1/discover", "/api/v1/genres", "/api/v1/issue",
			"/api/v1/issueComment", "/api/v1/languages", "/api/v1/media", "/api/v1/movie", "/api/v1/person", "/api/v1/regions",
			"/api/v1/request", "/api/v1/search", "/api/v1/service", "/api/v1/tv", "/api/v1/user", "/api/v1/watchlist")...)
}

// nextcloudDAV has login flow v2 where the client starts and polls it, not its pages; the remote wipe of a lost
// device; and of /index.php no more than clients ask for by Basic.
// https://docs.nextcloud.com/server/latest/developer_manual/client_apis/
func nextcloudDAV() []PresetPath {
	return append(
		below("/ocs/v1.php", "/ocs/v2.php", "/remote.php/dav", "/remote.php/direct", "/remote.php/webdav"),
		only("/.well-known/caldav", "/.well-known/carddav", "/index.php/204", "/index.php/core/preview", "/index.php/core/preview.png",
			"/index.php/core/wipe/check", "/index.php/core/wipe/success", "/index.php/login/v2", "/index.php/login/v2/poll", "/status.php")...)
}

func only(paths ...string) []PresetPath  { return presetPaths(paths, true) }
func below(paths ...string) []PresetPath { return presetPaths(paths, false) }

func presetPaths(paths []string, exact bool) []PresetPath {
	list := make([]PresetPath, len(paths))
	for i, p := range paths {
		list[i] = PresetPath{p, exact}
	}
	return list
}

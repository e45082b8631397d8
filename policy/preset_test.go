package policy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/policy"
)

// lets reports whether a preset holds a path, read as its type says and no otherwise.
func lets(p policy.Preset, path string) bool {
	return slices.ContainsFunc(p.Paths, func(at policy.PresetPath) bool {
		return path == at.Path || !at.Exact && strings.HasPrefix(path, at.Path+"/")
	})
}

// TestPresetsLeaveLeaksClosed: what an app of that preset answers to anybody with something private, and the doors
// where it lets people in itself.
func TestPresetsLeaveLeaksClosed(t *testing.T) {
	t.Parallel()
	everywhere := []string{
		"/", "/api", "/index.php", "/index.html", "/login", "/signin", "/logout", "/setup", "/admin", "/config", "/metrics", "/backup",
		"/initialize.json", "/initialize.js", "/robots.txt", "/.env", "/.git/config", "/.well-known",
	}
	for name, paths := range map[string][]string{
		"arr-api": {
			"/ping", "/feed", "/feed/v3/calendar/Sonarr.ics", "/signalr/messages", "/MediaCover/1/poster.jpg", "/content/index.js", "/backup/manual/x.zip",
			"/api/plex", "/api/plex/oauth/validate", "/api/plex/oauth/pin", "/api/system", "/api/system/account", "/api/swagger.json", "/api/webhooks/plex", "/bazarr.log",
			"/1/api", "/1/download", "/apis", "/api/v30/series",
		},
		"tautulli-api":  {"/api", "/api/v2/x", "/pms_image_proxy", "/image/x", "/newsletter", "/auth/signin", "/welcome", "/status"},
		"seerr-api":     {"/api/v1", "/api/v1/auth", "/api/v1/auth/plex", "/api/v1/auth/local", "/api/v1/auth/jellyfin", "/api/v1/auth/plex/profile/select", "/api/v1/auth/reset-password", "/api/v1/settings", "/api/v1/settings/public", "/api/v1/settings/initialize", "/api/v1/status/appdata", "/api-docs", "/avatarproxy/x", "/imageproxy/x"},
		"nextcloud-dav": {"/index.php/login", "/index.php/login/v2/flow", "/index.php/login/v2/grant", "/index.php/login/flow", "/login", "/apps", "/index.php/apps/files", "/index.php/avatar/robin/64", "/index.php/s/x", "/ocs", "/remote.php", "/public.php", "/cron.php", "/data", "/ocm-provider"},
		"paperless-api": {"/accounts/login", "/share/x", "/admin", "/fetch/doc/1", "/ws/status", "/dashboard", "/static/x"},
		"web-manifest":  {"/manifest.json/x", "/favicon.ico/x", "/service-worker.js", "/assets/manifest.json"},
	} {
		p := preset(t, name)
		for _, path := range append(paths, everywhere...) {
			if path == "/api" && name == "paperless-api" {
				continue // everything below it asks for a token
			}
			if lets(p, path) {
				t.Errorf("%s lets anybody to %s", name, path)
			}
		}
	}
}

func TestPresetsArePlain(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^(/[A-Za-z0-9_~.-]+)+$`)
	for _, p := range policy.Presets() {
		if len(p.Paths) == 0 || p.Why == "" || p.Checks == "" {
			t.Errorf("%s: paths %v, why %q, checks %q: all three are needed", p.Name, p.Paths, p.Why, p.Checks)
		}
		for i, at := range p.Paths {
			if !plain.MatchString(at.Path) || strings.Contains(at.Path+"/", "/./") || strings.Contains(at.Path+"/", "/../") {
				t.Errorf("%s: %q is not anchored and plain", p.Name, at.Path)
			}
			for j, other := range p.Paths {
				if i != j && lets(policy.Preset{Paths: []policy.PresetPath{other}}, at.Path) {
					t.Errorf("%s: %s is already let through by %s", p.Name, at.Path, other.Path)
				}
			}
		}
		for _, m := range p.Methods {
			if m != strings.ToUpper(m) || m == "" {
				t.Errorf("%s: method %q", p.Name, m)
			}
		}
	}
}

// TestPresetsLetClientsWork: what the clients that each is for ask for.
func TestPresetsLetClientsWork(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string][]string{
		"arr-api":       {"/api/v3/system/status", "/api/v3/mediacover/1/poster.jpg", "/api/v1/indexer", "/api/v5/series", "/api/movies/wanted", "/api/system/status"},
		"tautulli-api":  {"/api/v2"},
		"seerr-api":     {"/api/v1/status", "/api/v1/auth/me", "/api/v1/request/count", "/api/v1/movie/1", "/api/v1/service/radarr", "/api/v1/user/1/quota", "/api/v1/settings/about"},
		"nextcloud-dav": {"/status.php", "/remote.php/dav/files/robin/a", "/remote.php/webdav/", "/ocs/v2.php/cloud/user", "/ocs/v1.php/cloud/capabilities", "/.well-known/carddav", "/index.php/login/v2", "/index.php/login/v2/poll"},
		"paperless-api": {"/api/", "/api/token/", "/api/documents/1/thumb/"},
		"web-manifest":  {"/manifest.json", "/site.webmanifest", "/favicon.ico", "/apple-touch-icon.png"},
	} {
		for _, path := range paths {
			if !lets(preset(t, name), path) {
				t.Errorf("%s keeps its clients from %s", name, path)
			}
		}
	}
	if got := preset(t, "web-manifest").Methods; !slices.Equal(got, []string{"GET", "HEAD"}) {
		t.Errorf("web-manifest: methods %q", got)
	}
}

func TestPresetsByName(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range policy.Presets() {
		names = append(names, p.Name)
	}
	want := []string{"arr-api", "nextcloud-dav", "paperless-api", "seerr-api", "tautulli-api", "web-manifest"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	policy.Presets()[0].Paths[0].Path = "/" // whoever changes a list changes nobody else's
	if policy.Presets()[0].Paths[0].Path == "/" {
		t.Error("the list is shared")
	}
}

func preset(t *testing.T, name string) policy.Preset {
	t.Helper()
	for _, p := range policy.Presets() {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no preset %s", name)
	return policy.Preset{}
}

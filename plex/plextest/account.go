package plextest

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// userBody is what /api/v2/user says, in the order in which plex.tv says it.
type userBody struct {
	ID                      int64        `json:"id"`
	UUID                    string       `json:"uuid"`
	Username                *string      `json:"username"`
	Title                   string       `json:"title"`
	Email                   *string      `json:"email"`
	FriendlyName            string       `json:"friendlyName"`
	Locale                  *string      `json:"locale"`
	Confirmed               bool         `json:"confirmed"`
	JoinedAt                int64        `json:"joinedAt"`
	EmailOnlyAuth           bool         `json:"emailOnlyAuth"`
	HasPassword             bool         `json:"hasPassword"`
	Protected               bool         `json:"protected"`
	Thumb                   string       `json:"thumb"`
	AuthToken               string       `json:"authToken"`
	MailingListStatus       string       `json:"mailingListStatus"`
	MailingListActive       bool         `json:"mailingListActive"`
	ScrobbleTypes           string       `json:"scrobbleTypes"`
	Country                 string       `json:"country"`
	Subscription            subscription `json:"subscription"`
	SubscriptionDescription *string      `json:"subscriptionDescription"`
	Restricted              bool         `json:"restricted"`
	Anonymous               *bool        `json:"anonymous"`
	Home                    bool         `json:"home"`
	Guest                   bool         `json:"guest"`
	HomeSize                int          `json:"homeSize"`
	HomeAdmin               bool         `json:"homeAdmin"`
	MaxHomeSize             int          `json:"maxHomeSize"`
	RememberExpiresAt       int64        `json:"rememberExpiresAt"`
	Profile                 profile      `json:"profile"`
	Entitlements            []string     `json:"entitlements"`
	Roles                   []string     `json:"roles"`
	Services                []service    `json:"services"`
	AdsConsent              *bool        `json:"adsConsent"`
	AdsConsentSetAt         *int64       `json:"adsConsentSetAt"`
	AdsConsentReminderAt    *int64       `json:"adsConsentReminderAt"`
	ExperimentalFeatures    bool         `json:"experimentalFeatures"`
	TwoFactorEnabled        bool         `json:"twoFactorEnabled"`
	BackupCodesCreated      bool         `json:"backupCodesCreated"`
	AttributionPartner      *string      `json:"attributionPartner"`
}

type subscription struct {
	Active         bool     `json:"active"`
	SubscribedAt   *string  `json:"subscribedAt"`
	Status         string   `json:"status"`
	PaymentService *string  `json:"paymentService"`
	Plan           *string  `json:"plan"`
	Features       []string `json:"features"`
}

type profile struct {
	AutoSelectAudio         bool     `json:"autoSelectAudio"`
	DefaultAudioLanguage    *string  `json:"defaultAudioLanguage"`
	DefaultAudioLanguages   []string `json:"defaultAudioLanguages"`
	DefaultSubtitleLanguage *string  `json:"defaultSubtitleLanguage"`
	AutoSelectSubtitle      int      `json:"autoSelectSubtitle"`
	WatchedIndicator        int      `json:"watchedIndicator"`
	MediaReviewsVisibility  int      `json:"mediaReviewsVisibility"`
}

type service struct {
	Identifier string  `json:"identifier"`
	Endpoint   string  `json:"endpoint"`
	Token      *string `json:"token"`
	Secret     *string `json:"secret"`
	Status     string  `json:"status"`
}

// features is a list as long as plex.tv's: some names, and many bare uuids.
func features() []string {
	all := strings.Fields(`Android_-_Dolby_Vision Android_-_PiP CU_Sunset HRK_enable_EUR TREBLE-show-features
		adaptive_bitrate allow_dvr amazon-loop-debug avod-ad-analysis avod-new-media camera_upload client-radio-stations
		cloudsync collections comments_and_replies_push_notifications companions_sonos content_filter
		custom-home-removal disable_home_user_friendships disable_sharing_friendships download_certificates
		drm_support dvr dvr-block-unsupported-countries epg-recent-channels federated-auth
		grandfather-sync guided-upgrade hardware_transcoding hdr_to_sdr home hwtranscode intro-markers
		item_clusters kevin-bacon keep-payment-method left-over-discounts livetv loudness lyrics metadata_search
		music-analysis music_videos nominatim pass photosV6-edit premium_music_metadata radio
		rate-limit-client-token session_bandwidth_restrictions session_kick shared-radio
		signin_notification skip-ads spring_serve_ad_provider sync timeline-radio-stations trailers tuner-sharing
		type-first unsupportedtuners volume-leveling web_server_dashboard webhooks`)
	for i := range 160 {
		all = append(all, fmt.Sprintf("%08x-5c1e-4000-8000-%012x", 0x1f3a7000+i*7919, 0xa0000000+i*104729))
	}
	return all
}

// thumb is where a person's picture is: on plex.tv, which is here.
func (s *Server) thumb(p *Person) string {
	return fmt.Sprintf("%s/users/%s/avatar?c=%d", cmp.Or(s.URL, "https://plex.tv"), p.UUID, created().Unix())
}

// account finds whom v2 answers about; ok is false when refusal is the answer.
// The token is looked at before the client identifier.
func (s *Server) account(r *http.Request) (p *Person, refusal reply, ok bool) {
	p = s.bearer(r)
	if p == nil {
		return nil, noToken(r), false
	}
	if clientOf(r) == "" {
		return nil, noClient(r), false // no source tells whether /user insists on one
	}
	return p, reply{}, true
}

func (s *Server) user(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, refusal, ok := s.account(r)
	if !ok {
		return refusal
	}
	v := s.userBody(p, plexHeader(r, "X-Plex-Token"))
	return either(r, http.StatusOK, v, v.xml())
}

// userBody is what is said of a person whose token it is. It is called with mu
// held.
func (s *Server) userBody(p *Person, token string) userBody {
	admin := s.admin[p.ID]
	v := userBody{
		ID: p.ID, UUID: p.UUID, Username: null(p.Username), Title: p.Title, Email: null(p.Email),
		FriendlyName: p.FriendlyName, Confirmed: p.Kind != Managed, JoinedAt: 1400000000,
		HasPassword: p.Kind != Managed, Protected: p.PIN != "", Thumb: s.thumb(p), AuthToken: token,
		MailingListStatus: "unsubscribed", Country: "GB",
		Subscription: subscription{Status: "Inactive", Features: []string{}},
		Restricted:   p.Kind == Managed, Home: admin != 0, HomeSize: 1,
		HomeAdmin: admin == p.ID, MaxHomeSize: 15,
		RememberExpiresAt: s.now().Add(14 * 24 * time.Hour).Unix(),
		Profile:           profile{AutoSelectAudio: true, AutoSelectSubtitle: 1, WatchedIndicator: 1},
		Entitlements:      []string{}, Roles: []string{},
		Services: []service{
			{"metadata", "https://metadata.provider.plex.tv", null("test-service-token-metadata"), nil, "online"},
			{"epg", "https://epg.provider.plex.tv", null("test-service-token-epg"), nil, "online"},
			{"cloudsync", "https://cloudsync.plex.tv", nil, null("test-service-secret-cloudsync"), "offline"},
		},
	}
	if admin != 0 {
		v.HomeSize = 0
		for _, a := range s.admin {
			if a == admin {
				v.HomeSize++
			}
		}
	}
	if p.Kind == Owner {
		v.Subscription = subscription{true, null("2021-01-01T00:00:00Z"), "Active", null("braintree"), null("lifetime"), features()}
		v.SubscriptionDescription = null("Lifetime")
		v.Entitlements, v.Roles = []string{"all"}, []string{"plexpass"}
	} else {
		v.Anonymous = new(bool) // null and false have both been seen
		v.Subscription.Features = features()[60:]
	}
	return v
}

func (v userBody) xml() element {
	var list element
	list.name = "features"
	for _, f := range v.Subscription.Features {
		list.kids = append(list.kids, el("feature", "id", f))
	}
	roles := el("roles")
	for _, role := range v.Roles {
		roles.kids = append(roles.kids, el("role", "id", role))
	}
	services := el("services")
	for _, x := range v.Services {
		services.kids = append(services.kids, el("service", "identifier", x.Identifier, "endpoint", x.Endpoint,
			"token", text0(x.Token), "secret", text0(x.Secret), "status", x.Status))
	}
	return el("user", "id", number(v.ID), "uuid", v.UUID, "username", text0(v.Username), "title", v.Title,
		"email", text0(v.Email), "friendlyName", v.FriendlyName, "locale", "", "confirmed", flag(v.Confirmed),
		"joinedAt", number(v.JoinedAt), "hasPassword", flag(v.HasPassword), "protected", flag(v.Protected),
		"thumb", v.Thumb, "authToken", v.AuthToken, "country", v.Country, "restricted", flag(v.Restricted),
		"home", flag(v.Home), "guest", flag(v.Guest), "homeSize", number(int64(v.HomeSize)),
		"homeAdmin", flag(v.HomeAdmin), "maxHomeSize", number(int64(v.MaxHomeSize))).with(
		el("subscription", "active", flag(v.Subscription.Active), "status", v.Subscription.Status,
			"plan", text0(v.Subscription.Plan)).with(list),
		el("profile", "autoSelectAudio", flag(v.Profile.AutoSelectAudio)),
		el("entitlements"), roles, services)
}

// text0 is how XML writes null.
func text0(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Server) ping(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refusal, ok := s.account(r); !ok {
		return refusal
	}
	pong := el("pong")
	pong.text = "true"
	return either(r, http.StatusOK, struct {
		Pong bool `json:"pong"`
	}{true}, pong)
}

// signOut ends the token that it was asked with. 204 is what other projects'
// stand-ins answer; nobody has published a measurement.
func (s *Server) signOut(r *http.Request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, refusal, ok := s.account(r); !ok {
		return refusal
	}
	s.end(plexHeader(r, "X-Plex-Token"))
	return reply{status: http.StatusNoContent}.fromPlex()
}

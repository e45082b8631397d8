package auth

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/plex"
)

// Metrics are what Usher counts. They name no person, host or address.
type Metrics struct {
	registry    prometheus.Registerer
	checks      *prometheus.CounterVec
	badHeaders  *prometheus.CounterVec
	signIns     *prometheus.CounterVec
	plex        *prometheus.HistogramVec
	notices     *prometheus.CounterVec
	browserPINs *prometheus.CounterVec
}

// NewMetrics registers the metrics with a registry.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: reg,
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_checks_total", Help: "Checks answered, by kind of proxy and result.",
		}, []string{"proxy", "result"}),
		badHeaders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_bad_headers_total", Help: "Checks refused because the proxy did not send a header as it should.",
		}, []string{"header"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_sign_ins_total", Help: "Sign-ins, by result.",
		}, []string{"result"}),
		plex: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_plex_request_duration_seconds", Help: "Requests to plex.tv, by endpoint and outcome.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint", "outcome"}),
	}
	m.notices = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_notifications_total", Help: "Messages to the owner's messenger, by outcome.",
	}, []string{"outcome"})
	m.browserPINs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_browser_pins_total", Help: "PINs that browsers asked plex.tv for and handed over, by result.",
	}, []string{"result"})
	reg.MustRegister(m.browserPINs, m.checks, m.badHeaders, m.signIns, m.plex, m.notices)
	return m
}

// ObservePlex counts one request to plex.tv.
func (m *Metrics) ObservePlex(endpoint, outcome string, took time.Duration) {
	m.plex.WithLabelValues(endpoint, outcome).Observe(took.Seconds())
}

// ObserveNotification counts one message to the owner's messenger.
func (m *Metrics) ObserveNotification(outcome string) { m.notices.WithLabelValues(outcome).Inc() }

// WatchView shows how the owner's view of plex.tv stands whenever the metrics
// are read. Call it once, where there is an owner's token.
func (m *Metrics) WatchView(view func() plex.ViewState) {
	gauge := func(name, help string, value func(plex.ViewState) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(view()) }))
	}
	gauge("usher_owner_token_ok", "1, or 0 where plex.tv says that the owner's token will not do.", func(v plex.ViewState) float64 {
		if v.TokenOK {
			return 1
		}
		return 0
	})
	gauge("usher_owner_view_age_seconds", "Since plex.tv last showed the owner's list; infinite if never.", func(v plex.ViewState) float64 {
		if v.At.IsZero() {
			return math.Inf(1)
		}
		return time.Since(v.At).Seconds()
	})
	gauge("usher_people", "People on the owner's list at plex.tv.", func(v plex.ViewState) float64 { return float64(v.People) })
}

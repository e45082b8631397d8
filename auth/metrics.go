package auth

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what Usher counts. They name no person, host or address.
type Metrics struct {
	checks     *prometheus.CounterVec
	badHeaders *prometheus.CounterVec
	signIns    *prometheus.CounterVec
	plex       *prometheus.HistogramVec
}

// NewMetrics registers the metrics with a registry.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
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
	reg.MustRegister(m.checks, m.badHeaders, m.signIns, m.plex)
	return m
}

// ObservePlex counts one request to plex.tv.
func (m *Metrics) ObservePlex(endpoint, outcome string, took time.Duration) {
	m.plex.WithLabelValues(endpoint, outcome).Observe(took.Seconds())
}

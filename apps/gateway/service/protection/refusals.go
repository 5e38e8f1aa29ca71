package protection

import "github.com/prometheus/client_golang/prometheus"

// Reason is why the gateway refuses a request that it does not forward.
type Reason string

// The reasons.
const (
	OverRateLimit    Reason = "rate-limit"    // of a caller: browsing, probing, carts, orders
	OverMailLimit    Reason = "mail-limit"    // of an address: see Mailing
	OverSignInLimit  Reason = "sign-in-limit" // of a caller
	OverCallerShare  Reason = "caller-share"  // the caller has their share of the places
	NoPlaces         Reason = "places"        // all places are taken
	BreakerOpen      Reason = "breaker"       // the app does not answer
	Throttled        Reason = "throttler"     // the app is overloaded
	ReadOnly         Reason = "read-only"     // the shop is read-only
	BodyTooSlow      Reason = "body-too-slow"
	BodyTooLarge     Reason = "body-too-large"
	MalformedRequest Reason = "malformed"     // see RejectMalformed; a body that is nested too deeply, or ends early
	InvalidToken     Reason = "invalid-token" // the access token
	NotAllowed       Reason = "not-allowed"   // the caller may not call the operation, and sends a body
)

var reasons = []Reason{
	OverRateLimit, OverMailLimit, OverSignInLimit, OverCallerShare, NoPlaces, BreakerOpen, Throttled, ReadOnly,
	BodyTooSlow, BodyTooLarge, MalformedRequest, InvalidToken, NotAllowed,
}

// Refusals counts the refused requests by reason.
type Refusals map[Reason]prometheus.Counter

// NewRefusals registers the counter requests_refused_total.
func NewRefusals(reg prometheus.Registerer) Refusals {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "requests_refused_total", Help: "Requests that the gateway refuses by itself, by reason.",
	}, []string{"reason"})
	reg.MustRegister(total)
	refusals := Refusals{}
	for _, reason := range reasons {
		refusals[reason] = total.WithLabelValues(string(reason))
	}
	return refusals
}

// MeasurePlaces registers the gauge gateway_places_in_use: the requests in progress to all upstreams, by kind.
func MeasurePlaces(reg prometheus.Registerer, upstreams map[string]*Upstream) {
	for kind, name := range map[Kind]string{Ordinary: "ordinary", Import: "import", Stream: "stream"} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_places_in_use", Help: "Requests in progress to all apps, by kind.",
			ConstLabels: prometheus.Labels{"kind": name},
		}, func() float64 {
			total := 0
			for _, u := range upstreams {
				total += u.places[kind].inUse()
			}
			return float64(total)
		}))
	}
}

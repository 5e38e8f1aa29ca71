package signin

import (
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/fault"
)

// method is how a client signs in.
type method string

// The methods. A second factor follows a password, and a refresh continues a session.
const (
	byPassword     method = "password"
	bySecondFactor method = "second-factor" // a code of an app, or a recovery code
	byPasskey      method = "passkey"
	byRefresh      method = "refresh"
)

// outcome is how a sign-in ended.
type outcome string

// The outcomes.
const (
	succeeded outcome = "succeeded"
	continued outcome = "second-factor-required"
	refused   outcome = "refused"   // the credentials are wrong, or not valid any more
	throttled outcome = "throttled" // too many wrong ones before
	failed    outcome = "failed"    // the service is busy, or its store is unavailable
)

// Metrics count sign-ins.
type Metrics map[method]map[outcome]prometheus.Counter

// NewMetrics registers the counter sign_ins_total.
func NewMetrics(reg prometheus.Registerer) Metrics {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sign_ins_total", Help: "Sign-ins and exchanges of refresh tokens, by method and outcome.",
	}, []string{"method", "outcome"})
	reg.MustRegister(total)
	m := Metrics{}
	for _, by := range []method{byPassword, bySecondFactor, byPasskey, byRefresh} {
		m[by] = map[outcome]prometheus.Counter{}
		for _, end := range []outcome{succeeded, continued, refused, throttled, failed} {
			if end != continued || by == byPassword {
				m[by][end] = total.WithLabelValues(string(by), string(end))
			}
		}
	}
	return m
}

// count counts a sign-in that ended with err.
func (m Metrics) count(by method, err error) { m[by][outcomeOf(by, err)].Inc() }

func outcomeOf(by method, err error) outcome {
	if err == nil {
		return succeeded
	}
	f := fault.Of(err)
	switch {
	case by == byPassword && f.Type == "second-factor-required":
		return continued
	case f.Kind == fault.TooMany:
		return throttled
	case f.Kind == fault.Internal, f.Kind == fault.Unavailable:
		return failed
	}
	return refused
}

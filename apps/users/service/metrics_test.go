package service

import (
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar/memory"
)

// signIns returns how many sign-ins there were, by "method outcome".
func signIns(t *testing.T, reg prometheus.Gatherer) map[string]int {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	counts := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "sign_ins_total" && m.GetCounter().GetValue() > 0 {
				counts[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = int(m.GetCounter().GetValue())
			}
		}
	}
	return counts
}

func TestSignInsAreCountedByMethodAndOutcome(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	f := newReplicaWith(t, memory.NewState(), nil, func(d *Deps) { d.Metrics = reg })
	access, refresh := f.signUp("a@example.com")
	require.Equal(t, 200, f.refresh(refresh).status)
	require.Equal(t, 401, f.refresh("nonsense").status)
	phone := f.enrolApp(access)
	require.Equal(t, 401, f.prove(f.challenge("a@example.com"), obj{"code": "000000"}).status)
	require.Equal(t, 200, f.prove(f.challenge("a@example.com"), obj{"code": phone.code()}).status)

	owner, _ := f.signUp("b@example.com")
	laptop := f.browser()
	require.Equal(t, 201, f.enrolPasskey(owner, laptop).status)
	for _, status := range []int{200, 401} { // the second signature has the counter of the first
		laptop.passkey.Counter = 5
		r := f.login("b@example.com", password)
		proof := obj{"passkey": laptop.sign(r.json["passkeyOptions"])}
		require.Equal(t, status, f.prove(r.str("challenge"), proof).status)
	}

	guesses := 0
	for f.login("nobody@example.com", "wrong").status == 401 {
		guesses++
	}
	for range maxWaiting + runtime.GOMAXPROCS(0) {
		if r, err := f.service.hasher.Reserve(); err == nil {
			defer r.Release()
		}
	}
	require.Equal(t, 503, f.login("c@example.com", password).status)
	require.Equal(t, map[string]int{
		"password succeeded": 2, "password second-factor-required": 4, "password refused": guesses, "password throttled": 1,
		"password failed": 1, "second-factor succeeded": 1, "second-factor refused": 1, "passkey succeeded": 1,
		"passkey refused": 1, "refresh succeeded": 1, "refresh refused": 1,
	}, signIns(t, reg))
}

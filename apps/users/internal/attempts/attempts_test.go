package attempts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/users/internal/attempts"
)

// However fast somebody tries, within the time that is remembered no more get through than the policy
// means, and nobody waits for longer than the cap.
func TestPolicyHolds(t *testing.T) {
	t.Parallel()
	for _, p := range []attempts.Policy{attempts.SignIn, attempts.Address, attempts.Mail} {
		rapid.Check(t, func(t *rapid.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var r attempts.Record
			waited := time.Duration(0)
			for i := range rapid.IntRange(1, 60).Draw(t, "attempts") {
				wait := p.Wait(r, now)
				require.LessOrEqual(t, wait, p.Cap)
				require.Equal(t, i < p.Free, wait == 0)
				require.GreaterOrEqual(t, wait, waited, "the wait never shrinks")
				waited = wait
				now = now.Add(wait)
				require.Zero(t, p.Wait(r, now))
				r = p.Add(r, now)
			}
			require.Zero(t, p.Wait(r, now.Add(p.Forget)))
			require.Equal(t, 1, p.Add(r, now.Add(p.Forget)).Count)
		})
	}
}

package attempts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/users/internal/attempts"
)

// As many attempts are free as the policy says, and after that waits grow up to the cap, whenever attempts are made.
func TestWaitsGrowUpToTheCap(t *testing.T) {
	t.Parallel()
	for _, p := range []attempts.Policy{attempts.Guesser, attempts.SignIn, attempts.Address, attempts.Asker,
		attempts.Mail} {
		rapid.Check(t, func(t *rapid.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var r attempts.Record
			waited := time.Duration(0)
			for i := range rapid.IntRange(1, 60).Draw(t, "attempts") {
				wait := p.Wait(r, now)
				require.LessOrEqual(t, wait, p.Cap)
				require.Equal(t, i < p.Free, wait == 0)
				require.GreaterOrEqual(t, wait, waited, "waits do not become shorter")
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

package allowance_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/notifications/internal/allowance"
)

// Whenever mails are wanted, no period has more of them than the allowance and one for each hour of the period.
func TestNoPeriodHasMoreMailsThanTheAllowance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var a allowance.Allowance
		var sent []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "mails") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			if !a.Permits(now) {
				require.GreaterOrEqual(t, len(sent), allowance.Mails)
				continue
			}
			a, sent = a.Use(now), append(sent, now)
			require.Positive(t, a.Life(now))
			require.LessOrEqual(t, a.Life(now), allowance.Mails*allowance.Every)
		}
		for i := range sent {
			for j := i; j < len(sent); j++ {
				require.LessOrEqual(t, j-i+1, allowance.Mails+int(sent[j].Sub(sent[i])/allowance.Every))
			}
		}
		require.True(t, a.Permits(now.Add(allowance.Every)), "a mailbox waits for an hour at most")
		require.False(t, a.WholeAt.After(now.Add(allowance.Mails*allowance.Every)))
	})
}

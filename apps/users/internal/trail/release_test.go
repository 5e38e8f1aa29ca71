package trail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/trail"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "users", trail.Model(), func(state sidecar.State) {
		tr, _ := open(t, state, time.Now)
		require.NoError(t, tr.Add(t.Context(), contract.UserVerificationRequested, withMail("u1", "m1")))
		require.NoError(t, tr.Add(t.Context(), trail.EmailVerified, trail.Unsigned("u1")))
		u1 := contract.UserFact{UserID: "u1"}
		require.NoError(t, tr.Add(t.Context(), trail.RolesChanged,
			trail.Record{UserFact: u1, By: "boss", Was: []string{"customer"}, Roles: []string{"staff"}}))
		require.NoError(t, tr.Add(t.Context(), trail.SessionEnded, trail.Record{UserFact: u1, By: "u1", Session: "s1"}))
		require.NoError(t, tr.AddDeletion(t.Context(), trail.ByOwner("u1")))
	})
}

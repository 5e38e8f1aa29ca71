package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// The documents of an account and of its sessions stay far smaller than a store allows, whatever their owner adds.
func TestTheDocumentsOfAnAccountAreBounded(t *testing.T) {
	t.Parallel()
	wide := func(n int) string { return strings.Repeat("<", n) } // no other character takes more bytes in JSON
	state := memory.NewState()
	s := store.New(state)
	email := account.Email(strings.Repeat("m", 64) + "@" + strings.Repeat("a", 185) + ".com")
	a, err := account.New("u", 1, email, wide(account.MaxName), strings.Repeat("h", 200), time.Now())
	require.NoError(t, err)
	a.ChangeEmail("n" + email[1:])
	require.NoError(t, a.SetRoles("admin", []string{account.Customer, account.Staff, account.Admin}))
	for i := 0; ; i++ {
		address, err := account.NewAddress(fmt.Sprintf("%064d", i), account.Address{Name: wide(200), Line1: wide(200),
			Line2: wide(200), City: wide(200), Region: wide(100), PostalCode: wide(20), Country: "DE"})
		require.NoError(t, err)
		if err := a.AddAddress(address); err != nil {
			require.True(t, fault.Is(err, "too-many-addresses"), "%v", err)
			break
		}
	}
	for i := 0; ; i++ {
		err := a.ChangeFactors(func(set *factor.Set) error {
			return set.Add(factor.Factor{ID: fmt.Sprintf("%064d", i), Kind: factor.Passkey, Name: wide(factor.MaxName),
				Sealed: make([]byte, 9<<10), CreatedAt: time.Now()}, nil) // see TestPasskeysAreBounded
		})
		if err != nil {
			require.True(t, fault.Is(err, "too-many-second-factors"), "%v", err)
			break
		}
	}
	require.NoError(t, s.CreateAccount(t.Context(), a))
	for i := range session.MaxSessions + 1 {
		require.NoError(t, s.ChangeSessions(t.Context(), "u", func(l *session.List) (bool, error) {
			l.Open(session.Token{UserID: "u", SessionID: fmt.Sprintf("%064d", i), Family: "f", Secret: "s"}, 1, wide(200),
				factor.Recovery, time.Now())
			return true, nil
		}))
	}
	documents := state.All()
	require.Less(t, len(documents["user/u"]), sidecar.MaxValue/2)
	require.Greater(t, len(documents["user/u"]), sidecar.MaxValue/4, "the test does not make the largest account")
	require.Less(t, len(documents["sessions/u"]), sidecar.MaxValue/8)
}

package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/fault"
)

func open(t require.TestingT) *account.Account {
	a, err := account.New("u1", 7, "a@example.com", " Ada ", "hash", time.Now())
	require.NoError(t, err)
	return a
}

func TestRule1Mailbox(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]account.Email{
		"A@Example.COM": "a@example.com", " a@b.example ": "a@b.example", "a+b@c.example": "a+b@c.example", "Ä@example.com": "ä@example.com",
	} {
		got, err := account.ParseEmail("body.email", typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got)
	}
	for _, typed := range []string{"", "a", "@b", "a@", "A <a@b.example>", "<a@b.example>", "a@b.example (x)", "a@b.example,c@d.example", "a@b\n.example",
		"a@b.example\x00", "a\u202e@b.example", strings.Repeat("a", 65) + "@b.example", "a@" + strings.Repeat("b", 253), "\xff@b.example"} {
		_, err := account.ParseEmail("body.email", typed)
		require.True(t, fault.Is(err, "invalid-request"), "%q", typed)
	}
}

// Whatever is taken for an address is taken again, unchanged, in its stored form.
func TestRule1StoredFormIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9.+"<> İß]{1,20}@[A-Za-z0-9.-]{1,20}`)).Draw(t, "typed")
		email, err := account.ParseEmail("x", typed)
		if err != nil {
			return
		}
		again, err := account.ParseEmail("x", string(email))
		require.NoError(t, err)
		require.Equal(t, email, again)
	})
}

func TestRule2Passwords(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		"1234567": false, "12345678": true, "пароль12": true, "🔑🔑🔑🔑🔑🔑🔑": false, strings.Repeat("é", 128): true, strings.Repeat("é", 129): false, "1234567\xff8": false,
	} {
		err := account.CheckPassword("body.password", password)
		require.Equal(t, ok, err == nil, password)
		if err != nil {
			require.NotContains(t, err.Error(), password)
		}
	}
}

func TestRule3NewPasswordNewEpoch(t *testing.T) {
	t.Parallel()
	a := open(t)
	epoch := a.Epoch()
	a.SetPassword("other")
	require.Greater(t, a.Epoch(), epoch)
	require.Equal(t, "other", a.Snapshot().PasswordHash)
}

func TestRule4ResetProvesTheMailbox(t *testing.T) {
	t.Parallel()
	a := open(t)
	require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	a.ResetPassword("other")
	require.True(t, a.Verified())
	require.Empty(t, a.Addresses())
	require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	a.ResetPassword("third")
	require.Len(t, a.Addresses(), 1, "proven already")
}

func TestRule5AdministratorsRemain(t *testing.T) {
	t.Parallel()
	a := open(t)
	require.NoError(t, a.SetRoles("u2", []string{"admin", "customer"}))
	require.Equal(t, []string{"customer", "admin"}, a.Snapshot().Roles)
	require.True(t, fault.Is(a.SetRoles("u1", []string{"customer"}), "own-role"))
	require.True(t, fault.Is(a.MayBeDeleted(), "own-role"))
	require.NoError(t, a.SetRoles("u1", []string{"admin", "staff"}))
	require.True(t, fault.Is(a.SetRoles("u2", []string{"king"}), "invalid-request"))
	require.True(t, fault.Is(a.SetRoles("u2", nil), "invalid-request"))
	require.NoError(t, a.SetRoles("u2", []string{"customer"}))
	require.NoError(t, a.MayBeDeleted())
}

func TestRule6NothingRemains(t *testing.T) {
	t.Parallel()
	a := open(t)
	require.NoError(t, a.AddAddress(account.Address{ID: "x", Name: "Ada"}))
	before := a.Snapshot()
	a.Erase()
	require.Equal(t, account.Snapshot{ID: "u1", Place: 7, CreatedAt: before.CreatedAt, Epoch: before.Epoch + 1, Version: before.Version + 1, Deleted: true}, a.Snapshot())
}

func TestRule7AddressBook(t *testing.T) {
	t.Parallel()
	a := open(t)
	for range account.MaxAddresses {
		require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	}
	require.True(t, fault.Is(a.AddAddress(account.Address{ID: "y"}), "too-many-addresses"))
	require.True(t, fault.Is(a.ReplaceAddress(account.Address{ID: "y"}), "not-found"))
	require.True(t, fault.Is(a.RemoveAddress("y"), "not-found"))
}

func TestVersionCountsChanges(t *testing.T) {
	t.Parallel()
	a := open(t)
	version := a.Version()
	require.NoError(t, a.Rename("body.name", "Ada"))
	require.Equal(t, version, a.Version(), "nothing changed")
	require.NoError(t, a.Rename("body.name", "Grace"))
	a.Verify()
	a.Verify()
	require.Equal(t, version+2, a.Version())
	require.Equal(t, a.Snapshot(), account.Restore(a.Snapshot()).Snapshot())
}

func TestAddressIsChecked(t *testing.T) {
	t.Parallel()
	good := account.Address{Name: " Ada ", Line1: "1", City: "C", PostalCode: "1", Country: "DE"}
	a, err := account.NewAddress("id", good)
	require.NoError(t, err)
	require.Equal(t, account.Address{ID: "id", Name: "Ada", Line1: "1", City: "C", PostalCode: "1", Country: "DE"}, a)
	for _, country := range []string{"", "D", "de", "DEU", "Ä"} {
		bad := good
		bad.Country = country
		_, err := account.NewAddress("id", bad)
		require.Error(t, err, country)
	}
}

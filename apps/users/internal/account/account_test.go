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

func newAccount(t require.TestingT) *account.Account {
	a, err := account.New("u1", 7, "a@example.com", " Ada ", "hash", time.Now())
	require.NoError(t, err)
	return a
}

func TestRule1OneMailboxHasOneForm(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]account.Email{
		"A@Example.COM": "a@example.com", " a@b.example ": "a@b.example", "a+b@c.example": "a+b@c.example",
		"Ä@example.com": "ä@example.com", "x@Exämple.test": "x@xn--exmple-cua.test", "a\u0308@b.example": "ä@b.example",
	} {
		got, err := account.ParseEmail("email", typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got)
	}
	for _, typed := range []string{"", "a", "@b", "a@", "A <a@b.example>", "<a@b.example>", "a@b.example (x)",
		"a@b.example,c@d.example", "a@b\n.example", "a@b.example\x00", "a\u202e@b.example",
		strings.Repeat("a", 65) + "@b.example", "a@" + strings.Repeat("b", 253), "\xff@b.example"} {
		_, err := account.ParseEmail("email", typed)
		require.True(t, fault.Is(err, "invalid-request"), "%q", typed)
	}
}

// The stored form of an address is itself a valid address, and is not changed when it is parsed again.
func TestRule1StoredFormIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.StringMatching(`[A-Za-z0-9.+"<> İß]{1,20}@[A-Za-z0-9.-]{1,20}`)
		typed := rapid.OneOf(rapid.String(), address).Draw(t, "typed")
		email, err := account.ParseEmail("x", typed)
		if err != nil {
			return
		}
		again, err := account.ParseEmail("x", string(email))
		require.NoError(t, err)
		require.Equal(t, email, again)
	})
}

func TestRule2PasswordsHave8To128Characters(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		"1234567": false, "12345678": true, "пароль12": true, "🔑🔑🔑🔑🔑🔑🔑": false, strings.Repeat("é", 128): true,
		strings.Repeat("é", 129): false, "1234567\xff8": false,
	} {
		err := account.CheckPassword("password", password)
		require.Equal(t, ok, err == nil, password)
		if err != nil {
			require.NotContains(t, err.Error(), password)
		}
	}
}

func TestRule3ANewPasswordStartsANewEpoch(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	epoch := a.Epoch()
	a.SetPassword("other")
	require.Greater(t, a.Epoch(), epoch)
	require.Equal(t, "other", a.Snapshot().PasswordHash)
}

func TestRule4APasswordResetProvesTheMailbox(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	a.ResetPassword("other")
	require.True(t, a.Verified())
	require.Empty(t, a.Addresses())
	require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	a.ResetPassword("third")
	require.Len(t, a.Addresses(), 1, "the mailbox was proven before")
}

func TestRule5AdministratorsCannotGiveUpTheirRole(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	require.NoError(t, a.SetRoles("u2", []string{"admin", "customer"}))
	require.Equal(t, []string{"customer", "admin"}, a.Snapshot().Roles)
	require.True(t, fault.Is(a.SetRoles("u1", []string{"customer"}), "own-role"))
	require.True(t, fault.Is(a.CheckDeletable(), "own-role"))
	require.NoError(t, a.SetRoles("u1", []string{"admin", "staff"}))
	require.True(t, fault.Is(a.SetRoles("u2", []string{"king"}), "invalid-request"))
	require.True(t, fault.Is(a.SetRoles("u2", nil), "invalid-request"))
	require.NoError(t, a.SetRoles("u2", []string{"customer"}))
	require.NoError(t, a.CheckDeletable())
}

func TestRule6ADeletedAccountHasNoPersonalData(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	require.NoError(t, a.AddAddress(account.Address{ID: "x", Name: "Ada"}))
	before := a.Snapshot()
	a.Erase()
	require.Equal(t, account.Snapshot{ID: "u1", Number: 7, CreatedAt: before.CreatedAt, Epoch: before.Epoch + 1,
		Version: before.Version + 1, Deleted: true}, a.Snapshot())
	require.False(t, a.Uses("a@example.com"))
}

func TestRule7TheNumberOfAddressesIsLimited(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	for range account.MaxAddresses {
		require.NoError(t, a.AddAddress(account.Address{ID: "x"}))
	}
	require.True(t, fault.Is(a.AddAddress(account.Address{ID: "y"}), "too-many-addresses"))
	require.True(t, fault.Is(a.ReplaceAddress(account.Address{ID: "y"}), "not-found"))
	require.True(t, fault.Is(a.RemoveAddress("y"), "not-found"))
}

func TestEachChangeRaisesTheVersion(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	version := a.Version()
	require.NoError(t, a.Rename("Ada"))
	require.Equal(t, version, a.Version(), "nothing changed")
	require.NoError(t, a.Rename("Grace"))
	a.Verify()
	a.Verify()
	require.Equal(t, version+2, a.Version())
	require.Equal(t, a.Snapshot(), account.Restore(a.Snapshot()).Snapshot())
}

func TestAddressesAreTrimmedAndChecked(t *testing.T) {
	t.Parallel()
	valid := account.Address{Name: " Ada ", Line1: "1", City: "C", PostalCode: "1", Country: "DE"}
	a, err := account.NewAddress("id", valid)
	require.NoError(t, err)
	want := account.Address{ID: "id", Name: "Ada", Line1: "1", City: "C", PostalCode: "1", Country: "DE"}
	require.Equal(t, want, a)
	for _, country := range []string{"", "D", "de", "DEU", "Ä"} {
		invalid := valid
		invalid.Country = country
		_, err := account.NewAddress("id", invalid)
		require.Error(t, err, country)
	}
}

func TestAnAccountUsesItsNewMailboxAndNotTheFormerOne(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	require.True(t, a.Uses("a@example.com"))
	a.ChangeEmail("b@example.com")
	require.True(t, a.Uses("b@example.com"))
	require.True(t, a.Verified())
	require.False(t, a.Uses("a@example.com"))
	require.Equal(t, account.Email("a@example.com"), a.Snapshot().Former)
	a.ForgetFormerEmail()
	require.Empty(t, a.Snapshot().Former)
	require.False(t, (*account.Account)(nil).Uses("a@example.com"))
}

package factor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/factor"
	"haberdash/internal/fault"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestRules1And2FactorsAndRecoveryCodes(t *testing.T) {
	t.Parallel()
	var s factor.Set
	for i := range factor.MaxFactors {
		require.NoError(t, s.Add(factor.Factor{ID: fmt.Sprint(i), Kind: factor.TOTP}, []string{fmt.Sprint("code", i)}))
	}
	require.True(t, fault.Is(s.Add(factor.Factor{ID: "x"}, nil), "too-many-second-factors"))
	require.Equal(t, []string{"code0"}, s.Codes, "only the first factor brings codes")
	require.Equal(t, []string{factor.TOTP, factor.Recovery}, s.Methods())
	require.False(t, s.UseCode("other"))
	require.True(t, s.UseCode("code0"))
	require.False(t, s.UseCode("code0"))
	s.Codes = []string{"kept"}
	for i := range factor.MaxFactors {
		require.Equal(t, []string{"kept"}, s.Codes)
		require.NoError(t, s.Remove(fmt.Sprint(i)))
		require.True(t, fault.Is(s.Remove(fmt.Sprint(i)), "not-found"))
	}
	require.Empty(t, s.Codes)
}

func TestRule3CodesOfThreeStepsMatch(t *testing.T) {
	t.Parallel()
	codeOf := func(step uint64) (string, error) { return fmt.Sprintf("%06d", step%1_000_000), nil }
	current := uint64(noon.Unix()) / 30
	for offset, want := range map[int]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		step := current + uint64(offset)
		code, _ := codeOf(step)
		matched, ok, err := factor.Match(code, noon, codeOf)
		require.NoError(t, err)
		require.Equal(t, want, ok, offset)
		if ok {
			require.Equal(t, step, matched)
		}
	}
}

func TestRule4TheVault(t *testing.T) {
	t.Parallel()
	_, err := factor.NewVault("")
	require.Error(t, err)
	v, err := factor.NewVault("secret")
	require.NoError(t, err)
	other, err := factor.NewVault("another secret")
	require.NoError(t, err)

	f := factor.Factor{ID: "f", Sealed: v.Seal("u", "f", []byte("data"))}
	opened, err := v.Open("u", f)
	require.NoError(t, err)
	require.Equal(t, "data", string(opened))
	_, err = v.Open("another user", f)
	require.Error(t, err)
	_, err = other.Open("u", f)
	require.Error(t, err)

	codes := v.FirstCodes("u", "f")
	require.Len(t, codes, factor.RecoveryCodes)
	require.Equal(t, codes, v.FirstCodes("u", "f"), "a repeated request gets the same ones")
	require.NotEqual(t, codes, v.FirstCodes("u", "g"))
	require.Regexp(t, "^([A-Z2-7]{4}-){3}[A-Z2-7]{4}$", codes[0])
	require.Equal(t, v.Digest("u", codes[0]), v.Digest("u", strings.ToLower(strings.ReplaceAll(codes[0], "-", " "))))
	require.NotEqual(t, v.Digest("u", codes[0]), v.Digest("another user", codes[0]))
	require.NotEqual(t, v.Digest("u", codes[0]), other.Digest("u", codes[0]))

	ticket := factor.Ticket{ID: "t", Purpose: factor.SignIn, UserID: "u", ExpiresAt: noon.Add(time.Minute)}
	text, err := v.Issue(ticket)
	require.NoError(t, err)
	read, ok := v.Read(text, factor.SignIn, noon)
	require.True(t, ok)
	require.Equal(t, ticket, read)
	for _, read := range []func() (factor.Ticket, bool){
		func() (factor.Ticket, bool) { return v.Read(text, factor.EnrolTOTP, noon) },
		func() (factor.Ticket, bool) { return v.Read(text, factor.SignIn, noon.Add(time.Minute)) },
		func() (factor.Ticket, bool) { return other.Read(text, factor.SignIn, noon) },
		func() (factor.Ticket, bool) { return v.Read(text+"A", factor.SignIn, noon) },
		func() (factor.Ticket, bool) { return v.Read("", factor.SignIn, noon) },
	} {
		_, ok := read()
		require.False(t, ok)
	}
}

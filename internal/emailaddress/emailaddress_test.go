package emailaddress_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"haberdash/internal/emailaddress"
)

func TestOneMailboxHasOneForm(t *testing.T) {
	t.Parallel()
	for want, spellings := range map[string][]string{
		"ada@example.com":       {"Ada@Example.COM", " ada@example.com ", "ada@EXAMPLE.com", "ada@ｅxample.com"},
		"x@xn--exmple-cua.test": {"x@exämple.test", "X@EXÄMPLE.TEST", "x@exa\u0308mple.test", "x@XN--EXMPLE-CUA.test"},
		"jos\u00e9@example.com": {"jose\u0301@example.com", "JOSÉ@example.com", "JOSE\u0301@EXAMPLE.com"},
		"x@xn--strae-oqa.test":  {"x@straße.test", "x@xn--strae-oqa.test"},
		"a+b@c.example":         {"A+b@c.example"},
		"a@b_c.example":         {"a@B_c.example"},
		"a@[192.0.2.1]":         {"a@[192.0.2.1]"},
	} {
		for _, typed := range append(spellings, want) {
			got, err := emailaddress.Parse(typed)
			require.NoError(t, err, typed)
			require.Equal(t, want, got, typed)
			require.Equal(t, want, emailaddress.Normal(strings.TrimSpace(typed)))
		}
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{"", "a", "@b", "a@", "A <a@b.example>", "<a@b.example>", "a@b.example (x)",
		"a@b.example,c@d.example", "a@b\n.example", "a@b.example\x00", "a\u202e@b.example", "a@ex\u200dample.test",
		"a@\u00ad.example", strings.Repeat("a", 65) + "@b.example", strings.Repeat("é", 33) + "@b.example",
		"a@" + strings.Repeat("b", 253), "\xff@b.example"} {
		_, err := emailaddress.Parse(typed)
		require.Error(t, err, "%q", typed)
	}
	require.Equal(t, "no address", emailaddress.Normal("no address"))
}

// The normal form is itself an address, and its own normal form. Its other spellings have the same normal form.
func TestTheNormalFormIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.StringMatching(`[A-Za-z0-9.+"<> İßÄé\x{301}\x{308}]{1,20}@[A-Za-z0-9.\-äßÖ\x{308}]{1,20}`)
		typed := rapid.OneOf(rapid.String(), address).Draw(t, "typed")
		normal, err := emailaddress.Parse(typed)
		if err != nil {
			return
		}
		again, err := emailaddress.Parse(normal)
		require.NoError(t, err)
		require.Equal(t, normal, again)
		for _, other := range emailaddress.Spellings(normal) {
			require.NotEqual(t, normal, other)
			require.Equal(t, normal, emailaddress.Normal(other), other)
		}
	})
}

// What was stored in lower case only is among the spellings of the normal form.
func TestSpellingsHaveTheFormerForm(t *testing.T) {
	t.Parallel()
	require.Empty(t, emailaddress.Spellings("ada@example.com"))
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-zäöüé]{1,12}`).Draw(t, "local")
		domain := rapid.StringMatching(`[a-zäöüéß]{1,12}`).Draw(t, "domain") + ".test"
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			former := strings.ToLower(form.String(local) + "@" + form.String(domain))
			normal := emailaddress.Normal(former)
			require.Contains(t, append(emailaddress.Spellings(normal), normal), former)
			ascii, err := idna.Lookup.ToASCII(domain)
			require.NoError(t, err)
			require.Equal(t, normal, emailaddress.Normal(local+"@"+ascii))
		}
	})
}

func TestWhatMailCannotReachIsUndeliverable(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		" Ada.O'Hara+x@EXAMPLE.com ": "Ada.O'Hara+x@example.com",
		"x@exämple.test":             "x@xn--exmple-cua.test",
		"a@b-c.example":              "a@b-c.example",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + ".test": strings.Repeat("a", 64) + "@" +
			strings.Repeat("b", 63) + ".test",
	} {
		got, err := emailaddress.Deliverable(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got)
	}
	for _, typed := range []string{"josé@example.com", "a\u00a0b@example.com", "a@[192.0.2.1]", "a@[IPv6:::1]",
		"a@192.0.2.1", "a@localhost", "a@b_c.example", "a@-b.example", "a@b-.example", "a@b..example", "a@b.example.",
		"a@" + strings.Repeat("b", 64) + ".test", `"a b"@example.com`, `"a"@example.com`, "a;b@c.test@d.test", ""} {
		_, err := emailaddress.Deliverable(typed)
		require.Error(t, err, typed)
	}
}

func TestMailboxesAreCountedWithoutTags(t *testing.T) {
	t.Parallel()
	for want, addresses := range map[string][]string{
		"ada@example.com":   {"ada@example.com", "Ada+1@EXAMPLE.com", "ada+a+b@example.com"},
		"a.d.a@example.com": {"a.d.a@example.com"},
		"ada@gmail.com":     {"a.d.a+x@googlemail.com", "ADA@gmail.com"},
		"+x@example.com":    {"+x@example.com"},
		"no address":        {"no address"},
	} {
		for _, address := range addresses {
			require.Equal(t, want, emailaddress.Mailbox(address))
		}
	}
}

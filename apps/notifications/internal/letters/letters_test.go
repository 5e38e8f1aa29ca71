package letters

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"mvdan.cc/xurls/v2"
	"pgregory.net/rapid"

	"haberdash/internal/money"
)

func writer(t *testing.T) *Writer {
	t.Helper()
	w, err := NewWriter("https://shop.test/")
	require.NoError(t, err)
	return w
}

func TestAmountsHaveSymbolsSeparatorsAndDecimals(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]money.Money{
		"€0.05": money.New(5, "EUR"), "€1,234.50": money.New(1234_50, "EUR"), "-$5.00": money.New(-5_00, "USD"),
		"¥1,234,567": money.New(1234567, "JPY"), "SEK 999.00": money.New(999_00, "SEK"), "KWD 1.234": money.New(1234, "KWD"),
	} {
		assert.Equal(t, want, Amount(m))
	}
}

func TestEverythingIsEscaped(t *testing.T) {
	t.Parallel()
	const nasty = "<script>alert('x')</script>\r\nTotal: €0.00 & \"more\""
	w := writer(t)
	l, err := w.OrderConfirmed(Order{ID: "../<o>", Number: nasty, Token: nasty,
		Lines: []Line{{Title: nasty, Quantity: 1}}, Address: []string{nasty, ""}})
	require.NoError(t, err)
	assert.NotContains(t, l.HTML, "<script")
	assert.NotContains(t, l.Text, "\nTotal: €0.00", "user input cannot add a line to the text")
	assert.NotContains(t, l.Subject, "\n")
	assert.Contains(t, l.Text, "https://shop.test/orders/..%2F%3Co%3E#token=%3Cscript%3E")
	assert.NotContains(t, l.HTML, "ZgotmplZ")
}

func TestOnlyGuestsGetAToken(t *testing.T) {
	t.Parallel()
	w := writer(t)
	guest, err := w.OrderConfirmed(Order{ID: "o1", Number: "H-1", Token: "secret"})
	require.NoError(t, err)
	assert.Contains(t, guest.Text, "\nsecret\n")
	assert.Contains(t, guest.HTML, `href="https://shop.test/orders/o1#token=secret"`)
	customer, err := w.OrderConfirmed(Order{ID: "o1", Number: "H-1"})
	require.NoError(t, err)
	assert.Contains(t, customer.Text, "\nhttps://shop.test/orders/o1\n")
	assert.NotContains(t, customer.Text+customer.HTML, "token")
}

func TestUserLettersHaveALinkAndAToken(t *testing.T) {
	t.Parallel()
	w := writer(t)
	verify := func(name, token string) (Letter, error) { return w.Verify(name, token, time.Time{}) }
	for _, c := range []struct {
		path  string
		write func(name, token string) (Letter, error)
	}{{"/verify-email", verify}, {"/reset-password", w.Reset}, {"/verify-email", w.ChangeEmail}} {
		path, write := c.path, c.write
		l, err := write("Zoë O'Hara-Li", "t0k_en")
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(l.Text, "Hello Zoë O'Hara-Li,\n"), l.Text)
		assert.Contains(t, l.Text, "\nhttps://shop.test"+path+"#token=t0k_en\n")
		assert.Contains(t, l.Text, "\nt0k_en\n")
		assert.Contains(t, l.HTML, `href="https://shop.test`+path+`#token=t0k_en"`)
	}
}

// Somebody else may have registered the address too, with another password.
func TestAVerificationNamesItsRegistration(t *testing.T) {
	t.Parallel()
	w := writer(t)
	registered := time.Date(2026, 11, 5, 1, 2, 3, 0, time.FixedZone("", 3600))
	l, err := w.Verify("Ada", "t0k_en", registered)
	require.NoError(t, err)
	for _, text := range []string{l.Text, l.HTML} {
		assert.Contains(t, text, "the registration of 5 November 2026, 00:02:03 UTC, with the password that was chosen then")
	}
	unknown, err := w.Verify("Ada", "t0k_en", time.Time{})
	require.NoError(t, err)
	assert.NotContains(t, unknown.Text, "registration of")
}

func TestOwnersLearnOfARegistrationOfTheirAddress(t *testing.T) {
	t.Parallel()
	l, err := writer(t).RegistrationRepeated("Ada")
	require.NoError(t, err)
	for _, text := range []string{l.Text, l.HTML} {
		assert.Contains(t, text, "https://shop.test/login")
		assert.Contains(t, text, "https://shop.test/forgot-password")
		assert.NotContains(t, text, "token")
	}
}

func TestOnlyNamesAreGreeted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Ann", "J. R. Smith", "Jürgen d’Été", "李雷", "Dr. Ana María O'Hara-Li", ""} {
		assert.Equal(t, name, greeting(name))
	}
	for _, name := range []string{"win at http://evil.test", "evil.test", "www.evil", "www. evil", "you won 100", "<b>",
		"your account is closed today", strings.Repeat("a", 41), "Ann, call us", "a@b", "evil\uff0etest",
		"Ann!", "evil。test"} {
		assert.Empty(t, greeting(name), name)
	}
}

func TestHarmlessTextStaysReadable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë Müller":                   "Zoë Müller",
		"c/o J. R. Smith Jr.":          "c/o J. R. Smith Jr.",
		"St.Gallen":                    "St Gallen",
		"Bottle 1.5l, 10:30, 3:2":      "Bottle 1.5l, 10:30, 3:2",
		"Tee <red> & blue":             "Tee <red> & blue",
		"http://evil.test/x":           "http: /evil test/x",
		"WWW.evil.test www. evil":      "WWW evil test www evil",
		"a@evil.test 192.0.2.1":        "a evil test 192 0 2 1",
		`\\evil.test\x`:                "/evil test/x",
		"evil\uff0etest a\uff20b 。。":   "evil test a b .",
		"x\r\nBcc:e@vil.test\x00":      "x Bcc: e vil test",
		"a\u202eb\u200bc\u2028d\ufeff": "abc d",
		"\xff":                         "?",
		strings.Repeat("ä", 100):       strings.Repeat("ä", 79) + "…",
	} {
		assert.Equal(t, want, harmless(text, maxLine), "%q", text)
	}
}

// links returns what a mail program shows as a link in the text and in the HTML of a letter.
func links(t require.TestingT, l Letter) (found []string) {
	plainText := []string{l.Subject, l.Text}
	for tokens := html.NewTokenizer(strings.NewReader(l.HTML)); ; {
		switch tokens.Next() {
		case html.ErrorToken:
			require.ErrorIs(t, tokens.Err(), io.EOF)
			for _, s := range plainText {
				found = append(found, relaxed.FindAllString(s, -1)...)
				found = append(found, dotted.FindAllString(s, -1)...)
			}
			return found
		case html.TextToken:
			plainText = append(plainText, string(tokens.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			for _, a := range tokens.Token().Attr {
				if slices.Contains([]string{"href", "src", "action", "background", "srcset"}, a.Key) {
					found = append(found, a.Val)
				}
			}
		}
	}
}

// dotted finds more than the programs do: any scheme, address or name of a host, in any script.
var dotted = regexp.MustCompile(
	`(?i)\S*://\S*|\S*@\S*|www[.．。｡]\S+|[\pL\pN-]+[.．。｡][\pL-][\pL\pN-]*\S*|\d+\.\d+\.\S*|\\\\\S*|mailto:\S+`)

var relaxed = xurls.Relaxed()

// hostile draws text as somebody writes it who wants a link in the mail.
func hostile(t *rapid.T, label string) string {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"http", "https", "mailto", "javascript", ":", "/", "//",
		"://", ".", "．", "。", "｡", "․", "@", "＠", "www", "WWW", "evil", "com", "test", "Ann", "1", "192.0.2.1", " ", "\n",
		"\r\n", "\u202e", "\u200b", "\u00ad", "\x00", "\xff", "<a href=//evil.test>", "\">", "&#46;", "&period;", "{{", "…",
		"http://evil.test/", "e@vil.test", "xn--e1a.com", "пример.рф"}))
	return strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, label), "")
}

func TestNoTextOfAStrangerIsALink(t *testing.T) {
	t.Parallel()
	w := writer(t)
	rapid.Check(t, func(t *rapid.T) {
		name, token := hostile(t, "name"), "t0ken"
		var letters []Letter
		add := func(l Letter, err error) {
			require.NoError(t, err)
			letters = append(letters, l)
		}
		add(w.Verify(name, token, time.Now()))
		add(w.RegistrationRepeated(name))
		add(w.SecondFactorAdded(name))
		add(w.SecondFactorRemoved(name))
		add(w.Reset(name, token))
		add(w.ChangeEmail(name, token))
		add(w.EmailChanged(name))
		o := Order{ID: hostile(t, "id"), Number: "H-1007", Token: token,
			Lines: []Line{{Title: hostile(t, "title"), Quantity: 1, UnitPrice: money.New(1, "EUR"), Total: money.New(1, "EUR")}},
			Total: money.New(1, "EUR")}
		for range 6 {
			o.Address = append(o.Address, hostile(t, "address"))
		}
		add(w.OrderConfirmed(o))
		for _, l := range letters {
			for _, link := range links(t, l) {
				require.True(t, strings.HasPrefix(link, "https://shop.test/") || link == "https://shop.test", "%q", link)
			}
			require.NotContains(t, l.Subject, "\n")
			require.Less(t, len(l.Text), 6000)
			require.False(t, strings.ContainsFunc(l.Text+l.HTML+l.Subject, func(r rune) bool {
				return r != '\n' && !unicode.IsGraphic(r)
			}))
		}
	})
}

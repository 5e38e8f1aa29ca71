package letters

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	for _, c := range []struct {
		path  string
		write func(name, token string) (Letter, error)
	}{{"/verify-email", w.Verify}, {"/reset-password", w.Reset}, {"/verify-email", w.ChangeEmail}} {
		path, write := c.path, c.write
		l, err := write("Zoë O'Hara-Li", "t0k_en")
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(l.Text, "Hello Zoë O'Hara-Li,\n"), l.Text)
		assert.Contains(t, l.Text, "\nhttps://shop.test"+path+"#token=t0k_en\n")
		assert.Contains(t, l.Text, "\nt0k_en\n")
		assert.Contains(t, l.HTML, `href="https://shop.test`+path+`#token=t0k_en"`)
	}
}

func TestOnlyNamesAreGreeted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Ann", "J. R. Smith", "Jürgen d’Été", "李雷", ""} {
		assert.Equal(t, name, greeting(name))
	}
	for _, name := range []string{"win at http://evil.test", "evil.test", "www.evil", "you won 100",
		strings.Repeat("a", 61), "<b>"} {
		assert.Empty(t, greeting(name), name)
	}
}

func TestShopURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, shop := range []string{"https://shop.test", "https://shop.test:8443/de/", "http://localhost:18081",
		"http://LOCALHOST", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		assert.NoError(t, CheckShop(shop), shop)
	}
	for shop, says := range map[string]string{
		"": "absolute", "shop.test": "absolute", "/shop": "absolute", "//shop.test": "absolute", "https://": "absolute",
		"https://:443": "absolute", "https:shop.test": "absolute", "ftp://shop.test": "absolute",
		"javascript:alert(1)": "absolute", "https://shop.test\n": "absolute", "https://sh op.test": "absolute",
		"https://ada:secret@shop.test": "a user", "https://shop.test@evil.test": "a user",
		"https://shop.test?x=1": "query", "https://shop.test/?": "query", "https://shop.test#x": "fragment",
		"https://shop.test/#": "fragment", "http://shop.test": "https", "http://192.168.1.5:8080": "https",
		"http://localhost.evil.test": "https",
	} {
		assert.ErrorContains(t, CheckShop(shop), says, shop)
		_, err := NewWriter(shop)
		assert.Error(t, err, shop)
	}
	assert.NotContains(t, CheckShop("https://ada:secret@shop.test").Error(), "secret")
}

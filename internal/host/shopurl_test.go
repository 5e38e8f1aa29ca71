package host_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"haberdash/internal/host"
)

func TestShopURLIsChecked(t *testing.T) {
	t.Parallel()
	for _, shop := range []string{"https://shop.test", "https://shop.test:8443/de/", "http://localhost:18081",
		"http://LOCALHOST", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		assert.NoError(t, host.CheckShopURL(shop), shop)
	}
	for shop, says := range map[string]string{
		"": "not set", "shop.test": "absolute", "/shop": "absolute", "//shop.test": "absolute", "https://": "absolute",
		"https://:443": "absolute", "https:shop.test": "absolute", "ftp://shop.test": "absolute",
		"javascript:alert(1)": "absolute", "https://shop.test\n": "absolute", "https://sh op.test": "absolute",
		"https://ada:secret@shop.test": "a user", "https://shop.test@evil.test": "a user",
		"https://shop.test?x=1": "query", "https://shop.test/?": "query", "https://shop.test#x": "fragment",
		"https://shop.test/#": "fragment", "http://shop.test": "https", "http://192.168.1.5:8080": "https",
		"http://localhost.evil.test": "https",
		`https://shop.test\evil`:     "absolute", `https://shop.test/\evil.test`: "absolute",
		"https://shop.test/a\tb": "absolute",
	} {
		assert.ErrorContains(t, host.CheckShopURL(shop), says, shop)
	}
	assert.ErrorContains(t, host.CheckShopURL("shop.test"), "SHOP_URL")
	assert.NotContains(t, host.CheckShopURL("https://ada:secret@shop.test").Error(), "secret")
}

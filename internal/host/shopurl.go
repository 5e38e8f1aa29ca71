package host

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckShopURL checks the setting SHOP_URL, the public address of the shop: an absolute https URL without user, query
// and fragment. For this machine http is enough; elsewhere everybody on the way could read the tokens of the shop's
// pages. There is no default, because links in mails would lead nowhere.
func CheckShopURL(shop string) error {
	const advice = "set it to the public address of the shop, such as https://shop.example"
	if shop == "" {
		return errors.New("SHOP_URL is not set: " + advice)
	}
	if err := checkAddress(shop); err != nil {
		return fmt.Errorf("SHOP_URL: %w: %s", err, advice)
	}
	return nil
}

func checkAddress(shop string) error {
	u, err := url.Parse(shop)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "", strings.Contains(shop, `\`):
		return fmt.Errorf("%q is not an absolute http or https URL", shop)
	case u.User != nil:
		return errors.New("the URL contains a user") // perhaps with a password, which no log may contain
	case strings.ContainsAny(shop, "?#"):
		return fmt.Errorf("%q has a query or a fragment", shop)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%q is not https", shop)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

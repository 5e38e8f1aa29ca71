package signin

import (
	"net/netip"
	"strings"
	"time"
	"unicode"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/store"
)

// Origin is the part of an input that says where a request comes from. The gateway replaces X-Forwarded-For, and
// sidecars append to it.
type Origin struct {
	Address   string `header:"X-Forwarded-For" hidden:"true"`
	UserAgent string `header:"User-Agent" hidden:"true"`
}

// Client is where a request comes from.
type Client struct {
	address string // the digest of the client address; empty if it is not known, or is the machine itself
	agent   string // the name of the browser
	device  string // the id of a device that has signed in to the mailbox before, or empty
}

// ClientOf returns the client of a request about a mailbox. deviceToken is empty, or what the client says to be known.
func (s *Service) ClientOf(o Origin, mailbox account.Email, deviceToken string) Client {
	c := Client{agent: cleanAgent(o.UserAgent), device: s.Devices.ID(deviceToken, string(mailbox))}
	if address := clientAddress(o.Address); address != "" {
		c.address = s.Devices.AddressDigest(address)
	}
	return c
}

// ID identifies the client in counters.
func (c Client) ID() string {
	if c.device != "" {
		return "device " + c.device
	}
	return "from " + c.address
}

// Known reports whether a user has signed in before with the device, or from the address.
func (c Client) Known(origins store.Origins, now time.Time) bool {
	return c.device != "" || c.address != "" && origins.Has(c.address, now)
}

// clientAddress returns what counts as one client: an IPv4 address, or an IPv6 /64, which is the smallest network that
// a provider gives to a customer. It is empty for the machine itself, which is a proxy or a test and is not slowed
// down.
func clientAddress(forwardedFor string) string {
	first, _, _ := strings.Cut(forwardedFor, ",")
	ip, err := netip.ParseAddr(strings.TrimSpace(first))
	if err != nil || ip.IsLoopback() || ip.Unmap().IsLoopback() {
		return ""
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64)
	return prefix.String()
}

// maxAgent is the length of a browser's name in characters.
const maxAgent = 200

// cleanAgent makes the name that a browser gives itself printable, and bounds it.
func cleanAgent(header string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, header)
	if runes := []rune(clean); len(runes) > maxAgent {
		clean = string(runes[:maxAgent])
	}
	return clean
}

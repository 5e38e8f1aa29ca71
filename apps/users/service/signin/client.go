package signin

import (
	"net/netip"
	"strings"
	"unicode"
)

// Origin is the part of an input that says where a request comes from. The gateway replaces X-Forwarded-For, and
// sidecars append to it.
type Origin struct {
	Address   string `header:"X-Forwarded-For" hidden:"true"`
	UserAgent string `header:"User-Agent" hidden:"true"`
}

func (o Origin) client() client {
	return client{address: clientAddress(o.Address), agent: cleanAgent(o.UserAgent)}
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

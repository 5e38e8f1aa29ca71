package service

import (
	"fmt"
	"net/netip"
	"net/url"

	"haberdash/internal/host"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/roster"
)

// Config is the gateway's own configuration, read from the environment.
type Config struct {
	// Requests are those of which the gateway logs a line.
	Requests httpserver.RequestLog `env:"LOG_REQUESTS" envDefault:"on"`
	// RateLimit is turned off by load tests.
	RateLimit host.Switch `env:"RATE_LIMIT" envDefault:"on"`
	// CallerShare is how many percent of the places for requests in progress one caller may have. 0, and rate limits that
	// are off: all of them.
	CallerShare int `env:"CALLER_SHARE" envDefault:"10"`
	// CacheMegabytes bounds the memory for cached answers. 0 turns the cache off.
	CacheMegabytes int `env:"CACHE_MEGABYTES" envDefault:"32"`
	// CORSOrigins may call the API from a browser: "https://shop.example", or "*" for all. None by default.
	CORSOrigins []string `env:"CORS_ORIGINS"`
	// TrustedProxies are the networks (CIDR) of proxies in front of the gateway, whose X-Forwarded-For is trusted.
	// None by default: the address of the connection is the client's.
	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	// Joined are the apps that have joined the shop. The launcher and the overlay of `haberdash overlay` set it.
	Joined roster.JoinedApps `env:"JOINED_APPS"`
}

const maxCacheMegabytes = 1 << 16

// trustedProxies returns TrustedProxies, which Check has checked.
func (c Config) trustedProxies() (networks []netip.Prefix) {
	for _, p := range c.TrustedProxies {
		networks = append(networks, netip.MustParsePrefix(p))
	}
	return networks
}

// Check refuses settings that are out of range or not well-formed.
func (c Config) Check() error {
	if c.CacheMegabytes < 0 || c.CacheMegabytes > maxCacheMegabytes {
		return fmt.Errorf("CACHE_MEGABYTES=%d is not from 0 to %d", c.CacheMegabytes, maxCacheMegabytes)
	}
	if c.CallerShare < 0 || c.CallerShare > 100 {
		return fmt.Errorf("CALLER_SHARE=%d is not from 0 to 100 percent", c.CallerShare)
	}
	for _, o := range c.CORSOrigins {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "") {
			return fmt.Errorf("CORS_ORIGINS: %s is not an origin such as https://shop.example", o)
		}
	}
	for _, p := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("TRUSTED_PROXIES: %s is not a network such as 10.0.0.0/8", p)
		}
	}
	return nil
}

package service

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// clientAddress finds out who connects: the peer, or what a trusted proxy says of it.
func (g *Gateway) clientAddress() func(http.Handler) http.Handler {
	if proxies := g.deps.Config.TrustedProxies; len(proxies) > 0 {
		return middleware.ClientIPFromXFF(proxies...)
	}
	return middleware.ClientIPFromRemoteAddr
}

// admit verifies the access token, if one is sent, and counts the request against its caller's limit. One
// with a wrong token counts against the address: guessing is not free.
func (g *Gateway) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := g.authenticate(r)
		if g.deps.Config.RateLimit != "off" {
			if slow := g.limits.take(w, browsing, limitKey(r)); slow != nil {
				err = slow
			}
		}
		if err != nil {
			httpx.WriteProblem(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authenticate puts the caller into the request; the token travels on from there, not from the header. The
// services verify it again: this only spares them forgeries.
func (g *Gateway) authenticate(r *http.Request) (*http.Request, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return r, nil
	}
	token, ok := identity.Bearer(headers[0])
	if !ok || len(headers) > 1 {
		return r, fault.New(fault.Unauthenticated, "invalid-token", "The Authorization header is not a bearer token.").
			WithField("header.Authorization", "expected Bearer <accessToken>, once")
	}
	caller, err := g.deps.Verifier.Verify(r.Context(), token)
	if err != nil {
		return r, err
	}
	return r.WithContext(identity.With(r.Context(), caller, token)), nil
}

// limitKey names who a request counts for: the user, else the address; of IPv6 the /64, which one
// subscriber has to themselves.
func limitKey(r *http.Request) string {
	if caller := identity.Of(r.Context()); caller.Known() {
		return "user " + caller.UserID
	}
	addr := middleware.GetClientIPAddr(r.Context()).Unmap()
	if addr.Is6() {
		return "net " + netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
	}
	return "addr " + addr.String()
}

package service

import (
	"net/http"

	"github.com/go-chi/chi/v5/middleware"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// clientAddress records the client's address: that of the connection, or the one that a trusted proxy names.
func (g *Gateway) clientAddress() func(http.Handler) http.Handler {
	if proxies := g.deps.Config.TrustedProxies; len(proxies) > 0 {
		return middleware.ClientIPFromXFF(proxies...)
	}
	return middleware.ClientIPFromRemoteAddr
}

// authenticate verifies the access token, if a request has one, and takes a token from the caller's bucket for
// browsing, or for probing. A request with an invalid token counts for its address, so that guessing is limited, too.
// Problems: invalid-token (401), too-many-requests (429).
func (g *Gateway) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := protection.Browsing
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			limit = protection.Probing
		}
		r, err := g.withCaller(r)
		if tooMany := g.limits.Take(w, r, limit); tooMany != nil {
			err = tooMany
		} else if err != nil {
			g.refusals[protection.InvalidToken].Inc()
		}
		if err != nil {
			httpx.WriteProblem(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withCaller puts the caller and the verified token into the request's context, from where the sidecar's client sends
// the token on. The services verify it again; verifying it here only spares them forged tokens.
func (g *Gateway) withCaller(r *http.Request) (*http.Request, error) {
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

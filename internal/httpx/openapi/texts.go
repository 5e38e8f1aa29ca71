package openapi

import "github.com/danielgtaylor/huma/v2"

// The response headers that several operations share.
var (
	requestID = huma.Header{
		Description: "Names the request in the logs; quote it when you ask about one",
		Required:    true, Schema: &huma.Schema{Type: huma.TypeString},
	}
	challenge = huma.Header{
		Description: "How to authenticate (RFC 6750)",
		Required:    true, Schema: &huma.Schema{Type: huma.TypeString},
	}
	retryAfter = huma.Header{
		Description: "Seconds after which a repetition may succeed; missing if it would not",
		Schema:      &huma.Schema{Type: huma.TypeInteger},
	}
)

// descriptions describe the statuses of problems, whatever the operation.
var descriptions = map[int]string{
	400: "The request is malformed, or has no Idempotency-Key",
	401: "The request needs an access token, or its access token is invalid or expired",
	402: "The payment was declined; code says why",
	403: "The caller has no right to do this",
	404: "The resource does not exist, or the caller may not see it",
	408: "The body arrives too slowly",
	409: "The request is impossible in the present state; the type says why",
	412: "The resource has changed since the ETag in If-Match was read",
	413: "The body is too large",
	414: "The address is too long",
	415: "The media type of the body is not supported here",
	422: "The request is invalid; errors lists the invalid inputs",
	428: "The request needs If-Match, so that nobody's change is lost",
	429: "The caller asks too often",
	431: "The header is too large",
	500: "An error of the shop",
	503: "A service of the shop is unavailable, or the shop is read-only",
}

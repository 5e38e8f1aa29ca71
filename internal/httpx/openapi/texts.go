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
		Description: "Seconds after which a repetition may succeed; missing where none would",
		Schema:      &huma.Schema{Type: huma.TypeInteger},
	}
)

// descriptions describe the statuses of problems, whatever the operation.
var descriptions = map[int]string{
	400: "The request could not be read, or lacks its idempotency key",
	401: "The request needs an access token, or came with one that is no good",
	402: "The payment was declined; code says why",
	403: "The caller is known, and may not do this",
	404: "There is nothing of this name that the caller may see",
	409: "The request is impossible in the present state; the type says why",
	412: "The resource has changed since the ETag in If-Match was read",
	413: "The body is too large",
	414: "The address is too long",
	415: "The body is of a media type that is not taken here",
	422: "The request was read, and is wrong: errors names the inputs to blame",
	428: "The request needs If-Match, so that nobody's change is lost",
	429: "The caller asks too often",
	431: "The header is too large",
	500: "Something went wrong on the shop's side",
	503: "A part of the shop is away, or the shop is read-only",
}

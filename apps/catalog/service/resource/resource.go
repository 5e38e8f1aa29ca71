// Package resource defines what the HTTP resources of this service have in common: access, caching, ETags and If-Match.
//
// An ETag consists of the version of the resource and a digest of the answer, which changes with the stock too.
// If-Match compares the versions only: a sale between reading and changing a product is no change that could be lost.
package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// PublicCache is the Cache-Control of public reads: the gateway and browsers may show an answer for a second, and for
// another while they renew it. It is short because answers contain the stock. There is no stale-if-error, because an
// old answer may show articles that have been sold since.
const PublicCache = "public, max-age=1, stale-while-revalidate=1"

// PrivateCache is the Cache-Control of answers that only staff may see.
const PrivateCache = "private, no-store"

// Public describes a read for everybody, of which staff may see more.
func Public(id, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"Catalog"},
		Security: httpx.Optional,
	}
}

// Staff describes an operation for staff. status is that of a success, 0 for the default.
func Staff(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Catalog"}, DefaultStatus: status,
		Security: httpx.BearerOf(identity.Staff), Errors: append([]int{http.StatusForbidden}, errors...),
	}
}

// Digest is a hash of a value's JSON.
func Digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // views are plain structs
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:10])
}

// DigestETag is the strong ETag of an answer that no If-Match refers to.
func DigestETag(body any) string { return `"` + Digest(body) + `"` }

// ETag is the strong ETag of an answer that shows a version of a resource.
func ETag(version uint64, body any) string {
	return `"` + strconv.FormatUint(version, 10) + "-" + Digest(body) + `"`
}

// IfMatch checks the version of a resource against the If-Match header of a request: see httpx.IfMatch.
func IfMatch(header string) func(version uint64) error {
	return func(version uint64) error {
		return httpx.IfMatch(withoutDigests(header), `"`+strconv.FormatUint(version, 10)+`"`)
	}
}

// IfMatchSent is IfMatch for requests that may leave the header out, and then change any version.
func IfMatchSent(header string) func(version uint64) error {
	if header == "" {
		return func(uint64) error { return nil }
	}
	return IfMatch(header)
}

// withoutDigests removes the digests of the ETags in an If-Match header.
func withoutDigests(header string) string {
	tags := strings.Split(header, ",")
	for i, tag := range tags {
		tag = strings.TrimSpace(tag)
		if version, _, ok := strings.Cut(tag, "-"); ok && strings.HasPrefix(tag, `"`) {
			tag = version + `"`
		}
		tags[i] = tag
	}
	return strings.Join(tags, ",")
}

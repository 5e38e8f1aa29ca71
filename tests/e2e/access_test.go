package e2e

import (
	"bytes"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// access says what every operation answers to every caller. A name in braces is an object of the world: the owner's,
// or a guest's where it says so. The owner of a guest's object is that guest. The callers:
//
//	nobody    sends no credentials
//	stranger  a guest with a cart and an order of their own, whose token they send
//	owner     the customer, or the guest, whose objects these are
//	other     another customer
//	staff, admin
//	forged    three in turn: with the owner's token that has expired, one signed with a key of their own, and one with
//	          alg: none (RFC 8725, sections 2.1 and 3.1)
//
// Who may not know that an object is there gets 404, never 403. A - is a call that would do away with the caller.
const access = `
                                                            nobody stranger owner other staff admin forged
GET    /.well-known/jwks.json                               200    200      200   200   200   200   401
GET    /media/{file}                                        200    200      200   200   200   200   401

POST   /api/v1/auth/register                                201    201      201   201   201   201   401
POST   /api/v1/auth/login                                   200    200      200   200   200   200   401
POST   /api/v1/auth/refresh                                 401    401      401   401   401   401   401
POST   /api/v1/auth/logout                                  204    204      204   -     -     -     401
POST   /api/v1/auth/verify-email                            422    422      422   422   422   422   401
POST   /api/v1/auth/forgot-password                         202    202      202   202   202   202   401
POST   /api/v1/auth/reset-password                          422    422      422   422   422   422   401

GET    /api/v1/products                                     200    200      200   200   200   200   401
GET    /api/v1/products?status=draft                        401    401      403   403   200   200   401
GET    /api/v1/products/{product}                           200    200      200   200   200   200   401
GET    /api/v1/products/{draft}                             404    404      404   404   200   200   401
POST   /api/v1/products                                     401    401      403   403   201   201   401
PUT    /api/v1/products/{product}                           401    401      403   403   200   200   401
DELETE /api/v1/products/{product}                           401    401      403   403   204   204   401
POST   /api/v1/products/import                              401    401      403   403   200   200   401
GET    /api/v1/categories                                   200    200      200   200   200   200   401
GET    /api/v1/categories/{category}                        200    200      200   200   200   200   401
POST   /api/v1/categories                                   401    401      403   403   201   201   401
PUT    /api/v1/categories/{category}                        401    401      403   403   200   200   401
DELETE /api/v1/categories/{category}                        401    401      403   403   204   204   401
GET    /api/v1/stock/{sku}                                  401    401      403   403   200   200   401
GET    /api/v1/stock/{sku}/history                          401    401      403   403   200   200   401
POST   /api/v1/stock/{sku}/adjustments                      401    401      403   403   200   200   401

POST   /api/v1/carts                                        201    201      201   201   201   201   401
GET    /api/v1/carts/mine                                   401    401      200   200   200   200   401
GET    /api/v1/carts/{cart}                                 404    404      200   404   404   404   401
GET    /api/v1/carts/{cart}/shipping-options                404    404      200   404   404   404   401
PUT    /api/v1/carts/{cart}/items/{sku}                     404    404      200   404   404   404   401
DELETE /api/v1/carts/{cart}/items/{sku}                     404    404      200   404   404   404   401
POST   /api/v1/carts/{cart}/coupons                         404    404      200   404   404   404   401
DELETE /api/v1/carts/{cart}/coupons/{coupon}                404    404      200   404   404   404   401
PUT    /api/v1/carts/{cart}/shipping                        404    404      200   404   404   404   401
POST   /api/v1/carts/{cart}/claim                           401    401      200   404   404   404   401
GET    /api/v1/carts/{guest-cart}                           200    200      200   200   200   200   401
POST   /api/v1/carts/{guest-cart}/claim                     401    401      401   200   200   200   401

POST   /api/v1/orders                                       404    404      201   404   404   404   401
GET    /api/v1/orders                                       401    401      200   200   200   200   401
GET    /api/v1/orders?customer={user}                       401    401      200   403   200   200   401
GET    /api/v1/orders/{order}                               404    404      200   404   200   200   401
GET    /api/v1/orders/{order}/events                        404    404      200   404   200   200   401
GET    /api/v1/orders/{order}/stream                        404    404      200   404   200   200   401
POST   /api/v1/orders/{order}/cancel                        404    404      200   404   200   200   401
POST   /api/v1/orders/{order}/returns                       404    404      201   404   201   201   401
POST   /api/v1/orders/{order}/fulfilments                   401    401      403   403   201   201   401
POST   /api/v1/orders/{order}/fulfilments/{parcel}/deliver  401    401      403   403   200   200   401
POST   /api/v1/orders/{order}/returns/{return}/receive      401    401      403   403   200   200   401
POST   /api/v1/orders/{order}/refunds                       401    401      403   403   201   201   401
GET    /api/v1/orders/{guest-order}                         404    404      200   404   200   200   401
GET    /api/v1/orders/{guest-order}/events                  404    404      200   404   200   200   401
GET    /api/v1/orders/{guest-order}/stream                  404    404      200   404   200   200   401
POST   /api/v1/orders/{guest-order}/cancel                  404    404      200   404   200   200   401
POST   /api/v1/orders/{guest-order}/returns                 404    404      201   404   201   201   401

GET    /api/v1/me                                           401    401      200   200   200   200   401
PATCH  /api/v1/me                                           401    401      200   200   200   200   401
DELETE /api/v1/me                                           401    401      204   -     -     -     401
POST   /api/v1/me/password                                  401    401      422   422   422   422   401
POST   /api/v1/me/email                                     401    401      422   422   422   422   401
POST   /api/v1/me/verification                              401    401      202   202   202   202   401
GET    /api/v1/me/addresses                                 401    401      200   200   200   200   401
POST   /api/v1/me/addresses                                 401    401      201   201   201   201   401
PUT    /api/v1/me/addresses/{address}                       401    401      200   404   404   404   401
DELETE /api/v1/me/addresses/{address}                       401    401      204   404   404   404   401
GET    /api/v1/me/sessions                                  401    401      200   200   200   200   401
DELETE /api/v1/me/sessions/{session}                        401    401      204   404   404   404   401

GET    /api/v1/users                                        401    401      403   403   403   200   401
GET    /api/v1/users/{user}                                 401    401      403   403   403   200   401
GET    /api/v1/users/{user}/events                          401    401      403   403   403   200   401
PUT    /api/v1/users/{user}/roles                           401    401      403   403   403   200   401
GET    /api/v1/dead-letters/{app}                           401    401      403   403   403   200   401
DELETE /api/v1/dead-letters/{app}/{letter}                  401    401      403   403   403   404   401
POST   /api/v1/dead-letters/{app}/{letter}/replay           401    401      403   403   403   404   401
GET    /api/v1/read-only                                    401    401      403   403   403   200   401
PUT    /api/v1/read-only                                    401    401      403   403   403   200   401
`

// rule is a line of the table: an operation, and the status that each caller gets, 0 where they are not to call.
type rule struct {
	method, path string
	want         map[string]int
}

// operation is how operations() calls it.
func (r rule) operation() string {
	path, _, _ := strings.Cut(r.path, "?")
	return r.method + " " + parameter.ReplaceAllString(path, "{}")
}

func rules(t *testing.T) (list []rule) {
	t.Helper()
	var callers []string
	for line := range strings.Lines(access) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case callers == nil:
			callers = words
		default:
			require.Len(t, words, len(callers)+2, line)
			r := rule{words[0], words[1], map[string]int{}}
			for i, status := range words[2:] {
				if status == "-" {
					continue
				}
				n, err := strconv.Atoi(status)
				require.NoError(t, err, line)
				r.want[callers[i]] = n
			}
			list = append(list, r)
		}
	}
	return list
}

// refusal tells whether a caller is shut out by who they are: such a call changes nothing.
func refusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

func TestEveryRouteHasItsAccessWrittenDown(t *testing.T) {
	guest(t)
	written := map[string]bool{}
	for _, r := range rules(t) {
		written[r.operation()] = true
	}
	for operation := range operations(t) {
		assert.True(t, written[operation], "%s has no line in the table of who may call it", operation)
		delete(written, operation)
	}
	assert.Empty(t, written, "these are in the table and not in the API")
}

// First come all who are refused: afterwards everything is as it was. Then those who are let in, one after another,
// each with an object that nobody has used up.
func TestAccess(t *testing.T) {
	guest(t)
	w := newWorld(t)
	before := w.snapshot(t)
	calls := 0
	for _, r := range rules(t) {
		for caller, want := range r.want {
			for _, c := range w.callers[caller] {
				if refusal(want) {
					calls++
					w.expect(t, r, caller, c, want)
				}
			}
		}
	}
	require.Greater(t, calls, 300)
	after := w.snapshot(t)
	for path := range maps.Keys(before) {
		require.True(t, bytes.Equal(before[path], after[path]), "%s was\n%s\nand is, after calls that were refused,\n%s", path, before[path], after[path])
	}
	for _, r := range rules(t) {
		for caller, want := range r.want {
			for _, c := range w.callers[caller] {
				if want != 0 && !refusal(want) {
					w.renew(t, r)
					w.expect(t, r, caller, c, want)
				}
			}
		}
	}
}

// expect makes the call of a rule.
func (w *world) expect(t *testing.T, r rule, caller string, c *api.Client, want int) {
	t.Helper()
	request := w.request(r)
	switch {
	case caller == "stranger":
		request.Header["X-Order-Token"] = w.strangersToken
	case caller == "owner" && strings.Contains(r.path, "{guest-"):
		c, request.Header["X-Order-Token"] = theClient, w.values["guest-token"]
	case caller == "owner" && r.want["other"] == 0: // somebody else in their place, for they are still needed
		c, _ = customer(t)
	}
	a := ask(t, c, request)
	assert.Equal(t, want, a.Status, "%s %s by %s: %.200s", r.method, r.path, caller, a.Body)
	if want != http.StatusUnauthorized && want != http.StatusForbidden || strings.Contains(r.path, "?") || r.path == "/api/v1/auth/refresh" {
		return
	}
	// Who may not call is told so before the input is looked at, and learns nothing of what it should be.
	request.Path += "?surprise=1"
	if request.Body != nil {
		request.Body = "nonsense"
	}
	a = ask(t, c, request)
	assert.Equal(t, want, a.Status, "%s %s by %s, with nonsense: %.200s", r.method, r.path, caller, a.Body)
}

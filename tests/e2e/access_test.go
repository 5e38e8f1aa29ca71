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

// access has the status that each caller gets from each operation. A name in braces is an object of the fixture: it
// belongs to the owner, or to a guest if its name begins with guest. The owner of a guest's object is that guest. The
// callers:
//
//	nobody    sends no credentials
//	stranger  a guest with another cart and order, who sends the token of that order
//	owner     the customer or the guest to whom the object belongs
//	other     another customer
//	staff, admin
//	forged    callers with tokens of the owner that are not valid: see forgeries (RFC 8725, sections 2 and 3)
//
// A caller who may not know that an object exists gets 404, never 403. A - stands for a request that is not sent,
// because it would end the session or the account of the caller.
const access = `
                                                            nobody stranger owner other staff admin forged
GET    /.well-known/jwks.json                               200    200      200   200   200   200   401
GET    /media/{file}                                        200    200      200   200   200   200   401

POST   /api/v1/auth/register                                201    201      201   201   201   201   401
POST   /api/v1/auth/login                                   200    200      200   200   200   200   401
POST   /api/v1/auth/second-factor                           401    401      401   401   401   401   401
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
GET    /api/v1/me/second-factors                            401    401      200   200   200   200   401
POST   /api/v1/me/totp                                      401    401      200   422   422   422   401
POST   /api/v1/me/totp/confirmation                         401    401      422   422   422   422   401
POST   /api/v1/me/passkey                                   401    401      200   422   422   422   401
POST   /api/v1/me/passkey/confirmation                      401    401      422   422   422   422   401
POST   /api/v1/me/recovery-codes                            401    401      409   409   409   409   401
DELETE /api/v1/me/second-factors/{factor}                   401    401      404   404   404   404   401

GET    /api/v1/users                                        401    401      403   403   403   200   401
GET    /api/v1/users/{user}                                 401    401      403   403   403   200   401
GET    /api/v1/users/{user}/events                          401    401      403   403   403   200   401
PUT    /api/v1/users/{user}/roles                           401    401      403   403   403   200   401
DELETE /api/v1/users/{user}/second-factors                  401    401      403   403   403   204   401
GET    /api/v1/dead-letters/{app}                           401    401      403   403   403   200   401
DELETE /api/v1/dead-letters/{app}/{letter}                  401    401      403   403   403   404   401
POST   /api/v1/dead-letters/{app}/{letter}/replay           401    401      403   403   403   404   401
GET    /api/v1/faults/{app}                                 401    401      403   403   403   404   401
PUT    /api/v1/faults/{app}/{flag}                          401    401      403   403   403   404   401
GET    /api/v1/read-only                                    401    401      403   403   403   200   401
PUT    /api/v1/read-only                                    401    401      403   403   403   200   401
`

// rule is a line of the access table: an operation, and the status that each caller gets. A caller without a status
// does not send the request.
type rule struct {
	method, path string
	want         map[string]int
}

// operation returns the name that the operation has in operations.
func (r rule) operation() string {
	path, _, _ := strings.Cut(r.path, "?")
	return r.method + " " + parameter.ReplaceAllString(path, "{}")
}

// credentialsInBody reports whether the operation takes the caller's credentials from the body, so that it answers 401
// to a body with others.
func (r rule) credentialsInBody() bool {
	return r.path == "/api/v1/auth/refresh" || r.path == "/api/v1/auth/second-factor"
}

// rules reads the access table.
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

// refusal reports whether the status refuses a caller without access. Such a request must not change anything.
func refusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

func TestEveryRouteIsInTheAccessTable(t *testing.T) {
	guest(t)
	written := map[string]bool{}
	for _, r := range rules(t) {
		written[r.operation()] = true
	}
	for operation := range operations(t) {
		assert.True(t, written[operation], "%s is not in the access table", operation)
		delete(written, operation)
	}
	assert.Empty(t, written, "these operations are in the access table, but not in the API")
}

// The test first sends all requests that must be refused: they must not change anything. Then it sends the requests
// that are allowed, each with a new object.
func TestAccess(t *testing.T) {
	guest(t)
	f := newFixture(t)
	before := f.snapshot(t)
	refused := 0
	for _, r := range rules(t) {
		for caller, want := range r.want {
			for _, c := range f.callers[caller] {
				if refusal(want) {
					refused++
					f.expect(t, r, caller, c, want)
				}
			}
		}
	}
	require.Greater(t, refused, 300)
	after := f.snapshot(t)
	for path := range maps.Keys(before) {
		require.True(t, bytes.Equal(before[path], after[path]), "%s was\n%s\nand after the refused requests is\n%s",
			path, before[path], after[path])
	}
	for _, r := range rules(t) {
		for caller, want := range r.want {
			for _, c := range f.callers[caller] {
				if want != 0 && !refusal(want) {
					f.renew(t, r)
					f.expect(t, r, caller, c, want)
				}
			}
		}
	}
}

// newOwner returns another customer with the owner's password.
func (f *fixture) newOwner(t *testing.T) *api.Client {
	t.Helper()
	email := api.NewEmail()
	_, err := sharedClient.Register(t.Context(), email, f.values["password"], "Ada Byron")
	require.NoError(t, err)
	session, err := sharedClient.Login(t.Context(), email, f.values["password"])
	require.NoError(t, err)
	return sharedClient.As(session.AccessToken)
}

// expect sends the request of a rule and checks the status of the answer.
func (f *fixture) expect(t *testing.T, r rule, caller string, c *api.Client, want int) {
	t.Helper()
	request := f.request(r)
	switch {
	case caller == "stranger":
		request.Header["X-Order-Token"] = f.strangerToken
	case caller == "owner" && strings.Contains(r.path, "{guest-"):
		c, request.Header["X-Order-Token"] = sharedClient, f.values["guest-token"]
	case caller == "owner" && r.want["other"] == 0: // the request would end the owner's session or account
		c = f.newOwner(t)
	}
	a := sendRequest(t, c, request)
	assert.Equal(t, want, a.Status, "%s %s by %s: %.200s", r.method, r.path, caller, a.Body)
	denied := want == http.StatusUnauthorized || want == http.StatusForbidden
	if !denied || strings.Contains(r.path, "?") || r.credentialsInBody() {
		return
	}
	// The shop must refuse the caller before it validates the input, so that the caller learns nothing about it.
	request.Path += "?surprise=1"
	if request.Body != nil {
		request.Body = "nonsense"
	}
	a = sendRequest(t, c, request)
	assert.Equal(t, want, a.Status, "%s %s by %s, with invalid input: %.200s", r.method, r.path, caller, a.Body)
}

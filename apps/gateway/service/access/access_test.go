package access_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"haberdash/api"
	"haberdash/apps/gateway/service/access"
	"haberdash/internal/identity"
)

func operations(t *testing.T) *access.Operations {
	t.Helper()
	o, err := access.Parse(api.OpenAPI)
	require.NoError(t, err)
	return o
}

// neverRead fails the test if a body is read.
type neverRead struct{ t *testing.T }

func (b neverRead) Read([]byte) (int, error) {
	b.t.Error("the body was read")
	return 0, http.ErrBodyReadAfterClose
}

func TestCallersAreRefusedBeforeTheirBody(t *testing.T) {
	t.Parallel()
	o := operations(t)
	for operation, roles := range map[string][4]int{ // of nobody, a customer, staff, an administrator; 200: forwarded
		"POST /api/v1/products/import":                {401, 403, 200, 200},
		"POST /api/v1/products":                       {401, 403, 200, 200},
		"PUT /api/v1/products/mug":                    {401, 403, 200, 200},
		"PUT /api/v1/products/a%25b":                  {401, 403, 200, 200},
		"POST /api/v1/stock/a:b/adjustments":          {401, 403, 200, 200},
		"POST /api/v1/orders/o/refunds":               {401, 403, 200, 200},
		"POST /api/v1/dead-letters/cart/x/replay":     {401, 403, 403, 200},
		"PUT /api/v1/read-only":                       {401, 403, 403, 200},
		"PATCH /api/v1/me":                            {401, 200, 200, 200},
		"PUT /api/v1/users/u/roles":                   {401, 200, 200, 200}, // users asks its store for the role
		"POST /api/v1/orders":                         {200, 200, 200, 200},
		"PUT /api/v1/carts/c/items/s":                 {200, 200, 200, 200},
		"POST /api/v1/payments/stripe/webhook":        {200, 200, 200, 200}, // not in the document
		"POST /api/v1/products/import/something-else": {200, 200, 200, 200},
	} {
		method, path, _ := strings.Cut(operation, " ")
		for i, caller := range []identity.Caller{
			{}, {UserID: "u", Roles: []string{identity.Customer}}, {UserID: "s", Roles: []string{identity.Staff}},
			{UserID: "a", Roles: []string{identity.Admin}},
		} {
			for _, length := range []int64{13, -1} {
				r := httptest.NewRequest(method, path, neverRead{t})
				r.ContentLength = length
				r = r.WithContext(identity.With(r.Context(), caller, ""))
				w := httptest.NewRecorder()
				refused := prometheus.NewCounter(prometheus.CounterOpts{Name: "refused_total"})
				o.BeforeBodies(refused)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
				require.Equal(t, roles[i], w.Code, "%s by caller %d", operation, i)
				require.Equal(t, roles[i] != 200, testutil.ToFloat64(refused) == 1)
			}
		}
	}
}

func TestOPTIONSListsTheMethodsOfAnAddress(t *testing.T) {
	t.Parallel()
	o := operations(t)
	forwarded := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for request, want := range map[string]struct {
		status int
		allow  string
	}{
		"OPTIONS /api/v1/products":        {204, "GET, HEAD, POST, OPTIONS"},
		"OPTIONS /api/v1/products/mug":    {204, "GET, HEAD, PUT, DELETE, OPTIONS"},
		"OPTIONS /api/v1/products/import": {204, "POST, OPTIONS"},
		"OPTIONS *":                       {204, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		"BREW /api/v1/products":           {405, "GET, HEAD, POST, OPTIONS"},
		"TRACE /api/v1/me":                {405, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		"BREW /nowhere":                   {http.StatusTeapot, ""},
		"OPTIONS /nowhere":                {http.StatusTeapot, ""},
		"GET /api/v1/products":            {http.StatusTeapot, ""},
	} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		o.Methods(forwarded).ServeHTTP(w, r)
		require.Equal(t, want.status, w.Code, request)
		require.Equal(t, want.allow, w.Header().Get("Allow"), request)
	}
	invented := strings.Repeat("X", 5000)
	w := httptest.NewRecorder()
	o.Methods(forwarded).ServeHTTP(w, httptest.NewRequest(invented, "/api/v1/products", nil))
	require.NotContains(t, w.Body.String(), "XXX")
}

func TestDocumentsWithoutOperationsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := access.Parse([]byte("no JSON"))
	require.Error(t, err)
}

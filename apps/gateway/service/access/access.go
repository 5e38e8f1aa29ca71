// Package access knows the operations of the API from its OpenAPI document: who may call them, and which methods an
// address has. So the gateway can refuse a caller before it waits for a body, and no list of operations is kept twice.
//
// The services check the same again. An operation that the document does not have is theirs alone.
package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Operations are the operations of the API. They are safe for concurrent use.
type Operations struct {
	paths  chi.Routes          // finds the path of the document that matches an address; its handlers are never called
	byPath map[string]resource // by the document's path
}

// resource is what the document says of one path.
type resource struct {
	methods map[string]requirement
	allow   string // the value of the header Allow
	ifMatch bool   // a change of the resource may name its ETag in If-Match
}

// requirement says who may call an operation.
type requirement struct {
	token bool   // only callers who are signed in
	role  string // and who have this role; any if empty
}

// item is a path item of an OpenAPI document.
type item map[string]struct {
	Security   []map[string][]string
	Parameters []struct{ Name, In string }
}

// Parse reads the operations of an OpenAPI document.
func Parse(document []byte) (*Operations, error) {
	var d struct{ Paths map[string]item }
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	router, o := chi.NewRouter(), &Operations{byPath: map[string]resource{}}
	for path, described := range d.Paths {
		found := resource{methods: map[string]requirement{}}
		for method, operation := range described {
			found.methods[strings.ToUpper(method)] = requirementOf(operation.Security)
			for _, p := range operation.Parameters {
				found.ifMatch = found.ifMatch || p.In == "header" && p.Name == "If-Match"
			}
		}
		found.allow = allow(found.methods)
		o.byPath[path] = found
		router.Method(http.MethodGet, path, http.NotFoundHandler())
	}
	o.paths = router
	return o, nil
}

// requirementOf reads the security requirements of an operation (OpenAPI 3.1, section 4.8.30), of which a caller must
// fulfil one. {} is for everybody.
func requirementOf(security []map[string][]string) requirement {
	if len(security) != 1 {
		return requirement{}
	}
	roles, bearer := security[0]["bearer"]
	if len(roles) > 0 {
		return requirement{token: bearer, role: roles[0]}
	}
	return requirement{token: bearer}
}

// allow lists methods, and those that the gateway adds to every address: HEAD to GET, and OPTIONS.
func allow(methods map[string]requirement) string {
	var list []string
	for _, m := range httpx.Methods {
		_, described := methods[m]
		_, get := methods[http.MethodGet]
		if described || m == http.MethodOptions || (m == http.MethodHead && get) {
			list = append(list, m)
		}
	}
	return strings.Join(list, ", ")
}

// find returns what the document says of the address of a request.
func (o *Operations) find(r *http.Request) (resource, bool) {
	path := r.URL.RawPath // as chi does
	if path == "" {
		path = r.URL.Path
	}
	found, ok := o.byPath[o.paths.Find(chi.NewRouteContext(), http.MethodGet, path)]
	return found, ok
}

// TakesIfMatch reports whether a change of the resource at this address may name its ETag.
func (o *Operations) TakesIfMatch(r *http.Request) bool {
	found, ok := o.find(r)
	return ok && found.ifMatch
}

// Methods answers requests for the methods of an address (OPTIONS), and those with a method that no address has.
// Problem: method-not-allowed (405).
func (o *Operations) Methods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := slices.Contains(httpx.Methods, r.Method)
		if known && r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		all := strings.Join(httpx.Methods, ", ")
		found, described := o.find(r)
		switch {
		case r.Method == http.MethodOptions && r.URL.Path == "*": // the whole server: RFC 9110, section 9.3.7
			w.Header().Set("Allow", all)
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodOptions && described:
			w.Header().Set("Allow", found.allow)
			w.WriteHeader(http.StatusNoContent)
		case !known && described:
			w.Header().Set("Allow", found.allow)
			httpx.WriteMethodNotAllowed(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// BeforeBodies refuses a request with a body if its caller may not call the operation. A caller who is refused after
// the body occupies the gateway and the app for as long as the body takes. refused counts the refusals. Problems:
// unauthenticated (401), forbidden (403).
func (o *Operations) BeforeBodies(refused prometheus.Counter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := o.refusal(r); err != nil {
				refused.Inc()
				httpx.WriteProblem(w, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refusal returns why the caller of a request with a body may not call the operation.
func (o *Operations) refusal(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	found, _ := o.find(r)
	needs := found.methods[r.Method]
	if !needs.token {
		return nil
	}
	_, err := identity.Require(r.Context(), needs.role)
	return err
}

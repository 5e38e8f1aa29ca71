// Package httpx is the HTTP layer that the services share: typed operations with huma on a chi router, problems
// (RFC 9457), conditional requests, lists in pages, and middleware. Package httpserver below it runs the server of a
// service, and package openapi completes the description of the operations.
package httpx

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"haberdash/internal/fault"
	"haberdash/internal/httpx/openapi"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

// MaxBody is the largest request body in bytes. Operations with larger bodies, such as imports, set their own maximum.
const MaxBody = 1 << 20

// Version is the version of the public API in its OpenAPI document.
const Version = "1.0.0"

func init() {
	huma.NewError = newHumaError
	huma.DefaultArrayNullable = false // a list without items is []
	huma.ValidateStrictCasing = true  // as strictjson
}

// NewAPI creates an API on a router. It accepts and sends strict JSON, refuses query parameters that an operation does
// not know, and serves its OpenAPI document at /openapi.json.
func NewAPI(router chi.Router, title string) huma.API {
	c := config(title)
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", openapi.SchemaName)
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	c.OnAddOperation = append(c.OnAddOperation, openapi.Describe(reflect.TypeFor[Problem]()))
	return humachi.New(router, c)
}

// ExtendAPI creates an API on another router, such as one with other middleware, whose operations are in the OpenAPI
// document of an API that exists.
func ExtendAPI(api huma.API, router chi.Router) huma.API {
	c := config(api.OpenAPI().Info.Title)
	c.OpenAPI, c.OpenAPIPath = api.OpenAPI(), ""
	return humachi.New(router, c)
}

func config(title string) huma.Config {
	c := huma.DefaultConfig(title, Version)
	c.CreateHooks = nil // which would add a link to the schema to each response
	c.DocsPath, c.SchemasPath = "", ""
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	return c
}

// Values of an operation's Security, which the OpenAPI document shows. An operation without a value accepts an access
// token too, but treats all callers alike.
var (
	Bearer   = []map[string][]string{{"bearer": {}}}     // the operation needs an access token
	Optional = []map[string][]string{{}, {"bearer": {}}} // the operation does more for callers with an access token
	noToken  = []map[string][]string{{}}
)

// BearerOf is the Security of an operation for callers with a role. The document names the role (OpenAPI 3.1, section
// 4.8.30), and so the gateway can refuse other callers before it reads the body.
func BearerOf(role string) []map[string][]string { return []map[string][]string{{"bearer": {role}}} }

// roleIn returns the role that Bearer or BearerOf requires, "" if any caller with a token will do.
func roleIn(security []map[string][]string) string {
	if roles := security[0]["bearer"]; len(roles) > 0 {
		return roles[0]
	}
	return ""
}

// Register adds a typed operation to an API. If the operation needs an access token or a role, it refuses callers
// without it before it reads the input. A fault that the handler returns becomes the problem of the response. Any other
// error is logged and becomes a 500 without the text of the error.
func Register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	requireExportedFields(reflect.TypeFor[I](), op.OperationID)
	requireExportedFields(reflect.TypeFor[O](), op.OperationID)
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = MaxBody
	}
	op.Metadata = openapi.Metadata(reflect.TypeFor[I]())
	switch {
	case op.Security == nil:
		op.Security = noToken
	case len(op.Security[0]) > 0 && len(op.Middlewares) == 0: // needs a token, and no other middleware checks it
		op.Middlewares = huma.Middlewares{only(roleIn(op.Security))}
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}

// requireExportedFields panics if a type embeds a struct that is not exported. Huma ignores the fields of such a struct
// silently: a path parameter in it would always be empty.
func requireExportedFields(t reflect.Type, operation string) {
	for f := range t.Fields() {
		if f.Anonymous && !f.IsExported() {
			panic("httpx: " + operation + ": export the embedded " + f.Type.Name() + ", huma does not see its fields")
		}
	}
}

// only makes middleware that refuses callers without the role before the input is read: with 401 if they are not signed
// in, with 403 otherwise. An empty role requires only that the caller is signed in.
func only(role string) func(huma.Context, func(huma.Context)) {
	return Gate(func(ctx context.Context) error {
		_, err := identity.Require(ctx, role)
		return err
	})
}

// Gate makes middleware that runs a check before the input is read. An error of the check becomes the response.
func Gate(check func(context.Context) error) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		if err := check(c.Context()); err != nil {
			_, w := humachi.Unwrap(c)
			WriteProblem(w, problemOf(c.Context(), err))
			return
		}
		next(c)
	}
}

// problemOf turns an error of a handler into a problem and logs what the client must not see. An error that already
// has an HTTP status stays as it is.
func problemOf(ctx context.Context, err error) error {
	var s huma.StatusError
	if errors.As(err, &s) {
		return err
	}
	if f := fault.Of(err); f.Kind == fault.Internal {
		if ctx.Err() != nil {
			err = fault.New(fault.Unavailable, "unavailable", "The request took too long.").Because(err)
		}
		telemetry.Log(ctx).Error().Err(err).Msg("request failed")
	} else if f.Unwrap() != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("request refused")
	}
	return NewProblem(err)
}

// NotFound responds to requests for unknown routes with a problem.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteProblem(w, fault.New(fault.NotFound, "not-found", "There is nothing at this address."))
}

// MethodNotAllowed responds to requests for a known path with a method that it does not have. The Allow header lists
// the methods that it has (RFC 9110, section 15.5.6); chi sets the header only in its own handler.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", strings.Join(allowedMethods(r), ", "))
	WriteMethodNotAllowed(w, r)
}

// WriteMethodNotAllowed responds with the problem method-not-allowed (405). The caller must set the header Allow.
func WriteMethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	method := "this method" // an invented one may be as long as a header
	if slices.Contains(Methods, r.Method) {
		method = r.Method
	}
	p := NewProblem(fault.New(fault.Malformed, "method-not-allowed", "This address does not take %s.", method))
	p.Status, p.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
	p.Write(w)
}

// Methods are the methods that an address may have.
var Methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions,
}

func allowedMethods(r *http.Request) (allowed []string) {
	routes := chi.RouteContext(r.Context()).Routes
	for _, m := range Methods {
		if routes.Match(chi.NewRouteContext(), m, r.URL.EscapedPath()) {
			allowed = append(allowed, m)
		}
	}
	return allowed
}

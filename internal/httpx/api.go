// Package httpx is the HTTP edge that every service shares: a chi router with huma on it, problems,
// middleware, health, metrics, and a server that drains.
package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

// MaxBody is the largest request body in bytes; an import sets its own limit.
const MaxBody = 1 << 20

// Version of the public API, in the OpenAPI document.
const Version = "1.0.0"

func init() {
	huma.NewError = problemOf
	huma.DefaultArrayNullable = false // a list without items is []
}

// NewAPI puts huma on a router, with strict JSON in and out and no schema links in the answers. The
// OpenAPI document is at /openapi.json.
func NewAPI(router chi.Router, title string) huma.API {
	c := huma.DefaultConfig(title, Version)
	c.CreateHooks = nil
	c.DocsPath, c.SchemasPath = "", ""
	c.RejectUnknownQueryParameters = true
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	c.OnAddOperation = append(c.OnAddOperation, describe)
	return humachi.New(router, c)
}

var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errors.New("the body is not valid UTF-8")
		}
		if err := json.Unmarshal(data, v); err != nil {
			return err
		}
		if any, ok := v.(*any); ok { // for validation against the schema
			*any = nullsMarked(*any)
		}
		return nil
	},
}

// null stands for null where a body is validated. No schema of a body has it, and no type of JSON is like it; nil
// itself Huma passes over in members that may be missing, and it would count as the type's zero.
type null struct{}

func nullsMarked(v any) any {
	switch v := v.(type) {
	case nil:
		return null{}
	case []any:
		for i := range v {
			v[i] = nullsMarked(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = nullsMarked(v[name])
		}
	}
	return v
}

// What an operation's Security says in the OpenAPI document: that it needs an access token; that it knows more to do
// with one; that it makes no difference, which is what Register says where nothing is said.
var (
	Bearer   = []map[string][]string{{"bearer": {}}}
	Optional = []map[string][]string{{}, {"bearer": {}}}
	anyone   = []map[string][]string{{}}
)

// Register adds a typed operation. One that needs an access token refuses who has none before it looks at the input. A fault that the handler returns becomes its problem; any other
// error is logged and answered as 500 without its text.
func Register[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	mustBeVisible(reflect.TypeFor[I](), op.OperationID)
	mustBeVisible(reflect.TypeFor[O](), op.OperationID)
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = MaxBody
	}
	op.Metadata = map[string]any{mandatoryKey: mandatory(reflect.TypeFor[I]())}
	switch {
	case op.Security == nil:
		op.Security = anyone
	case len(op.Security[0]) > 0 && len(op.Middlewares) == 0: // needs a token
		op.Middlewares = huma.Middlewares{Only("")}
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, asStatus(ctx, err)
		}
		return out, nil
	})
}

// mustBeVisible panics for a type that embeds an unexported struct: huma passes over its fields without a
// word, and a path parameter that is always empty makes one resource of all.
func mustBeVisible(t reflect.Type, operation string) {
	for f := range t.Fields() {
		if f.Anonymous && !f.IsExported() {
			panic("httpx: " + operation + ": export the embedded " + f.Type.Name() + ", huma does not see its fields")
		}
	}
}

// Only refuses callers without the role before their input is looked at: 401 or 403. An empty role asks for somebody.
func Only(role string) func(huma.Context, func(huma.Context)) {
	return Gate(func(ctx context.Context) error {
		_, err := identity.Require(ctx, role)
		return err
	})
}

// Gate answers with the check's error, if there is one, before the input is looked at.
func Gate(check func(context.Context) error) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		if err := check(c.Context()); err != nil {
			_, w := humachi.Unwrap(c)
			WriteProblem(w, asStatus(c.Context(), err))
			return
		}
		next(c)
	}
}

func asStatus(ctx context.Context, err error) error {
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

// NotFound answers unknown routes with a problem.
func NotFound(w http.ResponseWriter, r *http.Request) {
	WriteProblem(w, fault.New(fault.NotFound, "not-found", "There is nothing at this address."))
}

// MethodNotAllowed answers known routes with another method, and says which they take (RFC 9110, section
// 15.5.6): chi does so only in a handler of its own.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	p := NewProblem(fault.New(fault.Malformed, "method-not-allowed", "This address does not take %s.", r.Method))
	p.Status, p.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
	w.Header().Set("Allow", strings.Join(allowed(r), ", "))
	p.Write(w)
}

func allowed(r *http.Request) (methods []string) {
	routes := chi.RouteContext(r.Context()).Routes
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		if routes.Match(chi.NewRouteContext(), m, r.URL.EscapedPath()) {
			methods = append(methods, m)
		}
	}
	return methods
}

package moving

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Source hands out what a part of a service owns and cannot derive. The service works on meanwhile.
type Source func(ctx context.Context, put func(sidecar.Item) error) error

// MountExport offers what an app owns, source after source: GET /internal/export, by its own sidecar only. Memory
// does not grow with it.
func MountExport(api huma.API, app string, sources ...Source) {
	op := internal(app, "export", http.MethodGet, "/internal/export", "What this service owns and cannot derive")
	op.Responses = map[string]*huma.Response{"200": {Description: "One item a line, then their number", Content: stream()}}
	httpx.Register(api, op, func(_ context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", MediaType)
			out := bufio.NewWriterSize(c.BodyWriter(), 64<<10)
			if err := export(c.Context(), out, sources); err != nil {
				// Its first part has been sent; that it lacks its last line tells that it is not whole.
				telemetry.Log(c.Context()).Error().Err(err).Msg("export broken off")
			}
		}}, nil
	})
}

func export(ctx context.Context, out *bufio.Writer, sources []Source) error {
	w := NewWriter(out)
	for _, source := range sources {
		if err := source(ctx, w.Put); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// MaxImport is the largest body of an import in bytes: sidecars let 4 MB through.
const MaxImport = 4 << 20

type importInput struct{ body io.Reader }

// Resolve implements huma.Resolver: the body is read line by line.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.body = ctx.BodyReader()
	return nil
}

type importOutput struct {
	Body struct {
		Items uint64 `json:"items" doc:"How many of the body are in the store now"`
	}
}

// MountImport offers to take a part of an app's export, of at most MaxImport bytes: POST /internal/import, by its own
// sidecar only.
// A body is a stream of its own, with its last line. Problems: as Accept, and invalid-request (422, names the line),
// malformed-request (400, the body is cut off), body-too-large (413); nothing of the body is written then.
func MountImport(api huma.API, app string, state sidecar.State) {
	op := internal(app, "import", http.MethodPost, "/internal/import", "Take what another state store had")
	op.Errors, op.MaxBodyBytes = append(op.Errors, 400, 409, 413, 422), MaxImport
	op.RequestBody = &huma.RequestBody{Required: true, Content: stream()}
	httpx.Register(api, op, func(ctx context.Context, in *importInput) (*importOutput, error) {
		body := &io.LimitedReader{R: in.body, N: MaxImport + 1}
		items, err := readAll(body)
		if body.N == 0 {
			err = fault.New(fault.TooLarge, "body-too-large", "A body has at most %d bytes.", MaxImport)
		}
		if err != nil {
			return nil, err
		}
		out := &importOutput{}
		out.Body.Items = uint64(len(items))
		return out, Accept(ctx, state, items)
	})
}

func readAll(body io.Reader) (items []sidecar.Item, err error) {
	r := NewReader(body)
	for {
		item, err := r.Next()
		switch {
		case err == nil:
			items = append(items, item)
		case err == io.EOF:
			return items, nil
		case errors.Is(err, ErrCutOff):
			return nil, fault.New(fault.Malformed, "malformed-request", "The items did not arrive whole.").Because(err)
		default:
			return nil, fault.New(fault.Invalid, "invalid-request", "The items are not understood.").WithField("body", err.Error())
		}
	}
}

func internal(app, id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Internal"},
		Errors: []int{403}, Middlewares: huma.Middlewares{ownSidecar(app)}}
}

// callerHeader is who invokes an app by another sidecar. That sidecar says so, beside whatever its app says
// (daprd 1.18.1, pkg/messaging/direct_messaging.go); a call by the app's own sidecar has none.
const callerHeader = "Dapr-Caller-App-Id"

// ownSidecar refuses other apps: no service has any business with all of another's data, password hashes among it.
func ownSidecar(app string) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humachi.Unwrap(c)
		if slices.ContainsFunc(r.Header.Values(callerHeader), func(caller string) bool { return caller != app }) {
			httpx.WriteProblem(w, fault.New(fault.Forbidden, "forbidden", "This is for who works beside %s.", app))
			return
		}
		next(c)
	}
}

func stream() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{MediaType: {Schema: &huma.Schema{Type: huma.TypeString}}}
}

package transfer

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

// Source passes items of a service to put, one by one: a part of the data that the service cannot derive from other
// data. The service continues to serve requests meanwhile.
type Source func(ctx context.Context, put func(sidecar.Item) error) error

// MountExport serves the data of an app, one source after the other: GET /internal/export, for its own sidecar only.
// The memory that it needs does not depend on the amount of data.
func MountExport(api huma.API, app string, sources ...Source) {
	op := operation(app, "export", http.MethodGet, "/internal/export", "Export the data that this service cannot derive")
	op.Responses = map[string]*huma.Response{
		"200": {Description: "One item on each line, and their number on the last", Content: content()},
	}
	httpx.Register(api, op, func(_ context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", MediaType)
			out := bufio.NewWriterSize(c.BodyWriter(), 64<<10)
			if err := export(c.Context(), out, sources); err != nil {
				// The status was sent before: the missing last line tells the client of the failure.
				telemetry.Log(c.Context()).Error().Err(err).Msg("the export failed")
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

// MaxImport is the largest body of an import in bytes. Sidecars forward at most 4 MB.
const MaxImport = 4 << 20

type importInput struct{ body io.Reader }

// Resolve implements huma.Resolver: the body is read as a stream.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.body = ctx.BodyReader()
	return nil
}

type importOutput struct {
	Body struct {
		Items uint64 `json:"items" doc:"How many of the body are in the store now"`
	}
}

// MountImport imports a part of an app's export: POST /internal/import, for its own sidecar only. A body has at most
// MaxImport bytes and is a complete stream with a last line of its own. Problems: those of Import, malformed-request
// (400) if the body is truncated, body-too-large (413), and invalid-request (422), which names the line. No item of the
// body is written then.
func MountImport(api huma.API, app string, state sidecar.State) {
	op := operation(app, "import", http.MethodPost, "/internal/import", "Import data from another state store")
	op.Errors, op.MaxBodyBytes = append(op.Errors, 400, 409, 413, 422), MaxImport
	op.RequestBody = &huma.RequestBody{Required: true, Content: content()}
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
		return out, Import(ctx, state, items)
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
		case errors.Is(err, ErrTruncated):
			return nil, fault.New(fault.Malformed, "malformed-request", "The items did not arrive whole.").Because(err)
		default:
			return nil, fault.New(fault.Invalid, "invalid-request", "The items are not understood.").
				WithField("body", err.Error())
		}
	}
}

func operation(app, id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Internal"},
		Errors: []int{403}, Middlewares: huma.Middlewares{onlyOwnSidecar(app)}}
}

func content() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{MediaType: {Schema: &huma.Schema{Type: huma.TypeString}}}
}

// callerHeader names the app that calls through another sidecar. That sidecar adds it even if its app has sent one
// (daprd 1.18.1, pkg/messaging/direct_messaging.go). Calls through the app's own sidecar do not have it.
const callerHeader = "Dapr-Caller-App-Id"

// onlyOwnSidecar refuses calls of other apps: an export contains password hashes, among other data that no other
// service may read.
func onlyOwnSidecar(app string) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humachi.Unwrap(c)
		if slices.ContainsFunc(r.Header.Values(callerHeader), func(caller string) bool { return caller != app }) {
			httpx.WriteProblem(w, fault.New(fault.Forbidden, "forbidden", "Only the own sidecar of %s may call this.", app))
			return
		}
		next(c)
	}
}

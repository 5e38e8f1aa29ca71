package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"haberdash/internal/fault"
)

// maxReply bounds the replies between services, in bytes.
const maxReply = 8 << 20

// Call invokes an app with JSON in and out. in may be nil for no body, out nil to ignore the reply. A
// problem in reply comes back as the fault it describes, members included; an app that cannot be
// reached, fails with 5xx or dies while it replies, as unavailable (503). out is an object or a list: of a
// number one could not tell whether it is whole.
func Call(ctx context.Context, inv Invoker, app, method, path string, query url.Values, in, out any) error {
	r := Request{App: app, Method: method, Path: path, Query: query, Header: http.Header{"Accept": {"application/json"}}}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request for %s%s: %w", app, path, err)
		}
		r.Body = bytes.NewReader(body)
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := inv.Invoke(ctx, r)
	if err != nil {
		return unavailable(app, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil || len(body) > maxReply {
		return unavailable(app, fmt.Errorf("read reply of %s (%d bytes): %w", path, len(body), err))
	}
	if res.Status >= 300 {
		return refusal(app, path, res, body)
	}
	if out == nil {
		return nil
	}
	// A reply that the death of the app or of its sidecar cut off comes with its status and ends like a whole one
	// (daprd 1.18.1, pkg/channel/http: io.ErrUnexpectedEOF is taken for the end). No beginning of a JSON object
	// is one, the empty beginning included.
	if !json.Valid(body) {
		return unavailable(app, fmt.Errorf("the reply of %s was cut off after %d bytes", path, len(body)))
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode reply of %s%s: %w", app, path, err)
	}
	return nil
}

func unavailable(app string, cause error) error {
	return fault.New(fault.Unavailable, "unavailable", "A part of the shop (%s) does not answer just now.", app).
		After(time.Second).With("service", app).Because(fmt.Errorf("%w: %w", ErrUnavailable, cause))
}

func refusal(app, path string, res *Response, body []byte) error {
	cause := fmt.Errorf("%s%s answered %d", app, path, res.Status)
	var p map[string]any
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, &p) != nil || res.Status >= 500 {
		return unavailable(app, fmt.Errorf("%w: %.300s", cause, body))
	}
	typ, _ := p["type"].(string)
	detail, _ := p["detail"].(string)
	f := fault.New(fault.KindOf(res.Status), typ[strings.LastIndex(typ, "/")+1:], "%s", detail).Because(cause)
	var fields struct{ Errors []fault.Field }
	if json.Unmarshal(body, &fields) == nil {
		f.Fields = fields.Errors
	}
	for _, standard := range []string{"type", "title", "status", "detail", "instance", "errors"} {
		delete(p, standard)
	}
	for name, value := range p {
		f = f.With(name, value)
	}
	return f
}

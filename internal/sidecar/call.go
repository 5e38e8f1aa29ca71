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

// maxReply is the largest reply between services, in bytes.
const maxReply = 8 << 20

// Call invokes an app with a JSON body and decodes its JSON reply into out. If in is nil, the request has no body; if
// out is nil, the reply is ignored. A problem in the reply is returned as a fault with the same members. If the app
// cannot be reached, answers with 5xx or crashes while it replies, Call returns a fault of type unavailable (503).
//
// The reply must be an object or a list. Call could not notice that a number was cut off.
func Call(ctx context.Context, inv Invoker, app, method, path string, query url.Values, in, out any) error {
	header := http.Header{"Accept": {"application/json"}}
	r := Request{App: app, Method: method, Path: path, Query: query, Header: header}
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
		return appUnavailable(app, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil || len(body) > maxReply {
		return appUnavailable(app, fmt.Errorf("read reply of %s (%d bytes): %w", path, len(body), err))
	}
	if res.Status >= 300 {
		return faultOf(app, path, res, body)
	}
	if out == nil {
		return nil
	}
	// When the app or its sidecar crashes during a reply, the reply is cut off but looks complete: daprd 1.18.1
	// (pkg/channel/http) treats io.ErrUnexpectedEOF as the end of the body. A JSON object that is cut off is not valid.
	if !json.Valid(body) {
		return appUnavailable(app, fmt.Errorf("the reply of %s was cut off after %d bytes", path, len(body)))
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode reply of %s%s: %w", app, path, err)
	}
	return nil
}

// appUnavailable returns the fault for an app that does not answer.
func appUnavailable(app string, cause error) error {
	return fault.New(fault.Unavailable, "unavailable", "A part of the shop (%s) does not answer just now.", app).
		After(time.Second).With("service", app).Because(fmt.Errorf("%w: %w", ErrUnavailable, cause))
}

// faultOf returns the fault of a reply whose status is 300 or more.
func faultOf(app, path string, res *Response, body []byte) error {
	cause := fmt.Errorf("%s%s answered %d", app, path, res.Status)
	var p map[string]any
	isProblem := strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json")
	if !isProblem || json.Unmarshal(body, &p) != nil || res.Status >= 500 {
		return appUnavailable(app, fmt.Errorf("%w: %.300s", cause, body))
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
	if len(p) > 0 {
		f.Members = p
	}
	return f
}

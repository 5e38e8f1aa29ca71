// Package openapi completes the OpenAPI document that huma generates from the operations of a service. It adds what
// follows from the form of an operation: the problems that it may answer with, the headers of its responses,
// conditional requests, and the values that headers and path parameters may have. It also names the schemas for
// generated clients.
package openapi

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Describe returns a hook for huma.OpenAPI.OnAddOperation that completes an operation. problem is the type of problem
// documents. An operation itself lists only the errors that do not follow from its form, such as 403 and 409.
func Describe(problem reflect.Type) func(*huma.OpenAPI, *huma.Operation) {
	return func(doc *huma.OpenAPI, op *huma.Operation) { describer{doc.Components, problem}.describe(op) }
}

// describer completes operations. It adds the responses and headers that operations share to the components of the
// document.
type describer struct {
	*huma.Components
	problem reflect.Type
}

func (d describer) describe(op *huma.Operation) {
	for _, p := range op.Parameters {
		describeParameter(op, p)
	}
	for status, response := range op.Responses {
		if strings.HasPrefix(status, "2") {
			if response.Headers == nil {
				response.Headers = map[string]*huma.Param{}
			}
			response.Headers["X-Request-Id"] = d.header("X-Request-Id", requestID)
			d.describeConditional(op, response)
		}
	}
	delete(op.Responses, "default")
	for _, status := range slices.Concat(op.Errors, errorsOf(op)) {
		op.Responses[strconv.Itoa(status)] = d.errorResponse(status)
	}
}

// segment matches a parameter in a path. The gateway refuses dot segments, control characters and backslashes, and a
// slash begins the next segment.
const segment = `^(?!\.{1,2}$)[^\x00-\x1F\x7F/\\]+$`

// visible matches the characters that a header may have (RFC 9110, section 5.5). The gateway also refuses headers that
// are not UTF-8.
const visible = `[\t -~]*`

func describeParameter(op *huma.Operation, p *huma.Param) {
	mandatory, _ := op.Metadata[mandatoryKey].([]string)
	switch {
	case p.In == "header" && slices.Contains(mandatory, p.Name):
		p.Required = true
		addKeyword(p.Schema, "pattern", "^"+visible+"[!-~]"+visible+"$")
	case p.In == "header" && p.Schema.Pattern == "":
		addKeyword(p.Schema, "pattern", "^"+visible+"$")
	case p.In == "path" && p.Schema.Pattern == "":
		addKeyword(p.Schema, "pattern", segment)
	}
}

// addKeyword adds a keyword to the document that huma does not validate. The gateway, the server or the handler refuses
// wrong values, with problems of their own.
func addKeyword(s *huma.Schema, keyword string, value any) {
	if s.Extensions == nil {
		s.Extensions = map[string]any{}
	}
	s.Extensions[keyword] = value
}

// errorsOf lists the errors that follow from the form of an operation. Those that are always in the list come from the
// gateway, from a token that is not valid, and from query parameters that the operation does not know.
func errorsOf(op *huma.Operation) []int {
	list := []int{400, 401, 414, 422, 429, 431, 500, 503}
	if op.RequestBody != nil {
		list = append(list, 408, 413, 415)
	}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			list = append(list, 404)
		case p.Name == "If-Match" && p.Required:
			list = append(list, 412, 428)
		case p.Name == "If-Match":
			list = append(list, 412)
		}
	}
	return list
}

// describeConditional describes what httpx.Conditional adds to a GET whose response has an ETag.
func (d describer) describeConditional(op *huma.Operation, response *huma.Response) {
	if op.Method != http.MethodGet || response.Headers["ETag"] == nil {
		return
	}
	schema := &huma.Schema{Type: huma.TypeString}
	addKeyword(schema, "pattern", "^"+visible+"$")
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-None-Match", In: "header", Schema: schema,
		Description: "ETags that the client has; 304 if one of them is current",
	})
	op.Responses["304"] = &huma.Response{
		Description: "Not modified: If-None-Match has the current ETag",
		Headers: map[string]*huma.Param{
			"ETag": response.Headers["ETag"], "X-Request-Id": d.header("X-Request-Id", requestID),
		},
	}
}

// errorResponse refers to the response of an error status, which is the same in all operations.
func (d describer) errorResponse(status int) *huma.Response {
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	if d.Responses == nil {
		d.Responses = map[string]*huma.Response{}
	}
	if d.Responses[name] == nil {
		headers := map[string]*huma.Param{"X-Request-Id": d.header("X-Request-Id", requestID)}
		switch status {
		case http.StatusUnauthorized:
			headers["WWW-Authenticate"] = d.header("WWW-Authenticate", challenge)
		case http.StatusConflict, http.StatusTooManyRequests, http.StatusServiceUnavailable:
			headers["Retry-After"] = d.header("Retry-After", retryAfter)
		}
		schema := d.Schemas.Schema(d.problem, true, "Problem")
		d.Responses[name] = &huma.Response{
			Description: descriptions[status], Headers: headers,
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

// header refers to the description of a response header.
func (d describer) header(name string, h huma.Header) *huma.Param {
	if d.Headers == nil {
		d.Headers = map[string]*huma.Header{}
	}
	d.Headers[name] = &h
	return &huma.Param{Ref: "#/components/headers/" + name}
}

// mandatoryKey is the key of the mandatory headers in the metadata of an operation.
const mandatoryKey = "mandatory"

// Metadata returns the metadata of an operation with this input type: the headers with the tag mandatory:"true". The
// document describes them as required, but it is the handler that refuses a request without them, with a problem of its
// own and after problems that matter more, such as 404. Huma's tag required:"true" would answer 422 before the handler.
func Metadata(input reflect.Type) map[string]any {
	var mandatory []string
	for _, f := range reflect.VisibleFields(input) {
		if f.Tag.Get("mandatory") == "true" {
			mandatory = append(mandatory, f.Tag.Get("header"))
		}
	}
	return map[string]any{mandatoryKey: mandatory}
}

// SchemaName returns the name of a type in the document, and so in generated clients: OrderList instead of
// ListOrderView, LoginRequest instead of LoginInputBody.
func SchemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "List[") {
		return strings.TrimSuffix(strings.TrimPrefix(name, "List"), "View") + "List"
	}
	if request, ok := strings.CutSuffix(name, "InputBody"); ok {
		return request + "Request"
	}
	return strings.TrimSuffix(name, "View")
}

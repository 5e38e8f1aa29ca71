package httpx

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// describe says of an operation all that it may answer. What follows from its shape is said here, so that none forgets
// it; an operation lists what only it knows, such as 403 or 409.
func describe(doc *huma.OpenAPI, op *huma.Operation) {
	d := describer{doc.Components}
	for _, p := range op.Parameters {
		if names, _ := op.Metadata[mandatoryKey].([]string); p.In == "header" && slices.Contains(names, p.Name) {
			p.Required = true
			onlyDescribe(p.Schema, "pattern", "^"+speakable+"[!-~]"+speakable+"$")
		} else if p.In == "header" && p.Schema.Pattern == "" {
			onlyDescribe(p.Schema, "pattern", "^"+speakable+"$")
		}
		if p.In == "path" && p.Schema.Pattern == "" {
			onlyDescribe(p.Schema, "pattern", segment)
		}
	}
	for status, answer := range op.Responses {
		if strings.HasPrefix(status, "2") {
			if answer.Headers == nil {
				answer.Headers = map[string]*huma.Param{}
			}
			answer.Headers["X-Request-Id"] = d.header("X-Request-Id", requestID)
			d.conditional(op, answer)
		}
	}
	delete(op.Responses, "default")
	for _, status := range slices.Concat(op.Errors, failures(op)) {
		op.Responses[strconv.Itoa(status)] = d.failure(status)
	}
}

// segment is what can stand for a parameter in an address: the gateway refuses dot segments, control characters and
// backslashes, and a slash begins the next segment.
const segment = `^(?!\.{1,2}$)[^\x00-\x1F\x7F/\\]+$`

// speakable is what headers are of (RFC 9110, section 5.5); the gateway refuses what is not even UTF-8.
const speakable = `[\t -~]*`

// onlyDescribe adds a keyword that Huma does not look at: what it is about is refused elsewhere, in other words.
func onlyDescribe(s *huma.Schema, keyword string, value any) {
	if s.Extensions == nil {
		s.Extensions = map[string]any{}
	}
	s.Extensions[keyword] = value
}

type describer struct{ *huma.Components }

// failures are the errors that follow from an operation's shape. An unknown query parameter, a forged token, and
// whatever the gateway refuses may meet any of them.
func failures(op *huma.Operation) []int {
	list := []int{400, 401, 414, 422, 429, 431, 500, 503}
	if op.RequestBody != nil {
		list = append(list, 413, 415)
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

// conditional describes what Conditional does to reads whose answers have an ETag.
func (d describer) conditional(op *huma.Operation, answer *huma.Response) {
	if op.Method != http.MethodGet || answer.Headers["ETag"] == nil {
		return
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-None-Match", In: "header", Description: "ETags that are known already: 304 if one is the present one", Schema: &huma.Schema{Type: huma.TypeString, Extensions: map[string]any{"pattern": "^" + speakable + "$"}},
	})
	op.Responses["304"] = &huma.Response{Description: "The resource is as one of the ETags in If-None-Match says", Headers: map[string]*huma.Param{
		"ETag": answer.Headers["ETag"], "X-Request-Id": d.header("X-Request-Id", requestID),
	}}
}

// failure refers to the description of an error, the same for all operations.
func (d describer) failure(status int) *huma.Response {
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
		shape := d.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
		d.Responses[name] = &huma.Response{Description: meanings[status], Headers: headers, Content: map[string]*huma.MediaType{"application/problem+json": {Schema: shape}}}
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

func (d describer) header(name string, h huma.Header) *huma.Param {
	if d.Headers == nil {
		d.Headers = map[string]*huma.Header{}
	}
	d.Headers[name] = &h
	return &huma.Param{Ref: "#/components/headers/" + name}
}

var (
	requestID  = huma.Header{Description: "Names the request in the logs; quote it when you ask about one", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
	challenge  = huma.Header{Description: "How to authenticate (RFC 6750)", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
	retryAfter = huma.Header{Description: "Seconds after which a repetition may succeed; missing where none would", Schema: &huma.Schema{Type: huma.TypeInteger}}
)

// meanings says what the statuses of problems mean, whatever the operation.
var meanings = map[int]string{
	400: "The request could not be read, or lacks its idempotency key",
	401: "The request needs an access token, or came with one that is no good",
	402: "The payment was declined; code says why",
	403: "The caller is known, and may not do this",
	404: "There is nothing of this name that the caller may see",
	409: "The request is impossible in the present state; the type says why",
	412: "The resource has changed since the ETag in If-Match was read",
	413: "The body is too large",
	414: "The address is too long",
	415: "The body is of a media type that is not taken here",
	422: "The request was read, and is wrong: errors names the inputs to blame",
	428: "The request needs If-Match, so that nobody's change is lost",
	429: "The caller asks too often",
	431: "The header is too large",
	500: "Something went wrong on the shop's side",
	503: "A part of the shop is away, or the shop is read-only",
}

const mandatoryKey = "mandatory"

// mandatory lists the headers of an input with the tag mandatory:"true". They are described as required, and it is
// the handler that refuses their absence: with a problem of its own, and after those that weigh more, such as 404.
// Huma's tag for required ones answers 422 before.
func mandatory(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("mandatory") == "true" {
			names = append(names, f.Tag.Get("header"))
		}
	}
	return names
}

// schemaName names a type as whoever generates a client wants to read it: OrderList, not ListOrderView, and
// LoginRequest, not LoginInputBody.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "List[") {
		return strings.TrimSuffix(strings.TrimPrefix(name, "List"), "View") + "List"
	}
	if request, ok := strings.CutSuffix(name, "InputBody"); ok {
		return request + "Request"
	}
	return strings.TrimSuffix(name, "View")
}

package httpx

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"haberdash/internal/fault"
)

// ProblemBase is the beginning of the type URI of each problem. The type of the fault follows it.
const ProblemBase = "https://haberdash.dev/problems/"

// Problem is a problem document (RFC 9457). Members are further members beside the standard ones.
type Problem struct {
	Type    string         `json:"type" doc:"Stable URI that names the problem" example:"https://haberdash.dev/problems/out-of-stock"`
	Title   string         `json:"title" doc:"The HTTP status in words"`
	Status  int            `json:"status" doc:"The HTTP status"`
	Detail  string         `json:"detail,omitempty" doc:"The problem in one sentence"`
	Errors  []fault.Field  `json:"errors,omitempty" doc:"The invalid inputs"`
	Members map[string]any `json:"-"`
	_       struct{}       `additionalProperties:"true"`

	headers    http.Header
	retryAfter int // seconds
	cause      error
}

// NewProblem makes the problem of a fault. It does not show the cause of the fault. An error that is not a fault
// becomes a 500 without its text.
func NewProblem(err error) *Problem {
	f := fault.Of(err)
	p := &Problem{
		Type: ProblemBase + f.Type, Title: http.StatusText(f.Kind.Status()), Status: f.Kind.Status(),
		Detail: f.Detail, Errors: completeLocations(f.Fields), Members: f.Members, cause: err,
	}
	if f.RetryAfter > 0 {
		p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	}
	return p
}

// locationWithPart matches a location that begins with a part of the request.
var locationWithPart = regexp.MustCompile(`^(body|header|query|path)($|[.\[])`)

// completeLocations adds "body." to locations that name no part of the request: see fault.Field.
func completeLocations(fields []fault.Field) []fault.Field {
	completed := slices.Clone(fields)
	for i, f := range completed {
		if !locationWithPart.MatchString(f.Location) {
			completed[i].Location = "body." + f.Location
		}
	}
	return completed
}

// Error implements error.
func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

// Unwrap returns the error that the problem was made of.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WithHeader adds a header to the response and returns p.
func (p *Problem) WithHeader(name, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(name, value)
	return p
}

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := p.headers.Clone()
	if h == nil {
		h = http.Header{}
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="haberdash"`)
	}
	return h
}

// MarshalJSON encodes the standard members and Members. A standard member is never replaced.
func (p *Problem) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(p.Members)+5)
	for k, v := range p.Members {
		m[k] = v
	}
	m["type"], m["title"], m["status"] = p.Type, p.Title, p.Status
	if p.Detail != "" {
		m["detail"] = p.Detail
	}
	if len(p.Errors) > 0 {
		m["errors"] = p.Errors
	}
	return json.Marshal(m)
}

// WriteProblem responds with the problem of err. It is for handlers that are not operations of huma.
func WriteProblem(w http.ResponseWriter, err error) { NewProblem(err).Write(w) }

// Write responds with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	body, _ := json.Marshal(p)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(body)
}

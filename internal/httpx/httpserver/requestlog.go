package httpserver

import (
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// RequestLog says which requests a server logs. Those of probes and scrapers have debug lines only.
type RequestLog string

const (
	// LogAll logs each request: at info level, or as a warning if the status is 5xx.
	LogAll RequestLog = "on"
	// LogErrors logs requests with a status of 5xx as warnings and the others at debug level. It is the default.
	LogErrors RequestLog = "errors"
	// LogNone logs no request.
	LogNone RequestLog = "off"
)

// UnmarshalText accepts on, errors and off.
func (l *RequestLog) UnmarshalText(text []byte) error {
	switch v := RequestLog(text); v {
	case LogAll, LogErrors, LogNone:
		*l = v
		return nil
	}
	return fmt.Errorf("%q is unknown: the choices are on, errors, off", text)
}

// LogRequests chooses which requests the server logs. Call it before Run.
func (s *Server) LogRequests(l RequestLog) { s.requests = l }

// refusalsPerSecond bounds the lines of requests that are refused because there are too many (429, 503): a flood must
// not fill the disk. The metrics count all of them.
const refusalsPerSecond = 50

// answer is what a server knows of a request that it has answered.
type answer struct {
	route, method string
	status, bytes int
	took          time.Duration
}

func (s *Server) logRequest(r *http.Request, a answer) {
	level := zerolog.DebugLevel
	switch {
	case s.requests == LogNone:
		return
	case httpx.IsOperational(r.URL.Path):
	case a.status >= 500:
		level = zerolog.WarnLevel
	case s.requests == LogAll:
		level = zerolog.InfoLevel
	}
	refused := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
	if refused && !s.refusals.Sample(level) {
		return
	}
	telemetry.Log(r.Context()).WithLevel(level).Str(field.Method, a.method).Str(field.Route, a.route).
		Int(field.Status, a.status).Int(field.Bytes, a.bytes).Dur(field.Duration, a.took).Msg("request")
}

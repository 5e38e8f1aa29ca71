package cache

import "net/http"

// recorder buffers an answer. An answer that becomes larger than max bytes spills: what was buffered and what follows
// is written to the writer that spill returns, or is dropped if that is nil.
type recorder struct {
	header  http.Header
	status  int
	body    []byte
	max     int
	spill   func(status int, header http.Header) http.ResponseWriter
	spilled http.ResponseWriter // nil: the answer is buffered
}

func newRecorder(max int, spill func(status int, header http.Header) http.ResponseWriter) *recorder {
	return &recorder{header: http.Header{}, max: max, spill: spill}
}

// serve records the answer of a handler. It returns false if a buffered answer breaks off; if one that has spilled
// breaks off, it panics with http.ErrAbortHandler as the handler did.
func (a *recorder) serve(h http.Handler, r *http.Request) (complete bool) {
	defer func() {
		if p := recover(); p != nil && (p != http.ErrAbortHandler || a.spilled != nil) {
			panic(p)
		}
	}()
	h.ServeHTTP(a, r)
	return true
}

// Header implements http.ResponseWriter.
func (a *recorder) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. It drops informational answers (1xx).
func (a *recorder) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

// Write implements io.Writer.
func (a *recorder) Write(b []byte) (int, error) {
	a.finish()
	if a.spilled != nil {
		return a.spilled.Write(b)
	}
	if len(a.body)+len(b) <= a.max {
		a.body = append(a.body, b...)
		return len(b), nil
	}
	if a.spilled = a.spill(a.status, a.header); a.spilled == nil {
		a.spilled = discard{}
	}
	if _, err := a.spilled.Write(a.body); err != nil {
		return 0, err
	}
	a.body = nil
	return a.spilled.Write(b)
}

// finish sets the status of an answer that has set none.
func (a *recorder) finish() { a.WriteHeader(http.StatusOK) }

// discard drops an answer that nothing waits for.
type discard struct{ http.ResponseWriter }

// Write implements io.Writer.
func (discard) Write(b []byte) (int, error) { return len(b), nil }

package invoketest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// seen is what the app has received.
type seen struct {
	Method, Path, Body string
	Query              url.Values
	Header             http.Header
}

// target is the app that is called. It sends the lines of a request to the test as they arrive.
type target struct{ lines chan string }

// ServeHTTP implements http.Handler.
func (a target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w).Flush
	switch r.URL.Path {
	case "/answer":
		w.Header().Set("ETag", `"7"`)
		w.Header().Add("X-List", "a")
		w.Header().Add("X-List", "b")
		status := 0
		fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			io.WriteString(w, "body")
		}
	case "/problem":
		httpx.WriteProblem(w, fault.New(fault.Conflict, "out-of-stock", "Too few.").
			With("lines", []int{1}).WithField("body.x", "bad"))
	case "/outage":
		httpx.WriteProblem(w, fault.New(fault.Unavailable, "unavailable", "Later.").After(3*time.Second))
	case "/mirror":
		io.Copy(w, r.Body)
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = flush()
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = flush()
		}
		<-r.Context().Done() // ends when the caller closes the response
	case "/lines":
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			a.lines <- lines.Text()
		}
	case "/hang":
		<-r.Context().Done()
	default:
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(seen{r.Method, r.URL.EscapedPath(), string(body), r.URL.Query(), r.Header})
	}
}

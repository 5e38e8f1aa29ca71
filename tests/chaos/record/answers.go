package record

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"haberdash/tests/api"
)

// Count counts an answer by a short description, such as "409 out-of-stock".
func (r *Record) Count(description string) { r.locked(func() { r.answers[description]++ }) }

// CheckAnswer counts an answer and records a violation if it breaks a rule that the API has for all answers: an
// unavailable service answers 503 with Retry-After, never 500, and every error is a problem document.
func (r *Record) CheckAnswer(request api.Request, a *api.Answer) {
	description := fmt.Sprint(a.Status)
	if a.Status >= 400 {
		description += " " + a.Problem().Name()
	}
	r.Count(description)
	violation := ""
	switch {
	case a.Status < 400:
	case a.Header.Get("Content-Type") != "application/problem+json":
		violation = "is not a problem document"
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
		violation = "has no Retry-After"
	case a.Status >= 500 && a.Status != http.StatusServiceUnavailable:
		violation = "is a server error"
	}
	if violation != "" {
		r.AddViolation(0, "%s %s: the answer %d %s: %.300s", request.Method, request.Path, a.Status, violation, a.Body)
	}
}

// Summary returns the numbers of answers, most frequent first, and the operation that took longest, as lines of a log.
func (r *Record) Summary() (lines []string) {
	var longest wait
	r.locked(func() {
		for description, n := range r.answers {
			lines = append(lines, fmt.Sprintf("%5d × %s", n, description))
		}
		longest = r.longest
	})
	slices.Sort(lines)
	slices.Reverse(lines)
	return append(lines, fmt.Sprintf("longest wait: %s: %s", longest.took.Round(time.Millisecond), longest.operation))
}

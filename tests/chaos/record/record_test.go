package record

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

func TestAnswersThatBreakRulesOfTheAPIAreViolations(t *testing.T) {
	t.Parallel()
	problem := func(status int, retryAfter string) *api.Answer {
		h := http.Header{"Content-Type": {"application/problem+json"}}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return &api.Answer{Status: status, Header: h, Body: []byte(`{"type":"x/y"}`)}
	}
	for name, c := range map[string]struct {
		answer     *api.Answer
		violations int
	}{
		"success":                    {&api.Answer{Status: 201, Header: http.Header{}}, 0},
		"409 with a problem":         {problem(409, ""), 0},
		"503 with Retry-After":       {problem(503, "1"), 0},
		"503 without Retry-After":    {problem(503, ""), 1},
		"500 with a problem":         {problem(500, ""), 1},
		"404 without a problem":      {&api.Answer{Status: 404, Header: http.Header{}}, 1},
		"502 with a body as a proxy": {&api.Answer{Status: 502, Header: http.Header{}, Body: []byte("bad gateway")}, 1},
	} {
		r := New()
		r.CheckAnswer(api.Request{}, c.answer)
		require.Len(t, r.Violations, c.violations, name)
	}
}

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseReadsArguments(t *testing.T) {
	list, err := parse([]string{"keys:A", "redis:HOST=redis:6379", "keys:B", "redis:EMPTY="})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "keys", list[0].Metadata.Name)
	require.Regexp(t, "^[0-9a-f]{64}$", list[0].StringData["A"])
	require.Regexp(t, "^[0-9a-f]{64}$", list[0].StringData["B"])
	require.NotEqual(t, list[0].StringData["A"], list[0].StringData["B"])
	require.Equal(t, map[string]string{"HOST": "redis:6379", "EMPTY": ""}, list[1].StringData)

	for _, bad := range [][]string{nil, {"keys"}, {"keys:"}, {":A"}, {"keys:=x"}, {"keys:A", "keys:A=1"}} {
		_, err := parse(bad)
		require.Error(t, err, "%q", bad)
	}
}

// The test's API server creates secrets, and refuses a name that exists. Several runs of the command start at once.
func TestExistingSecretsAreNotChanged(t *testing.T) {
	var mu sync.Mutex
	stored := map[string]map[string]string{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var s secret
		switch err := json.NewDecoder(r.Body).Decode(&s); {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case r.Method != http.MethodPost || r.URL.Path != "/api/v1/namespaces/shop/secrets":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer t":
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"reason":"Forbidden"}`))
		case stored[s.Metadata.Name] != nil:
			w.WriteHeader(http.StatusConflict)
		default:
			stored[s.Metadata.Name] = s.StringData
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer api.Close()
	c := &client{http: api.Client(), secrets: api.URL + "/api/v1/namespaces/shop/secrets", token: "t\n"}
	type result struct {
		value   string
		created bool
		err     error
	}
	results := make(chan result, 8)
	for range cap(results) { // a Job may run twice
		go func() {
			list, err := parse([]string{"keys:ID_KEY"})
			if err != nil {
				results <- result{err: err}
				return
			}
			created, err := c.create(t.Context(), list[0])
			results <- result{list[0].StringData["ID_KEY"], created, err}
		}()
	}
	var created []string // values
	for range cap(results) {
		r := <-results
		require.NoError(t, r.err)
		if r.created {
			created = append(created, r.value)
		}
	}
	require.Equal(t, []string{stored["keys"]["ID_KEY"]}, created)

	c.token = "another"
	_, err := c.create(t.Context(), secret{})
	require.ErrorContains(t, err, "403")
	require.ErrorContains(t, err, "Forbidden")
}

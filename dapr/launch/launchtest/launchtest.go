// Package launchtest has what the tests of the launcher's packages share.
package launchtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Get returns the body of the answer to a GET request. header has names and values in turn. The test fails if there is
// no answer.
func Get(t *testing.T, url string, header ...string) string {
	t.Helper()
	res, err := send(http.MethodGet, url, nil, header)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(b)
}

// Post sends JSON and returns the status and the body of the answer. The body is empty if it is not JSON. Without an
// answer, the status is 0 and the body is the error.
func Post(url, body string, header ...string) (status int, answer string) {
	res, err := send(http.MethodPost, url, strings.NewReader(body), append(header, "Content-Type", "application/json"))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if !json.Valid(b) {
		b = nil
	}
	return res.StatusCode, string(b)
}

func send(method, url string, body io.Reader, header []string) (*http.Response, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return http.DefaultClient.Do(req)
}

// Log is a log that several goroutines may write to.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

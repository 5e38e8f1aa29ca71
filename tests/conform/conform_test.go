package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/process"
	"haberdash/internal/contract"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// startSubject starts a shop for a test.
func startSubject(t *testing.T, app string, fault func(http.Handler) http.Handler) *subject {
	t.Helper()
	var log launchtest.Log
	s, stop, err := start(t.Context(), app, t.TempDir(), &log, fault)
	require.NoError(t, err, log.String())
	t.Cleanup(stop)
	return s
}

func TestNotificationsKeepTheContract(t *testing.T) {
	s := startSubject(t, "notifications", nil)
	s.try(t.Context(), func(r result) {
		assert.NoError(t, r.err, "%s: %s", r.name, r.promise)
	})
}

// mistaken is an app that makes a mistake: it is between the gate and the right app.
type mistaken struct {
	subject *subject
	once    sync.Once
	calls   int
	seen    []string // bodies of deliveries
	first   []byte
}

// mistake is something that an app might do wrong.
type mistake struct {
	check string // which finds it
	says  string // part of its message
	serve func(m *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request)
}

// answering is a mistake in the answer to some requests.
func answering(method, path string, status int, body string) func(*mistaken, http.Handler, http.ResponseWriter,
	*http.Request) {
	return func(_ *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method != method || !strings.HasPrefix(r.URL.Path, path) {
			app.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// answeringProbes gives all deliveries of a check, and none of the broker, the same answer.
func answeringProbes(body string) func(*mistaken, http.Handler, http.ResponseWriter, *http.Request) {
	return func(_ *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(probeHeader) == "" || r.Method != http.MethodPost {
			app.ServeHTTP(w, r)
			return
		}
		fmt.Fprint(w, body)
	}
}

// refusing refuses messages that contain a text.
func refusing(text string) func(*mistaken, http.Handler, http.ResponseWriter, *http.Request) {
	return func(_ *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.URL.Path, "/events/") && bytes.Contains(body, []byte(text)) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		app.ServeHTTP(w, r)
	}
}

// positions changes the answer to GET /internal/consumers.
func positions(change func(m *mistaken, answer []byte) []byte) func(*mistaken, http.Handler, http.ResponseWriter,
	*http.Request) {
	return func(m *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/internal/consumers" {
			app.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		app.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(change(m, answer.Body.Bytes()))
	}
}

// mistakes are found by the checks. No app can break the promise "strangers", which its sidecar keeps.
var mistakes = map[string]mistake{
	"is never ready": {"checks", "GET /readyz was answered with 503",
		answering(http.MethodGet, "/readyz", http.StatusServiceUnavailable, "")},
	"asks for no token": {"tokens", "GET /internal/consumers with the token",
		answering(http.MethodGet, "/internal/consumers", http.StatusOK, `{"cursors":[]}`)},
	"refuses what it has handled": {"repetitions", "instead of SUCCESS", answeringProbes(`{"status":"RETRY"}`)},
	"does not know bulks": {"bulk", "got the statuses [RETRY RETRY RETRY]",
		answeringProbes(`{"status":"SUCCESS"}`)},
	"forgets poison": {"poison", "it is lost", func(m *mistaken, app http.Handler, w http.ResponseWriter,
		r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if messages, bulk, _ := parseDelivery(body); len(messages) > 0 {
			acknowledge(w, messages, bulk)
			return
		}
		app.ServeHTTP(w, r)
	}},
	"loses deliveries": {"poison", "was answered with 404",
		answering(http.MethodPost, "/events/", http.StatusNotFound, "")},
	"knows all members":       {"additions", "the app has refused", refusing("conformAddition")},
	"routes by the attribute": {"earlier", "the app has refused", refusing("com.dapr.event.sent\"")},
	"has no positions": {"positions", "was answered with 404 and not with the positions",
		answering(http.MethodGet, "/internal/consumers", http.StatusNotFound, "")},
	"leaves members out": {"positions", "is not as api/internal/notifications.json describes it",
		positions(func(_ *mistaken, answer []byte) []byte {
			return bytes.ReplaceAll(answer, []byte(`"head"`), []byte(`"end"`))
		})},
	"reads no feed": {"gaps", "whose last event has position", positions(func(m *mistaken, answer []byte) []byte {
		m.once.Do(func() { m.first = answer })
		return m.first
	})},
	"gives up late events": {"order", "became dead letters", positions(func(m *mistaken, answer []byte) []byte {
		var list contract.Cursors
		_ = json.Unmarshal(answer, &list)
		m.calls++
		for i := range list.Cursors {
			given := min(uint64(m.calls), list.Cursors[i].Applied)
			list.Cursors[i].Applied -= given
			list.Cursors[i].Parked += given
		}
		answer, _ = json.Marshal(list)
		return answer
	})},
	"does not come back": {"kill", "was not ready again",
		answering(http.MethodGet, "/readyz", http.StatusServiceUnavailable, "")},
	"hangs at its end": {"end", "ten seconds after SIGTERM", func(m *mistaken, app http.Handler, w http.ResponseWriter,
		r *http.Request) {
		app.ServeHTTP(w, r)
		if strings.HasPrefix(r.URL.Path, "/events/") {
			m.once.Do(func() {
				p, _ := m.subject.shop.Process(m.subject.id)
				_ = syscall.Kill(p.PID, syscall.SIGSTOP)
			})
		}
	}},
	"keeps no dead letters": {"dead-letters", "is not in the list of dead letters",
		answering(http.MethodGet, "/api/v1/dead-letters/", http.StatusOK, `{"items":[],"nextCursor":null}`)},
	"exports what it gets": {"export", "has a new document", exportingDeliveries},
	"remembers everybody":  {"erasure", "of the deleted user is still in", exportingDeliveries},
	"mails twice": {"mails", "2 mails are about the order", func(m *mistaken, app http.Handler, w http.ResponseWriter,
		r *http.Request) {
		app.ServeHTTP(w, r)
		files, _ := filepath.Glob(filepath.Join(m.subject.shop.MailDir(), "*"))
		for _, path := range files {
			if !strings.HasSuffix(path, ".twice") {
				text, _ := os.ReadFile(path)
				_ = os.WriteFile(path+".twice", text, 0o600)
			}
		}
	}},
}

// exportingDeliveries adds to the export what was delivered.
func exportingDeliveries(m *mistaken, app http.Handler, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if strings.HasPrefix(r.URL.Path, "/events/") {
		m.seen = append(m.seen, string(body))
	}
	if r.URL.Path != "/internal/export" {
		app.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	app.ServeHTTP(answer, r)
	line, _ := json.Marshal(map[string]any{"seen": m.seen})
	fmt.Fprintf(w, "%s%s\n", answer.Body, line)
}

// TestMistakesAreFound has an app make one mistake after another. The check of the promise that it breaks says so.
func TestMistakesAreFound(t *testing.T) {
	var mu sync.Mutex
	var present *mistake
	var m *mistaken
	s := startSubject(t, "notifications", func(app http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock() // the mistakes are not made for several requests at once
			if present == nil {
				app.ServeHTTP(w, r)
				return
			}
			present.serve(m, app, w, r)
		})
	})
	s.patience = 5 * time.Second
	found := map[string]bool{"strangers": true}
	for _, name := range slices.Sorted(maps.Keys(mistakes)) {
		wrong := mistakes[name]
		mu.Lock()
		present, m = &wrong, &mistaken{subject: s}
		mu.Unlock()
		s.try(t.Context(), func(r result) {
			assert.True(t, r.broken(), "the app %s: %s", name, r)
			assert.ErrorContains(t, r.err, wrong.says, name)
		}, wrong.check)
		found[wrong.check] = true
		mu.Lock()
		present = nil
		mu.Unlock()
		require.NoError(t, s.recover(t), name)
	}
	for _, c := range checks() {
		assert.True(t, found[c.name], "no mistake breaks the check %s", c.name)
	}
}

// recover waits until the app, which makes no mistake any more, is as before.
func (s *subject) recover(t *testing.T) error {
	s.gate.rewrite(nil)
	s.gate.release()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if p, _ := s.shop.Process(s.id); p.Exit != "" {
		if err := s.shop.Restart(s.id); err != nil {
			return err
		}
	}
	if err := s.shop.Ready(ctx); err != nil {
		return err
	}
	_, err := s.caughtUp(ctx)
	return err
}

// Command app replaces every app in the tests of the launcher. It is always ready, and it records the events that it
// receives.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("CRASH") == os.Getenv("APP_ID") {
		fmt.Println("the configuration is invalid")
		time.Sleep(200 * time.Millisecond) // as internal/host does: otherwise `dapr run` loses the last lines
		os.Exit(3)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex
	var events []any
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok)
	mux.HandleFunc("GET /env/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getenv(r.PathValue("name")))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(events)
	})
	mux.HandleFunc("POST /events/{topic}", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("dapr-api-token") != os.Getenv("APP_API_TOKEN") {
			http.Error(w, "not from the sidecar of this app", http.StatusForbidden)
			return
		}
		var bulk struct {
			Entries []struct {
				EntryID string         `json:"entryId"`
				Event   map[string]any `json:"event"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&bulk); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		type status struct {
			EntryID string `json:"entryId"`
			Status  string `json:"status"`
		}
		var answer struct {
			Statuses []status `json:"statuses"`
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range bulk.Entries {
			events = append(events, e.Event["data"])
			answer.Statuses = append(answer.Statuses, status{e.EntryID, "SUCCESS"})
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("APP_PORT"), Handler: mux}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	fmt.Println(os.Getenv("APP_ID"), "listens on", server.Addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Println(err)
		os.Exit(1)
	}
}

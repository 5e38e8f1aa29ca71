// Package control is how a command asks the supervisor of a shop for something: with a request to an HTTP server on the
// loopback address. Its address and the token that it demands are in a file of the run directory, which only the owner
// of the shop can read. (A Unix socket would need neither, but the path of one may have no more than 100 bytes.)
package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"haberdash/dapr/launch/rundir"
)

// ErrNotRunning is returned for a run directory without a shop.
var ErrNotRunning = errors.New("the shop is not running: `make up` starts it")

// An Action does what a request asks for. What it returns becomes JSON. ctx ends when the command that has sent the
// request ends, and when the server closes.
type Action func(ctx context.Context, apps []string) (any, error)

type endpoint struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

type request struct {
	Apps []string `json:"apps"`
}

type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// FileName is the name of the file with the address in a run directory.
const FileName = "control.json"

// Server answers requests until Close.
type Server struct {
	server *http.Server
	file   string
	cancel context.CancelFunc
}

// Serve serves the actions of a shop by their names.
func Serve(ctx context.Context, runDir string, actions map[string]Action) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	own := endpoint{Address: listener.Addr().String(), Token: rand.Text()}
	mux := http.NewServeMux()
	for name, do := range actions {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { handle(w, r, do) })
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{file: filepath.Join(runDir, FileName), cancel: cancel, server: &http.Server{
		Handler:           authenticated(own.Token, mux),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
	}}
	text, err := json.Marshal(own)
	if err == nil {
		err = writeFile(s.file, text)
	}
	if err != nil {
		cancel()
		return nil, errors.Join(err, listener.Close())
	}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func writeFile(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func authenticated(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "only the owner of the shop may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func handle(w http.ResponseWriter, r *http.Request, do Action) {
	var in request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out answer
	result, err := do(r.Context(), in.Apps)
	if err == nil {
		out.Result, err = json.Marshal(result)
	}
	if err != nil {
		out.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// Close ends the contexts of the actions and stops the server.
func (s *Server) Close() {
	s.cancel()
	_ = s.server.Close()
	_ = os.Remove(s.file)
}

// patience is how long a command waits for the server of a shop, which starts right after the shop is ready.
const patience = 2 * time.Second

// find reads the address of a server.
func find(ctx context.Context, file string) (to endpoint, err error) {
	for deadline := time.Now().Add(patience); ; {
		text, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(text, &to); err != nil {
				return to, fmt.Errorf("%s: %w", file, err)
			}
			return to, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return to, err
		}
		if time.Now().After(deadline) {
			return to, errors.New("the shop takes no requests: it is starting or stopping, or runs an earlier version")
		}
		select {
		case <-ctx.Done():
			return to, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Ask sends a request to the supervisor of a run directory, waits for the answer, and decodes it into result. It
// returns ErrNotRunning if no supervisor has the directory.
func Ask(ctx context.Context, runDir, action string, apps []string, result any) error {
	running, err := rundir.Running(runDir)
	if err != nil {
		return err
	}
	if !running {
		return ErrNotRunning
	}
	to, err := find(ctx, filepath.Join(runDir, FileName))
	if err != nil {
		return err
	}
	body, err := json.Marshal(request{Apps: apps})
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.Address+"/"+action, bytes.NewReader(body))
	if err != nil {
		return err
	}
	post.Header.Set("Authorization", "Bearer "+to.Token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without a proxy
	res, err := client.Do(post)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("the supervisor of the shop does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the supervisor of the shop answers %s: it runs another version", res.Status)
	}
	var in answer
	if err := json.NewDecoder(res.Body).Decode(&in); err != nil {
		return fmt.Errorf("the supervisor of the shop has stopped: %w", err)
	}
	if in.Error != "" {
		return errors.New(in.Error)
	}
	return json.Unmarshal(in.Result, result)
}

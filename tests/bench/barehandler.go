package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"

	"github.com/go-chi/chi/v5"
)

// bareHandlerVariable is an environment variable that makes this program the bare handler. It runs in a process of its
// own, as the gateway does.
const bareHandlerVariable = "BENCH_BARE_HANDLER"

// startBareHandler starts a process that answers every request for a product with the body.
func startBareHandler(body []byte) (address string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), bareHandlerVariable+"=on"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if _, err = fmt.Fprintln(in, len(body)); err == nil {
		_, err = in.Write(body)
	}
	if err == nil {
		_, err = fmt.Fscanln(out, &address)
	}
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("bare handler: %w", err)
	}
	return address, stop, nil
}

// serveBareHandler reads a body from standard input, prints the address of its server, and serves the body until
// standard input ends.
func serveBareHandler() error {
	var size int
	if _, err := fmt.Fscanln(os.Stdin, &size); err != nil {
		return err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(os.Stdin, body); err != nil {
		return err
	}
	r := chi.NewRouter()
	r.Get("/api/v1/products/{handle}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, r)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

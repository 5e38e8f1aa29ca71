// Package contract compares what the apps of a shop say to one another with what is promised: api/asyncapi.yaml for
// events, and api/internal for calls. A Recorder sits between the sidecars and the apps, and a Checker validates what
// it has recorded. Neither knows in which language an app is written.
package contract

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Exchange is a request that an app has received, and its answer.
type Exchange struct {
	App      string
	Request  *http.Request // its body is read already
	Body     []byte
	Status   int
	Header   http.Header
	Response []byte
}

// Recorder records the requests that reach apps, with their answers. It forwards the bytes of each connection as they
// are, and reads HTTP from a copy of them.
type Recorder struct {
	record func(Exchange)
	ctx    context.Context
	stop   context.CancelFunc
	tasks  sync.WaitGroup
}

// NewRecorder returns a recorder that calls record for each exchange, from several goroutines.
func NewRecorder(record func(Exchange)) *Recorder {
	r := &Recorder{record: record}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Tap forwards connections from the port to the port behind, once the app listens there: see config.Options.
func (r *Recorder) Tap(app string, port, behind int) {
	r.tasks.Go(func() {
		target := fmt.Sprintf("127.0.0.1:%d", behind)
		for {
			c, err := (&net.Dialer{}).DialContext(r.ctx, "tcp", target)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-r.ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return // the app is not ready then, and the start of the shop fails
		}
		context.AfterFunc(r.ctx, func() { listener.Close() })
		r.forward(app, listener, target)
	})
}

// Close ends the connections, and returns when all exchanges are recorded.
func (r *Recorder) Close() {
	r.stop()
	r.tasks.Wait()
}

func (r *Recorder) forward(app string, from net.Listener, target string) {
	for {
		client, err := from.Accept()
		if err != nil {
			return
		}
		r.tasks.Go(func() {
			defer client.Close()
			server, err := (&net.Dialer{}).DialContext(r.ctx, "tcp", target)
			if err != nil {
				return
			}
			defer server.Close()
			defer context.AfterFunc(r.ctx, func() { client.Close(); server.Close() })()
			requests, responses := newCopied(), newCopied()
			r.tasks.Go(func() { r.read(app, requests, responses) })
			var both sync.WaitGroup
			both.Go(func() { pass(server, client, requests) })
			both.Go(func() { pass(client, server, responses) })
			both.Wait()
		})
	}
}

// pass forwards one direction of a connection, until one of its sides ends it.
func pass(to, from net.Conn, copied *copied) {
	defer copied.end()
	_, _ = io.Copy(io.MultiWriter(to, copied), from)
	_ = to.(*net.TCPConn).CloseWrite()
}

// read reads the exchanges of a connection until it ends, or an exchange is not complete.
func (r *Recorder) read(app string, requests, responses *copied) {
	defer requests.drop()
	defer responses.drop()
	in, out := bufio.NewReader(requests), bufio.NewReader(responses)
	for {
		x := Exchange{App: app}
		var err error
		if x.Request, err = http.ReadRequest(in); err != nil {
			return
		}
		if x.Body, err = io.ReadAll(x.Request.Body); err != nil {
			return
		}
		response, err := http.ReadResponse(out, x.Request)
		for err == nil && response.StatusCode < http.StatusOK { // 100 Continue
			response, err = http.ReadResponse(out, x.Request)
		}
		if err != nil {
			return
		}
		x.Status, x.Header = response.StatusCode, response.Header
		if x.Response, err = io.ReadAll(response.Body); err != nil {
			return
		}
		r.record(x)
	}
}

// copied is a pipe of any size: writing to it never waits for the reader.
type copied struct {
	mu      sync.Mutex
	changed *sync.Cond
	bytes   []byte
	ended   bool
	dropped bool
}

func newCopied() *copied {
	c := &copied{}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Write implements io.Writer.
func (c *copied) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dropped {
		c.bytes = append(c.bytes, p...)
		c.changed.Signal()
	}
	return len(p), nil
}

// Read implements io.Reader.
func (c *copied) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.bytes) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		c.changed.Wait()
	}
	n := copy(p, c.bytes)
	c.bytes = c.bytes[n:]
	return n, nil
}

// end says that nothing more is written.
func (c *copied) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.changed.Broadcast()
}

// drop says that nothing more is read.
func (c *copied) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes, c.dropped = nil, true
}

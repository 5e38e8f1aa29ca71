package httpserver

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// idleConns limits the connections on which the server waits for the client. When there are more than max, it closes
// the one that has waited longest. So any number of clients that send slowly or nothing use a limited amount of memory,
// and they displace each other before they displace a client that sends.
type idleConns struct {
	max int

	mu       sync.Mutex
	queue    *list.List // of net.Conn, the one that has waited longest first
	elements map[net.Conn]*list.Element
}

func newIdleConns(limit int) *idleConns {
	return &idleConns{max: limit, queue: list.New(), elements: map[net.Conn]*list.Element{}}
}

func (i *idleConns) add(c net.Conn) {
	i.mu.Lock()
	var excess net.Conn
	if i.elements[c] == nil {
		i.elements[c] = i.queue.PushBack(c)
	}
	if i.queue.Len() > i.max {
		excess = i.queue.Front().Value.(net.Conn)
		i.removeLocked(excess)
	}
	i.mu.Unlock()
	if excess != nil {
		_ = excess.Close()
	}
}

func (i *idleConns) remove(c net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.removeLocked(c)
}

// removeLocked removes a connection while mu is held.
func (i *idleConns) removeLocked(c net.Conn) {
	if element := i.elements[c]; element != nil {
		i.queue.Remove(element)
		delete(i.elements, c)
	}
}

// connState is for http.Server.ConnState. In the states new and idle, the server waits for the header of a request.
func (i *idleConns) connState(c net.Conn, state http.ConnState) {
	if state == http.StateNew || state == http.StateIdle {
		i.add(c)
	} else {
		i.remove(c)
	}
}

type connKey struct{}

// conn is the connection of a request.
type conn struct {
	net.Conn
	idle *idleConns
}

// connContext is for http.Server.ConnContext. It adds the connection to the context of its requests, for AwaitBody.
func (i *idleConns) connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn{c, i})
}

// AwaitBody counts the connection of a request as idle (see Options.MaxIdleConns) while its handler waits for the
// client to send more of the body. Call it with the context of the request before each read of the body, and call the
// function that it returns after the read.
func AwaitBody(ctx context.Context) (received func()) {
	c, ok := ctx.Value(connKey{}).(conn)
	if !ok {
		return func() {} // the server has no limit
	}
	c.idle.add(c.Conn)
	return func() { c.idle.remove(c.Conn) }
}

package httpx

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// waiting are the connections whose client is to send something: the first request, the next one, or a body. When
// they are more than max, the one that has kept the server waiting the longest is closed. So any number of clients
// that send slowly, or nothing, take a bounded amount of memory and drive out each other before anyone who sends.
type waiting struct {
	max int

	mu     sync.Mutex
	queue  *list.List // of net.Conn, the longest waiting first
	places map[net.Conn]*list.Element
}

func newWaiting(most int) *waiting {
	return &waiting{max: most, queue: list.New(), places: map[net.Conn]*list.Element{}}
}

func (q *waiting) enter(c net.Conn) {
	q.mu.Lock()
	var longest net.Conn
	if q.places[c] == nil {
		q.places[c] = q.queue.PushBack(c)
	}
	if q.queue.Len() > q.max {
		longest = q.queue.Front().Value.(net.Conn)
		q.remove(longest)
	}
	q.mu.Unlock()
	if longest != nil {
		_ = longest.Close()
	}
}

func (q *waiting) leave(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(c)
}

func (q *waiting) remove(c net.Conn) {
	if place := q.places[c]; place != nil {
		q.queue.Remove(place)
		delete(q.places, c)
	}
}

// state is for http.Server.ConnState: a connection is new or idle until the header of a request is whole.
func (q *waiting) state(c net.Conn, s http.ConnState) {
	if s == http.StateNew || s == http.StateIdle {
		q.enter(c)
	} else {
		q.leave(c)
	}
}

type awaitKey struct{}

type awaited struct {
	q    *waiting
	conn net.Conn
}

// context is for http.Server.ConnContext.
func (q *waiting) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, awaitKey{}, awaited{q, c})
}

// Await says that a request waits for its client to send more of the body, until the function that it returns is
// called. See Options.MaxWaiting.
func Await(ctx context.Context) (arrived func()) {
	a, ok := ctx.Value(awaitKey{}).(awaited)
	if !ok {
		return func() {}
	}
	a.q.enter(a.conn)
	return func() { a.q.leave(a.conn) }
}

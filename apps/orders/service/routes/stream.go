package routes

import (
	"context"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/danielgtaylor/huma/v2/sse"

	"haberdash/apps/orders/service/views"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

const (
	// maxStream bounds one stream. Clients connect again; the EventSource of browsers does so by itself.
	maxStream = 10 * time.Minute
	// recheckEvery is how often an idle stream looks for changes that another replica has made.
	recheckEvery = time.Second
)

const streamPath = "/api/v1/orders/{id}/stream"

// mountStream serves the server-sent events of an order: its state at once, and then after each change.
func (r *Routes) mountStream(api huma.API) {
	sse.Register(api, huma.Operation{OperationID: "stream-order", Method: http.MethodGet, Path: streamPath,
		Tags: []string{"Orders"}, Summary: "Follow an order", Security: httpx.Optional,
		Middlewares: huma.Middlewares{r.checkStreamAccess(api)}},
		map[string]any{"order": views.OrderView{}}, r.streamOrder)
	// Huma describes a list of all events with decoded data. The answer is one event after the other, whose data is text.
	api.OpenAPI().Paths[streamPath].Get.Responses["200"].Content["text/event-stream"].Schema = &huma.Schema{
		Type: huma.TypeObject, Description: "One event; the stream ends when the client disconnects, or after ten minutes",
		Required: []string{"id", "event", "data"},
		Properties: map[string]*huma.Schema{
			"id":    {Type: huma.TypeString, Description: "The order's version"},
			"event": {Type: huma.TypeString, Enum: []any{"order"}},
			"data": {Type: huma.TypeString, Description: "The order, as JSON", Extensions: map[string]any{
				"contentMediaType": "application/json",
				"contentSchema":    api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[views.OrderView](), true, ""),
			}},
		},
	}
}

func (r *Routes) streamOrder(ctx context.Context, in *OrderRef, send sse.Sender) {
	ctx, cancel := context.WithTimeout(ctx, maxStream)
	defer cancel()
	read := r.Orders.Get // the client may have been told of a change that another replica has made
	for sent := uint64(0); ctx.Err() == nil; read = r.Orders.Recent {
		changed := r.Orders.Changed()
		o, version, err := read(ctx, in.ID)
		if err != nil {
			return
		}
		if version > sent {
			v, err := r.Views.Order(ctx, o, version)
			if err != nil || send(sse.Message{ID: int(version), Data: v}) != nil {
				return
			}
			sent = version
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(recheckEvery):
		}
	}
}

// checkStreamAccess refuses a request before the stream begins, because its status cannot change
// afterwards.
func (r *Routes) checkStreamAccess(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		ref := OrderRef{ID: c.Param("id"), Token: c.Header("X-Order-Token")}
		if _, err := r.requireAccess(c.Context(), ref); err != nil {
			p := httpx.NewProblem(err)
			_ = huma.WriteErr(api, c, p.Status, p.Detail, p) // it fails only if the client is gone
			return
		}
		end, err := r.streams.begin(c.Param("id"))
		if err != nil {
			p := httpx.NewProblem(err)
			_, w := humachi.Unwrap(c)
			p.Write(w) // with Retry-After
			return
		}
		defer end()
		next(c)
	}
}

// maxStreamsOfAnOrder bounds the streams of one order that are in progress, so that a caller who may read one order
// does not take the places of all streams.
const maxStreamsOfAnOrder = 20

// streams counts the streams in progress by order. The zero value is ready to use.
type streams struct {
	mu sync.Mutex
	of map[string]int
}

// begin counts a stream until end is called. Problem: too-many-requests (429).
func (s *streams) begin(order string) (end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[order] >= maxStreamsOfAnOrder {
		return nil, fault.New(fault.TooMany, "too-many-requests", "Too many streams of this order are open.").
			After(5 * time.Second)
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.of[order]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.of[order]--; s.of[order] == 0 {
			delete(s.of, order)
		}
	}, nil
}

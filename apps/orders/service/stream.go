package service

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"haberdash/internal/httpx"
)

// streamFor bounds one stream; clients reconnect (the EventSource of browsers does by itself).
const streamFor = 10 * time.Minute

const streamPath = "/api/v1/orders/{id}/stream"

// recheck is how often an idle stream looks for changes that another replica has made.
const recheck = time.Second

// mountStream adds the server-sent events of an order: its state at once, then after each change.
func (s *Service) mountStream(api huma.API) {
	sse.Register(api, huma.Operation{OperationID: "stream-order", Method: http.MethodGet, Path: streamPath,
		Tags: []string{"Orders"}, Summary: "Follow an order", Security: httpx.Optional,
		Middlewares: huma.Middlewares{s.streamGate(api)}},
		map[string]any{"order": orderView{}}, func(ctx context.Context, in *OrderRef, send sse.Sender) {
			ctx, cancel := context.WithTimeout(ctx, streamFor)
			defer cancel()
			for sent := uint64(0); ctx.Err() == nil; {
				changed := s.Book.Changed()
				o, version, err := s.Book.Get(ctx, in.ID)
				if err != nil {
					return
				}
				if version > sent {
					v, err := s.view(ctx, o, version)
					if err != nil || send(sse.Message{ID: int(version), Data: v}) != nil {
						return
					}
					sent = version
				}
				select {
				case <-ctx.Done():
				case <-changed:
				case <-time.After(recheck):
				}
			}
		})
	// Huma describes a list of all events, with parsed data. What comes is one event after the other, and data is text.
	api.OpenAPI().Paths[streamPath].Get.Responses["200"].Content["text/event-stream"].Schema = &huma.Schema{
		Type: huma.TypeObject, Description: "One event; they come until the client leaves, or ten minutes have gone by", Required: []string{"id", "event", "data"},
		Properties: map[string]*huma.Schema{
			"id":    {Type: huma.TypeString, Description: "The order's version"},
			"event": {Type: huma.TypeString, Enum: []any{"order"}},
			"data": {Type: huma.TypeString, Description: "The order, as JSON", Extensions: map[string]any{
				"contentMediaType": "application/json", "contentSchema": api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[orderView](), true, ""),
			}},
		},
	}
}

// streamGate refuses before the stream begins: afterwards there is no status to say it with.
func (s *Service) streamGate(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		_, _, err := s.read(c.Context(), OrderRef{ID: c.Param("id"), Token: c.Header("X-Order-Token")})
		if err != nil {
			p := httpx.NewProblem(err)
			huma.WriteErr(api, c, p.Status, p.Detail, p)
			return
		}
		next(c)
	}
}

// Package consumerapi serves the state of a consumer over HTTP: dead letters for administrators, and cursors for other
// apps and for tests.
package consumerapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Consumer is the part of *consumer.Consumer that this package needs.
type Consumer interface {
	Cursors(ctx context.Context) ([]contract.Cursor, error)
	DeadLetters(
		ctx context.Context, from consumer.Bookmark, limit int,
	) ([]consumer.DeadLetter, *consumer.Bookmark, error)
	Replay(ctx context.Context, id string) error
	Discard(ctx context.Context, id string) error
}

// deadLetter is a dead letter without the data of the event, which may contain addresses and tokens that administrators
// must not see.
type deadLetter struct {
	ID        string    `json:"id"`
	Event     string    `json:"event" doc:"The event's id"`
	Type      string    `json:"type"`
	Source    string    `json:"source"`
	Partition string    `json:"partition,omitempty"`
	Position  uint64    `json:"position,omitempty" doc:"In the log of its source"`
	Aggregate string    `json:"aggregate,omitempty"`
	Reason    string    `json:"reason" doc:"The error of the last attempt"`
	At        time.Time `json:"at" doc:"The time of the last attempt"`
	Tries     int       `json:"tries" doc:"Attempts: the one that made it a dead letter, and all since"`
}

// AppRef names the app that could not handle an event. Each app serves its own dead letters.
type AppRef struct {
	App string `path:"app" minLength:"1" maxLength:"64" doc:"The app that could not handle the event, such as cart"`
}

// DeadLetterRef names a dead letter.
type DeadLetterRef struct {
	AppRef
	ID string `path:"id" minLength:"1" maxLength:"256"`
}

type deadLettersInput struct {
	AppRef
	httpx.Page
}

type deadLettersOutput struct {
	Cache string `header:"Cache-Control"`
	Body  httpx.List[deadLetter]
}

type cursorsOutput struct{ Body contract.Cursors }

// Mount adds the operations for the dead letters of an app, which only administrators may call, and for its cursors,
// which the gateway does not route.
func Mount(api huma.API, app string, c Consumer) {
	op := func(id, method, path, summary string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/api/v1/dead-letters/{app}" + path, Summary: summary,
			Tags: []string{"Operations"}, Errors: append([]int{403}, errors...),
			Security: httpx.BearerOf(identity.Admin),
		}
	}
	h := handlers{app, c}
	httpx.Register(api, op("list-dead-letters", http.MethodGet, "", "Events that an app could not handle"), h.list)
	replay := op("replay-dead-letter", http.MethodPost, "/{id}/replay",
		"Handle an event once more; it leaves the list if that succeeds", 409)
	replay.DefaultStatus = http.StatusNoContent
	httpx.Register(api, replay, h.replay)
	httpx.Register(api, op("discard-dead-letter", http.MethodDelete, "/{id}", "Discard a dead letter"), h.discard)
	httpx.Register(api, huma.Operation{OperationID: "list-cursors", Method: http.MethodGet, Path: "/internal/consumers",
		Tags: []string{"Internal"}, Summary: "How far this app has come in other apps' logs"}, h.cursors)
}

type handlers struct {
	app      string
	consumer Consumer
}

// checkApp returns a not-found problem if a request is for the dead letters of another app.
func (h handlers) checkApp(ref AppRef) error {
	if ref.App != h.app {
		return fault.Missing("consumer")
	}
	return nil
}

func (h handlers) list(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
	var at consumer.Bookmark
	if err := h.checkApp(in.AppRef); err != nil {
		return nil, err
	}
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	list, next, err := h.consumer.DeadLetters(ctx, at, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &deadLettersOutput{Cache: "private, no-cache", Body: httpx.List[deadLetter]{Items: []deadLetter{}}}
	for _, d := range list {
		e := d.Event
		out.Body.Items = append(out.Body.Items, deadLetter{
			ID: d.ID, Event: e.ID, Type: e.Type, Source: e.Source, Partition: e.Partition, Position: e.Position,
			Aggregate: e.Aggregate, Reason: d.Reason, At: d.At, Tries: d.Tries,
		})
	}
	if next != nil {
		out.Body.NextCursor = httpx.Cursor(next)
	}
	return out, nil
}

func (h handlers) replay(ctx context.Context, in *DeadLetterRef) (*struct{}, error) {
	if err := h.checkApp(in.AppRef); err != nil {
		return nil, err
	}
	return nil, h.consumer.Replay(ctx, in.ID)
}

func (h handlers) discard(ctx context.Context, in *DeadLetterRef) (*struct{}, error) {
	if err := h.checkApp(in.AppRef); err != nil {
		return nil, err
	}
	return nil, h.consumer.Discard(ctx, in.ID)
}

func (h handlers) cursors(ctx context.Context, _ *struct{}) (*cursorsOutput, error) {
	cursors, err := h.consumer.Cursors(ctx)
	return &cursorsOutput{contract.Cursors{Cursors: cursors}}, err
}

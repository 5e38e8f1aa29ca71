package logapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Consumer is what an app's operators ask of it; *commitlog.Consumer is one.
type Consumer interface {
	Cursors(ctx context.Context) ([]contract.Cursor, error)
	Parked(ctx context.Context, from commitlog.Bookmark, limit int) ([]commitlog.Parked, *commitlog.Bookmark, error)
	Replay(ctx context.Context, id string) error
	Discard(ctx context.Context, id string) error
}

// deadLetter is a parked event without its data: addresses and tokens are nobody's business, administrators
// included.
type deadLetter struct {
	ID        string    `json:"id"`
	Event     string    `json:"event" doc:"The event's id"`
	Type      string    `json:"type"`
	Source    string    `json:"source"`
	Partition string    `json:"partition,omitempty"`
	Position  uint64    `json:"position,omitempty" doc:"In the log of its source"`
	Aggregate string    `json:"aggregate,omitempty"`
	Reason    string    `json:"reason" doc:"Why it could not be handled, the last time"`
	At        time.Time `json:"at" doc:"When it was tried last"`
	Tries     int       `json:"tries" doc:"Since it was parked, that time included"`
}

// AppRef names the app whose dead letters are meant. Each serves its own.
type AppRef struct {
	App string `path:"app" minLength:"1" maxLength:"64" doc:"catalog, cart, orders or notifications"`
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

// MountConsumer offers an app's dead letters to administrators and its cursors to the mesh.
func MountConsumer(api huma.API, app string, c Consumer) {
	op := func(id, method, path, summary string, errors ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/dead-letters/{app}" + path, Summary: summary, Tags: []string{"Operations"},
			Security: httpx.Bearer, Errors: append([]int{403}, errors...), Middlewares: huma.Middlewares{httpx.Only(identity.Admin)}}
	}
	o := operators{app, c}
	httpx.Register(api, op("list-dead-letters", http.MethodGet, "", "Events that an app could not handle"), o.list)
	replay := op("replay-dead-letter", http.MethodPost, "/{id}/replay", "Handle an event once more; it leaves the list if that succeeds", 409)
	replay.DefaultStatus = http.StatusNoContent
	httpx.Register(api, replay, o.replay)
	httpx.Register(api, op("discard-dead-letter", http.MethodDelete, "/{id}", "Give an event up"), o.discard)
	httpx.Register(api, huma.Operation{OperationID: "list-cursors", Method: http.MethodGet, Path: "/internal/consumers",
		Tags: []string{"Internal"}, Summary: "How far this app has come in other apps' logs"},
		func(ctx context.Context, _ *struct{}) (*cursorsOutput, error) {
			cursors, err := c.Cursors(ctx)
			return &cursorsOutput{contract.Cursors{Cursors: cursors}}, outage(err)
		})
}

type operators struct {
	app      string
	consumer Consumer
}

func (o operators) own(ref AppRef) error {
	if ref.App != o.app {
		return fault.Missing("consumer")
	}
	return nil
}

func (o operators) list(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
	var at commitlog.Bookmark
	if err := o.own(in.AppRef); err != nil {
		return nil, err
	}
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	parked, next, err := o.consumer.Parked(ctx, at, in.Limit)
	if err != nil {
		return nil, outage(err)
	}
	out := &deadLettersOutput{Cache: "private, no-cache", Body: httpx.List[deadLetter]{Items: []deadLetter{}}}
	for _, p := range parked {
		e := p.Event
		out.Body.Items = append(out.Body.Items, deadLetter{ID: p.ID, Event: e.ID, Type: e.Type, Source: e.Source, Partition: e.Partition,
			Position: e.Position, Aggregate: e.Aggregate, Reason: p.Reason, At: p.At, Tries: p.Tries})
	}
	if next != nil {
		out.Body.NextCursor = httpx.Cursor(next)
	}
	return out, nil
}

func (o operators) replay(ctx context.Context, in *DeadLetterRef) (*struct{}, error) {
	if err := o.own(in.AppRef); err != nil {
		return nil, err
	}
	return nil, outage(o.consumer.Replay(ctx, in.ID))
}

func (o operators) discard(ctx context.Context, in *DeadLetterRef) (*struct{}, error) {
	if err := o.own(in.AppRef); err != nil {
		return nil, err
	}
	return nil, outage(o.consumer.Discard(ctx, in.ID))
}

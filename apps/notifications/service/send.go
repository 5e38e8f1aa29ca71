package service

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

const (
	// sendTimeout bounds the handling of one event.
	sendTimeout = 20 * time.Second
	// sendConcurrency bounds how many mails of a batch are sent at the same time.
	sendConcurrency = 8
)

// mailHandler makes a handler that sends the mail of an event, at least once. It marks the mail as sent after it has
// sent it: the other way round, a crash in between would lose the mail. If the mail is sent twice as a file, the second
// file replaces the first, because both have the same name.
func (s *Service) mailHandler(compose composer) consumer.Handler {
	return func(ctx context.Context, event contract.Event) error {
		// A broker may deliver an event again while it is being handled. The second delivery waits for the first.
		_, err, _ := s.deliveries.Do(event.ID, func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
			defer cancel()
			return nil, s.sendUnlessSent(ctx, []contract.Event{event}, compose)
		})
		if errors.Is(err, errBadData) || errors.Is(err, mail.ErrUnsendable) {
			return consumer.Permanent(err)
		}
		return err
	}
}

// mailBatchHandler is mailHandler for several events.
func (s *Service) mailBatchHandler(compose composer) consumer.BatchHandler {
	return func(ctx context.Context, events []contract.Event) error {
		return s.sendUnlessSent(ctx, events, compose)
	}
}

// sendUnlessSent sends the mails of events, except those that were sent before and those that their mailbox may not get
// any more. It calls the store twice in all.
func (s *Service) sendUnlessSent(ctx context.Context, events []contract.Event, compose composer) error {
	mails, err := compose(ctx, events)
	if err != nil || len(mails) == 0 {
		return err
	}
	r, err := s.readRecords(ctx, mails)
	if err != nil {
		return err
	}
	due := r.selectDue(mails)
	for _, m := range r.dropped {
		s.metrics.droppedOne(m.event)
		telemetry.Log(ctx).Warn().Str(field.EventID, m.ID).Msg("mail dropped, its mailbox has got too many")
	}
	var (
		mu   sync.Mutex
		work errgroup.Group
	)
	work.SetLimit(sendConcurrency)
	for _, m := range due {
		work.Go(func() error {
			began := time.Now()
			err := s.Sender.Send(ctx, m.Message)
			s.metrics.attempted(m.event, began, err)
			if err != nil {
				return err
			}
			failpoint.Reach(afterSend)
			telemetry.Log(ctx).Info().Str(field.EventID, m.ID).Msg("mail sent")
			mu.Lock()
			defer mu.Unlock()
			r.sent = append(r.sent, m)
			return nil
		})
	}
	err = work.Wait()
	// Mails that were sent before one failed are marked too. An event whose mail cannot be marked is handled nevertheless:
	// another delivery would only send the mail again.
	if writeErr := s.writeRecords(context.WithoutCancel(ctx), r); writeErr != nil {
		telemetry.Log(ctx).Warn().Err(writeErr).Str(field.EventID, mails[0].ID).Msg("cannot mark mails as sent")
	}
	return err
}

// sentValue is the value of the mark of a mail.
func (s *Service) sentValue(dropped bool) []byte {
	value, _ := json.Marshal(struct {
		At      time.Time `json:"at"`
		Dropped bool      `json:"dropped,omitempty"`
	}{s.Now().UTC(), dropped})
	return value
}

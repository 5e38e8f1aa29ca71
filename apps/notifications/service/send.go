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
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

const (
	// sentTTL is how long a mail is marked as sent: longer than a broker keeps its messages.
	sentTTL = 90 * 24 * time.Hour
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
			return nil, s.sendUnlessSent(context.WithoutCancel(ctx), event, compose)
		})
		if errors.Is(err, errBadData) || errors.Is(err, mail.ErrUnsendable) {
			return consumer.Permanent(err)
		}
		return err
	}
}

func (s *Service) sendUnlessSent(ctx context.Context, event contract.Event, compose composer) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	messages, err := compose(ctx, []contract.Event{event})
	if err != nil || len(messages) == 0 {
		return err
	}
	message := messages[0]
	mark, err := s.State.Get(ctx, sentKey(message))
	if err != nil || mark.Found() {
		return err
	}
	if err := s.Sender.Send(ctx, message); err != nil {
		return err
	}
	failpoint.Reach(afterSend)
	err = s.State.Create(ctx, sentKey(message), s.sentValue(), sidecar.TTL(sentTTL))
	if err != nil && !errors.Is(err, sidecar.ErrExists) {
		// The event is handled nevertheless: another delivery would only send the mail again.
		telemetry.Log(ctx).Warn().Err(err).Str("event", event.ID).Msg("cannot mark a mail as sent")
	}
	telemetry.Log(ctx).Info().Str("event", event.ID).Str("type", event.Type).Msg("mail sent")
	return nil
}

// mailBatchHandler is mailHandler for several events. It calls the store twice in all.
func (s *Service) mailBatchHandler(compose composer) consumer.BatchHandler {
	return func(ctx context.Context, events []contract.Event) error {
		messages, err := compose(ctx, events)
		if err != nil {
			return err
		}
		keys := make([]string, len(messages))
		for i, message := range messages {
			keys[i] = sentKey(message)
		}
		marks, err := s.State.GetMany(ctx, keys)
		if err != nil {
			return err
		}
		var (
			mu   sync.Mutex
			sent []sidecar.Item
			work errgroup.Group
		)
		work.SetLimit(sendConcurrency)
		for i, message := range messages {
			if _, found := marks[keys[i]]; found {
				continue
			}
			work.Go(func() error {
				if err := s.Sender.Send(ctx, message); err != nil {
					return err
				}
				failpoint.Reach(afterSend)
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, sidecar.Item{Key: keys[i], Value: s.sentValue(), TTL: sentTTL})
				return nil
			})
		}
		err = work.Wait()
		// Mails that were sent before one failed are marked too.
		if markErr := s.State.PutMany(context.WithoutCancel(ctx), sent); markErr != nil {
			telemetry.Log(ctx).Warn().Err(markErr).Int("mails", len(sent)).Msg("cannot mark mails as sent")
		}
		telemetry.Log(ctx).Info().Int("mails", len(sent)).Msg("mails sent")
		return err
	}
}

// sentKey is the key of the mark that a mail was sent.
func sentKey(m mail.Message) string { return "mailed/" + m.FileName() }

func (s *Service) sentValue() []byte {
	value, _ := json.Marshal(map[string]time.Time{"at": s.Now().UTC()})
	return value
}

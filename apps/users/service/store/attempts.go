package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/internal/sidecar"
)

// Kinds of attempts that are counted.
const (
	SignIn  = "sign-in" // by mailbox
	Address = "address" // sign-ins by client address
	Mail    = "mail"    // by mailbox
)

type attemptsDoc struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

func attemptsKey(kind, subject string) string { return "attempts/" + kind + "/" + digest(subject) }

// Counter counts the attempts of one kind for one subject, which is a mailbox or a client address. The caller holds a
// lock from reading a counter to adding to it, so that concurrent attempts in this process are counted one by one.
type Counter struct {
	Kind, Subject string
	Policy        attempts.Policy
	Record        attempts.Record // as it was read; the zero record if there is none
	etag          string
}

func (c *Counter) key() string { return attemptsKey(c.Kind, c.Subject) }

// ReadCounters reads the records of the counters in one call.
func (s *Store) ReadCounters(ctx context.Context, counters ...*Counter) error {
	_, err := s.readCounters(ctx, nil, counters)
	return err
}

// ClaimAndCounters reads the claim on a mailbox and the counters in one call. The claim is zero if there is none.
func (s *Store) ClaimAndCounters(ctx context.Context, email account.Email, counters ...*Counter) (c Claim, err error) {
	items, err := s.readCounters(ctx, claimKeys(email), counters)
	if err != nil {
		return c, err
	}
	return claimOf(items, email)
}

func (s *Store) readCounters(ctx context.Context, keys []string, counters []*Counter) (map[string]sidecar.Item, error) {
	for _, c := range counters {
		keys = append(keys, c.key())
	}
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, c := range counters {
		var d attemptsDoc
		item := items[c.key()]
		if item.Found() {
			if err := sidecar.DecodeJSON(item, &d); err != nil {
				return nil, err
			}
		}
		c.Record, c.etag = attempts.Record(d), item.ETag
	}
	return items, nil
}

// AddAttempt adds an attempt to each of the counters as they were read, in one write. If that fails, for example
// because another replica has changed one of them, the attempt is added to each stored record. It may then count twice,
// and never less than once.
func (s *Store) AddAttempt(ctx context.Context, now time.Time, counters ...*Counter) error {
	items := make([]sidecar.Item, len(counters))
	for i, c := range counters {
		value, err := json.Marshal(attemptsDoc(c.Policy.Add(c.Record, now)))
		if err != nil {
			return err
		}
		items[i] = sidecar.Item{Key: c.key(), Value: value, ETag: c.etag, TTL: c.Policy.Forget}
	}
	if err := s.state.PutManyIf(ctx, items); err == nil {
		return nil
	}
	var failed error
	for _, c := range counters {
		_, err := s.Attempt(ctx, c.Kind, c.Subject, c.Policy, now)
		failed = errors.Join(failed, err)
	}
	return failed
}

// Attempt adds an attempt to the stored record, or returns how long the policy demands to wait before it may be made.
func (s *Store) Attempt(ctx context.Context, kind, subject string, p attempts.Policy,
	now time.Time) (wait time.Duration, err error) {
	_, err = sidecar.Update(ctx, s.state, attemptsKey(kind, subject), func(d *attemptsDoc, _ bool) (bool, error) {
		if wait = p.Wait(attempts.Record(*d), now); wait > 0 {
			return false, nil
		}
		*d = attemptsDoc(p.Add(attempts.Record(*d), now))
		return true, nil
	}, sidecar.TTL(p.Forget))
	return wait, err
}

// ForgetAttempts deletes a record.
func (s *Store) ForgetAttempts(ctx context.Context, kind, subject string) error {
	return s.state.Delete(ctx, attemptsKey(kind, subject), "")
}

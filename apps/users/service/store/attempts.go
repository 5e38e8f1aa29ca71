package store

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/internal/sidecar"
)

// Kinds of attempts that are counted.
const (
	SignIn  = "sign-in"
	Address = "address"
	Mail    = "mail"
)

type attemptsDoc struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

func attemptsKey(kind, who string) string { return "attempts/" + kind + "/" + digest(who) }

// Counter counts the attempts of a mailbox or an address. Who reads it and then adds to it keeps others of this
// process away meanwhile.
type Counter struct {
	Kind, Who string
	Policy    attempts.Policy
	Record    attempts.Record // as read; the zero record if there is none
	etag      string
}

func (c *Counter) key() string { return attemptsKey(c.Kind, c.Who) }

// ReadCounters reads the counters' records, in one call.
func (s *Store) ReadCounters(ctx context.Context, counters ...*Counter) error {
	_, err := s.readCounters(ctx, nil, counters)
	return err
}

// SignIn reads, in one call, what decides on an attempt to sign in: the mailbox's claim and the counters.
func (s *Store) SignIn(ctx context.Context, email account.Email, counters ...*Counter) (c Claim, err error) {
	items, err := s.readCounters(ctx, []string{claimKey(email)}, counters)
	if item := items[claimKey(email)]; err == nil && item.Found() {
		c.etag, err = item.ETag, decode(item, &c)
	}
	return c, err
}

func (s *Store) readCounters(ctx context.Context, keys []string, counters []*Counter) (map[string]sidecar.Item, error) {
	for _, c := range counters {
		keys = append(keys, c.key())
	}
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, outage(err)
	}
	for _, c := range counters {
		var d attemptsDoc
		item := items[c.key()]
		if item.Found() {
			if err := decode(item, &d); err != nil {
				return nil, err
			}
		}
		c.Record, c.etag = attempts.Record(d), item.ETag
	}
	return items, nil
}

// Count adds an attempt to each of the counters as they were read, in one write. If another replica has come between,
// they are counted one by one on what is there now: one of them twice, at worst, and never less than once.
func (s *Store) Count(ctx context.Context, now time.Time, counters ...*Counter) error {
	items := make([]sidecar.Item, len(counters))
	for i, c := range counters {
		items[i] = sidecar.Item{Key: c.key(), Value: encode(attemptsDoc(c.Policy.Add(c.Record, now))), ETag: c.etag, TTL: c.Policy.Forget}
	}
	err := s.state.PutManyIf(ctx, items)
	if err == nil {
		return nil
	}
	err = nil
	for _, c := range counters {
		_, failed := s.CountAttempt(ctx, c.Kind, c.Who, c.Policy, now)
		err = errors.Join(err, failed)
	}
	return err
}

// CountAttempt adds an attempt to a record unless the policy says to wait, and gives that wait.
func (s *Store) CountAttempt(ctx context.Context, kind, who string, p attempts.Policy, now time.Time) (wait time.Duration, err error) {
	err = change(ctx, s, attemptsKey(kind, who), func(d *attemptsDoc, _ bool) (bool, error) {
		if wait = p.Wait(attempts.Record(*d), now); wait > 0 {
			return false, nil
		}
		*d = attemptsDoc(p.Add(attempts.Record(*d), now))
		return true, nil
	}, sidecar.TTL(p.Forget))
	return wait, err
}

// ForgetAttempts deletes a record.
func (s *Store) ForgetAttempts(ctx context.Context, kind, who string) error {
	return outage(s.state.Delete(ctx, attemptsKey(kind, who), ""))
}

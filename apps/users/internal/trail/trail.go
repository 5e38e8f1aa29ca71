// Package trail is the log of what happened to accounts: who did what, to whose, and when. Administrators read
// it, and other services learn from it what concerns them.
//
// Rules:
//
//  1. A log forgets nothing, so nothing of a person enters it: ids, roles, and no more. What a mail needs
//     stands elsewhere, under the mail's id.
//  2. A record stands before its effect: nothing happens unrecorded. A crash between the two leaves a record of
//     what did not happen.
//  3. A deletion is recorded once, and then carried out, whatever crashes: see Follow.
package trail

import (
	"context"
	"errors"
	"slices"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Types of records beside those of the contract. They are nobody else's business and not published.
const (
	EmailVerified   = "user.email-verified"
	PasswordChanged = "user.password-changed"
	PasswordReset   = "user.password-reset"
	RolesChanged    = "user.roles-changed"
	SessionEnded    = "user.session-ended"
	TokenReused     = "user.token-reused"      // a refresh token came twice: its session was ended
	SignInThrottled = "user.sign-in-throttled" // so many failures that the next has to wait
)

// published are the types that other services hear of.
var published = []string{contract.UserVerificationRequested, contract.UserPasswordResetAsked, contract.UserEmailChangeAsked,
	contract.UserEmailChanged, contract.UserDeleted}

// Record is the data of every event of the trail. By is the id of the user who did it; empty, it was somebody
// who is not signed in: with a mailed token, or by guessing.
type Record struct {
	contract.UserFact
	By      string   `json:"by,omitempty"`
	Session string   `json:"sessionId,omitempty"`
	Was     []string `json:"was,omitempty"` // roles before
	Roles   []string `json:"roles,omitempty"`
}

// Of is a record of what a user did to their own account.
func Of(user string) Record { return Record{UserFact: contract.UserFact{UserID: user}, By: user} }

// Unsigned is a record of what somebody who is not signed in did to a user's account.
func Unsigned(user string) Record { return Record{UserFact: contract.UserFact{UserID: user}} }

// State of an account's trail.
type State struct {
	Deleted bool `json:"deleted,omitempty"`
}

// Model folds the log.
func Model() commitlog.Model[State] {
	return commitlog.Model[State]{Apply: func(_ string, s State, e commitlog.Event) (State, error) {
		s.Deleted = s.Deleted || e.Type == contract.UserDeleted
		return s, nil
	}}
}

// Trail writes and reads the log. Its errors are unavailable (503).
type Trail struct{ log *commitlog.Partition[State] }

// New makes a trail on an open log.
func New(log *commitlog.Partition[State]) *Trail { return &Trail{log} }

func aggregate(user string) string { return "user/" + user }

// Add appends a record.
func (t *Trail) Add(ctx context.Context, kind string, r Record) error {
	_, err := t.log.Do(ctx, []string{aggregate(r.UserID)}, func(tx *commitlog.Tx[State]) error {
		t.put(tx, kind, r)
		return nil
	})
	return outage(err)
}

func (t *Trail) put(tx *commitlog.Tx[State], kind string, r Record) {
	write := tx.Note
	if slices.Contains(published, kind) {
		write = tx.Emit
	}
	write(aggregate(r.UserID), kind, r)
}

// Delete records that the account is to be erased; once is enough.
func (t *Trail) Delete(ctx context.Context, r Record) error {
	id := aggregate(r.UserID)
	_, err := t.log.Do(ctx, []string{id}, func(tx *commitlog.Tx[State]) error {
		if s, _ := tx.State(id); !s.Deleted {
			t.put(tx, contract.UserDeleted, r)
		}
		return nil
	})
	return outage(err)
}

// Entry is a record where it stands: Seq counts an account's, from 1.
type Entry struct {
	Record
	Seq  uint64
	Type string
	At   time.Time
}

// History lists an account's records, newest first: at most limit of those before a place, the zero one being
// the end. next is nil when there are no more.
func (t *Trail) History(ctx context.Context, user string, before commitlog.Mark, limit int) (entries []Entry, next *commitlog.Mark, err error) {
	events, err := t.log.HistoryBefore(ctx, aggregate(user), before, limit)
	if err != nil {
		return nil, nil, outage(err)
	}
	for _, e := range events {
		entry := Entry{Seq: e.Seq, Type: e.Type, At: e.At}
		if err := e.Decode(&entry.Record); err != nil {
			return nil, nil, err
		}
		entries = append(entries, entry)
	}
	if n := len(events); n > 0 && events[n-1].Seq > 1 {
		mark := events[n-1].Mark()
		next = &mark
	}
	return entries, next, nil
}

// Mails gives the ids of the mails to a user that were asked for since a time.
func (t *Trail) Mails(ctx context.Context, user string, since time.Time) (ids []string, err error) {
	var at commitlog.Mark
	for {
		entries, next, err := t.History(ctx, user, at, 100)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.At.Before(since) {
				return ids, nil
			}
			if e.MailID != "" {
				ids = append(ids, e.MailID)
			}
		}
		if next == nil {
			return ids, nil
		}
		at = *next
	}
}

// Follow has each recorded deletion carried out, at least once, until ctx ends: by now it mostly is, but for
// those that a crash interrupted.
func (t *Trail) Follow(ctx context.Context, erase func(ctx context.Context, user string) error) {
	t.log.Follow(ctx, "eraser", 64, func(ctx context.Context, commits []commitlog.Commit) error {
		for _, c := range commits {
			for _, e := range c.Events {
				if e.Type != contract.UserDeleted {
					continue
				}
				var r Record
				if err := e.Decode(&r); err != nil {
					return err
				}
				if err := erase(ctx, r.UserID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// outage makes an error of the store one that says to come back.
func outage(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, commitlog.ErrCorrupt) {
		return err
	}
	return fault.New(fault.Unavailable, "unavailable", "The shop's accounts cannot be reached just now.").After(time.Second).Because(err)
}

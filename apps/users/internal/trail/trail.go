// Package trail keeps the audit trail of accounts, a log of what was done to which account, when and by whom.
// Administrators read it, and other services receive some of its events.
//
// Rules:
//
//  1. A log cannot erase data, so the trail has no personal data, only ids and roles. The data of a mail is stored
//     elsewhere, under the id of the mail.
//  2. An action is recorded before it is done, so that every action is on record. After a crash between the two, the
//     trail has an action that was not done.
//  3. A deletion is recorded once, and is then carried out even after a crash: see ProcessDeletions.
package trail

import (
	"context"
	"slices"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Types of events that are not published to other services. The contract has the others.
const (
	EmailVerified   = "user.email-verified"
	PasswordChanged = "user.password-changed"
	PasswordReset   = "user.password-reset"
	RolesChanged    = "user.roles-changed"
	SessionEnded    = "user.session-ended"
	TokenReused     = "user.token-reused"      // a refresh token was used twice, and its session was ended
	SignInThrottled = "user.sign-in-throttled" // after too many wrong passwords the next sign-in must wait

	SecondFactorThrottled = "user.second-factor-throttled" // after too many wrong ones the next attempt must wait
	RecoveryCodeUsed      = "user.recovery-code-used"
	RecoveryCodesReplaced = "user.recovery-codes-replaced"
)

var unpublished = []string{EmailVerified, PasswordChanged, PasswordReset, RolesChanged, SessionEnded, TokenReused,
	SignInThrottled, SecondFactorThrottled, RecoveryCodeUsed, RecoveryCodesReplaced}

// published are the types that the contract promises to other services.
var published = func() (types []string) {
	for _, t := range contract.Published() {
		if t.Topic == contract.TopicUsers {
			types = append(types, t.Type)
		}
	}
	return types
}()

// Types lists the types of all events of the trail.
func Types() []string { return slices.Concat(published, unpublished) }

// Record is the data of every event of the trail. A published event has only members that contract.AccountFact has.
// By is the id of the user who acted. It is empty if the user was not signed in, for example when they used a mailed
// token or guessed passwords.
type Record struct {
	contract.UserFact
	By      string   `json:"by,omitempty"`
	Session string   `json:"sessionId,omitempty"`
	Was     []string `json:"was,omitempty"` // roles before
	Roles   []string `json:"roles,omitempty"`
	Factor  string   `json:"secondFactor,omitempty"` // the kind of the factor that was added or removed
}

// ByOwner makes the record of an action of users on their own account.
func ByOwner(user string) Record { return Record{UserFact: contract.UserFact{UserID: user}, By: user} }

// Unsigned makes the record of an action by somebody who is not signed in.
func Unsigned(user string) Record { return Record{UserFact: contract.UserFact{UserID: user}} }

// State is the state of one account's trail.
type State struct {
	Deleted bool `json:"deleted,omitempty"`
}

// Model is the model of the trail's log.
func Model() commitlog.Model[State] {
	return commitlog.Model[State]{Apply: func(_ string, s State, e commitlog.Event) (State, error) {
		s.Deleted = s.Deleted || e.Type == contract.UserDeleted
		return s, nil
	}}
}

// Trail reads and writes the log. It is safe for concurrent use.
type Trail struct{ log *commitlog.Partition[State] }

// New makes a trail on an open log.
func New(log *commitlog.Partition[State]) *Trail { return &Trail{log} }

func aggregate(user string) string { return "user/" + user }

// Add appends an event.
func (t *Trail) Add(ctx context.Context, eventType string, r Record) error {
	_, err := t.log.Do(ctx, []string{aggregate(r.UserID)}, func(tx *commitlog.Tx[State]) error {
		write(tx, eventType, r)
		return nil
	})
	return err
}

// write appends an event, which is published if other services may receive it.
func write(tx *commitlog.Tx[State], eventType string, r Record) {
	if slices.Contains(published, eventType) {
		tx.Emit(aggregate(r.UserID), eventType, r)
	} else {
		tx.EmitInternal(aggregate(r.UserID), eventType, r)
	}
}

// AddDeletion records that the account is deleted, if that is not on record yet.
func (t *Trail) AddDeletion(ctx context.Context, r Record) error {
	id := aggregate(r.UserID)
	_, err := t.log.Do(ctx, []string{id}, func(tx *commitlog.Tx[State]) error {
		if s, _ := tx.State(id); !s.Deleted {
			write(tx, contract.UserDeleted, r)
		}
		return nil
	})
	return err
}

// ProcessDeletions calls erase for each recorded deletion, at least once, until ctx ends. Most deletions have been
// carried out before; it completes those that a crash has interrupted.
func (t *Trail) ProcessDeletions(ctx context.Context, erase func(ctx context.Context, user string) error) {
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

// Entry is an event of the trail.
type Entry struct {
	Record
	Seq  uint64 // counts the events of the account, from 1
	Type string
	At   time.Time
}

// History lists at most limit events of an account, the newest first. They are before the mark; the zero mark is the
// end. next is nil if there are no more.
func (t *Trail) History(ctx context.Context, user string, before commitlog.Mark, limit int) (entries []Entry,
	next *commitlog.Mark, err error) {
	events, err := t.log.HistoryBefore(ctx, aggregate(user), before, limit)
	if err != nil {
		return nil, nil, err
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

// MailsSince returns the ids of the mails to the user that were requested since a time.
func (t *Trail) MailsSince(ctx context.Context, user string, since time.Time) (ids []string, err error) {
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

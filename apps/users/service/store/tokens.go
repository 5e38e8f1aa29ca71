package store

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/internal/sidecar"
)

// What a mailed token is for.
const (
	VerifyEmail   = "verify-email"
	ResetPassword = "reset-password"
	ChangeEmail   = "change-email" // of the account to Email
	Notice        = "notice"       // for nothing: the mail only tells
)

// Mailed is what a token sent by mail allows. It is stored under the token's digest.
type Mailed struct {
	Kind      string        `json:"kind"`
	UserID    string        `json:"userId"`
	Email     account.Email `json:"email"`
	Name      string        `json:"name"`  // of the person, to greet by
	Epoch     int           `json:"epoch"` // void once the password has changed
	ExpiresAt time.Time     `json:"expiresAt"`
	Candidate *Candidate    `json:"candidate,omitempty"`
}

// Candidate is a registration for a mailbox that another, unproven account has: it becomes the account
// UserID when its mail is answered first, and nothing otherwise.
type Candidate struct {
	PasswordHash string    `json:"passwordHash"`
	CreatedAt    time.Time `json:"createdAt"`
}

func tokenKey(token string) string { return "token/" + digest(token) }

// CreateMailed stores a token until it expires.
func (s *Store) CreateMailed(ctx context.Context, token string, m Mailed, life time.Duration) error {
	return s.create(ctx, tokenKey(token), m, sidecar.TTL(life))
}

// Mailed reads a token.
func (s *Store) Mailed(ctx context.Context, token string) (m Mailed, found bool, err error) {
	_, found, err = s.get(ctx, tokenKey(token), &m)
	return m, found, err
}

// DeleteMailed uses a token up.
func (s *Store) DeleteMailed(ctx context.Context, token string) error {
	return outage(s.state.Delete(ctx, tokenKey(token), ""))
}

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

// Attempts reads a record of attempts; the zero record if there is none.
func (s *Store) Attempts(ctx context.Context, kind, who string) (attempts.Record, error) {
	var d attemptsDoc
	_, _, err := s.get(ctx, attemptsKey(kind, who), &d)
	return attempts.Record(d), err
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

package store

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
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

package store

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/sidecar"
)

// Kinds of mailed tokens.
const (
	VerifyEmail   = "verify-email"
	ResetPassword = "reset-password"
	ChangeEmail   = "change-email" // the account changes to the mailbox Email
	Notice        = "notice"       // the mail only informs, and its token has no use
)

// MailToken says what a token in a mail allows. It is stored under the digest of the token.
type MailToken struct {
	Kind      string        `json:"kind"`
	UserID    string        `json:"userId"`
	Email     account.Email `json:"email"` // the recipient of the mail
	Name      string        `json:"name"`  // of the recipient
	Epoch     int           `json:"epoch"` // of the account: a new password makes the token void
	ExpiresAt time.Time     `json:"expiresAt"`
	Candidate *Candidate    `json:"candidate,omitempty"`
}

// Candidate is a registration of a mailbox that another, unproven account has. The account UserID is created when this
// token is the first one that proves the mailbox.
type Candidate struct {
	PasswordHash string    `json:"passwordHash"`
	CreatedAt    time.Time `json:"createdAt"`
}

func tokenKey(token string) string { return "token/" + digest(token) }

// CreateMailToken stores a token for the time ttl.
func (s *Store) CreateMailToken(ctx context.Context, token string, m MailToken, ttl time.Duration) error {
	return s.save(ctx, tokenKey(token), m, "", sidecar.TTL(ttl))
}

// MailToken reads a token.
func (s *Store) MailToken(ctx context.Context, token string) (m MailToken, found bool, err error) {
	etag, err := sidecar.ReadJSON(ctx, s.state, tokenKey(token), &m)
	m.Email = account.StoredEmail(string(m.Email))
	return m, etag != "", err
}

// DeleteMailToken deletes a token, so that it cannot be used again.
func (s *Store) DeleteMailToken(ctx context.Context, token string) error {
	return s.state.Delete(ctx, tokenKey(token), "")
}

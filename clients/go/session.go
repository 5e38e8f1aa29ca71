package client

import (
	"context"
	"sync"
	"time"
)

// early is how long before its expiry an access token is exchanged, so that none expires on the way.
const early = 30 * time.Second

// Tokens are what a session lives by. Whoever has them is the caller.
type Tokens struct {
	Access    string
	Refresh   string // serves once
	ExpiresAt time.Time
}

func tokens(s SignedIn) Tokens {
	return Tokens{s.AccessToken, s.RefreshToken, time.Now().Add(time.Duration(s.ExpiresIn) * time.Second)}
}

// session holds tokens and exchanges them. A refresh token that is used twice ends the session, so there is one
// exchange at a time, and whoever waited for it takes what it brought.
type session struct {
	mu   sync.Mutex
	now  Tokens
	keep func(Tokens)
}

// SignIn is this client with a session of its own. The access token is exchanged before it expires, and when it is
// refused.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, error) {
	a, err := c.as(nil).Login(ctx, LoginRequest{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	return c.WithTokens(tokens(a.Value), nil), nil
}

// WithTokens is this client with a session that was begun elsewhere. If keep is not nil, it is called with each new
// pair of tokens before it is used, so that the session can be gone on with after a restart.
func (c *Client) WithTokens(t Tokens, keep func(Tokens)) *Client {
	return c.as(&session{now: t, keep: keep})
}

// Guest is this client without a session.
func (c *Client) Guest() *Client { return c.as(nil) }

// SignOut ends the session at the shop. A client without one has nothing to end.
func (c *Client) SignOut(ctx context.Context) error {
	if c.session == nil {
		return nil
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	_, err := c.as(nil).Logout(ctx, LogoutRequest{RefreshToken: c.session.now.Refresh})
	return err
}

func (c *Client) as(s *session) *Client {
	other := *c
	other.session = s
	return &other
}

// token is an access token that is good by the clock and is not the refused one. The error of an exchange is a
// *Problem, such as token-reused, when the session is over.
func (s *session) token(ctx context.Context, c *Client, refused string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Access != refused && time.Until(s.now.ExpiresAt) > early {
		return s.now.Access, nil
	}
	// An exchange that is broken off may have used the token up: it outlives the request that asked for it.
	a, err := c.as(nil).Refresh(context.WithoutCancel(ctx), RefreshRequest{RefreshToken: s.now.Refresh})
	if err != nil {
		return "", err
	}
	s.now = tokens(a.Value)
	if s.keep != nil {
		s.keep(s.now)
	}
	return s.now.Access, nil
}

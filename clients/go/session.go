package client

import (
	"context"
	"sync"
	"time"
)

// expiryMargin is how long before its expiry an access token is refreshed, so that it does not expire during a request.
const expiryMargin = 30 * time.Second

// Tokens are the credentials of a session. They must be kept secret.
type Tokens struct {
	Access    string
	Refresh   string // can be used once
	ExpiresAt time.Time
}

func tokensOf(s SignedIn) Tokens {
	return Tokens{s.AccessToken, s.RefreshToken, time.Now().Add(time.Duration(s.ExpiresIn) * time.Second)}
}

// session stores the tokens and refreshes them. The server ends a session whose refresh token is used twice. So only
// one request refreshes the tokens at a time, and requests that waited for it use the new tokens.
type session struct {
	mu      sync.Mutex
	current Tokens
	save    func(Tokens) // called with new tokens; may be nil
}

// SignIn starts a session and returns a client that uses it. The client refreshes the access token before it expires
// and when the server refuses it. c itself does not change.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, error) {
	a, err := c.withSession(nil).Login(ctx, LoginRequest{Email: email, Password: password})
	if err != nil {
		return nil, err
	}
	return c.WithTokens(tokensOf(a.Value), nil), nil
}

// WithTokens returns a client that continues an existing session. If save is not nil, the client calls it with each new
// pair of tokens before it uses them, so that a program can continue the session after a restart.
func (c *Client) WithTokens(t Tokens, save func(Tokens)) *Client {
	return c.withSession(&session{current: t, save: save})
}

// Guest returns a client without a session.
func (c *Client) Guest() *Client { return c.withSession(nil) }

// SignOut ends the session on the server. Without a session it does nothing.
func (c *Client) SignOut(ctx context.Context) error {
	if c.session == nil {
		return nil
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	_, err := c.withSession(nil).Logout(ctx, LogoutRequest{RefreshToken: c.session.current.Refresh})
	return err
}

func (c *Client) withSession(s *session) *Client {
	other := *c
	other.session = s
	return &other
}

// accessToken returns an access token that has not expired and is not the refused one, and refreshes the tokens if it
// has to. If the session has ended, the error is a *Problem, such as token-reused.
func (s *session) accessToken(ctx context.Context, c *Client, refused string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Access != refused && time.Until(s.current.ExpiresAt) > expiryMargin {
		return s.current.Access, nil
	}
	// A cancelled refresh may have used the refresh token, and the session would be lost. So the refresh does not end
	// when the request that needs it is cancelled.
	a, err := c.withSession(nil).Refresh(context.WithoutCancel(ctx), RefreshRequest{RefreshToken: s.current.Refresh})
	if err != nil {
		return "", err
	}
	s.current = tokensOf(a.Value)
	if s.save != nil {
		s.save(s.current)
	}
	return s.current.Access, nil
}

package buyers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"haberdash/tests/api"
)

// Client sends requests as one caller, and repeats them until they have a final answer. It is safe for concurrent use.
type Client struct {
	Name string

	buyers          *Buyers
	email, password string // of the account; empty for a guest

	mu    sync.Mutex
	token string
}

// errNotFinal is the error of an answer that is not final.
var errNotFinal = errors.New("no final answer")

// Do sends a request until it has a final answer.
func (c *Client) Do(ctx context.Context, r api.Request) (*api.Answer, error) {
	return c.do(ctx, r, false)
}

// DoCopies sends copies of a request at the same moment, each until it has a final answer. If disconnects is set, the
// first attempt of each copy is cut off. It returns the final answers of all copies.
func (c *Client) DoCopies(ctx context.Context, r api.Request, copies int, disconnects bool) ([]*api.Answer, error) {
	answers, errs := make([]*api.Answer, copies), make([]error, copies)
	var running sync.WaitGroup
	for i := range copies {
		running.Go(func() { answers[i], errs[i] = c.do(ctx, r, disconnects) })
	}
	running.Wait()
	return answers, errors.Join(errs...)
}

func (c *Client) do(ctx context.Context, r api.Request, disconnects bool) (a *api.Answer, err error) {
	name := fmt.Sprintf("%s: final answer to %s %s", c.Name, r.Method, r.Path)
	err = c.buyers.Retry(ctx, name, func(ctx context.Context) error {
		if disconnects {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 40*time.Millisecond)
			defer cancel()
			disconnects = false
		}
		var err error
		a, err = c.attempt(ctx, r)
		return err
	})
	return a, err
}

// attempt sends a request once. It returns an error if the answer is not final.
func (c *Client) attempt(ctx context.Context, r api.Request) (*api.Answer, error) {
	signedIn, err := c.signIn(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.send(ctx, signedIn, r)
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusUnauthorized && c.email != "" { // the token has expired
		c.mu.Lock()
		c.token = ""
		c.mu.Unlock()
		return nil, a.Problem()
	}
	return a, nil
}

// send sends a request once, and checks and counts the answer. It returns an error if the answer is not final. Only
// final answers count as progress of the run: their number does not depend on how long an outage takes.
func (c *Client) send(ctx context.Context, by *api.Client, r api.Request) (*api.Answer, error) {
	rec := c.buyers.Record
	a, err := by.Do(ctx, r)
	if err != nil {
		rec.Count("no answer")
		return nil, err
	}
	rec.CheckAnswer(r, a)
	switch {
	case a.Status >= 500, a.Status == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: %w", errNotFinal, a.Problem())
	case a.Status == http.StatusAccepted:
		return nil, fmt.Errorf("%w: 202 %.300s", errNotFinal, a.Body)
	case a.Status == http.StatusConflict && a.Problem().Name() == "request-in-progress":
		return nil, fmt.Errorf("%w: %w", errNotFinal, a.Problem())
	case !json.Valid(a.Body):
		// If an app dies while it answers, its sidecar ends the incomplete answer as if it were complete.
		rec.Count("cut off")
		return nil, fmt.Errorf("%w: cut off after %d bytes", errNotFinal, len(a.Body))
	}
	c.buyers.Shop.Progress.AddAnswer()
	return a, nil
}

// signIn returns a client of the API that is signed in if the caller has an account.
func (c *Client) signIn(ctx context.Context) (*api.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	guest := c.buyers.guest
	if c.email == "" || c.token != "" {
		return guest.As(c.token), nil
	}
	a, err := c.send(ctx, guest, api.Request{
		Method: http.MethodPost, Path: "/api/v1/auth/login",
		Body: map[string]string{"email": c.email, "password": c.password},
	})
	if err != nil {
		return nil, err
	}
	var s api.Session
	if err := a.Decode(&s); err != nil {
		return nil, err
	}
	c.token = s.AccessToken
	return guest.As(c.token), nil
}

// register makes the account and signs in. If the first attempt gets no answer, the account may exist already: the next
// attempt tries to sign in before it registers again.
func (c *Client) register(ctx context.Context) error {
	asked, made := false, false
	return c.buyers.Retry(ctx, c.Name+": registration", func(ctx context.Context) error {
		if asked {
			if _, err := c.signIn(ctx); err == nil || made {
				return err
			}
		}
		asked = true
		a, err := c.send(ctx, c.buyers.guest, api.Request{
			Method: http.MethodPost, Path: "/api/v1/auth/register",
			Body: map[string]string{"email": c.email, "password": c.password, "name": c.Name},
		})
		if err != nil {
			return err
		}
		if err := a.Decode(nil); err != nil {
			return err
		}
		made = true
		_, err = c.signIn(ctx)
		return err
	})
}

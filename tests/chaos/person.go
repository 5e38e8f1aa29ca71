package chaos

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

// A person sends requests as a robust client does: what is not answered for good, it sends again as it is, with the
// same key.
type person struct {
	w               *World
	name            string
	email, password string // of an account; empty for a guest

	mu    sync.Mutex
	token string
}

// errNotYet means that an answer is not the last word.
var errNotYet = errors.New("not answered for good")

// insist sends a request until it is answered for good. copies of the first attempt go out at once, and hangsUp cuts
// them off. All final answers are given; more than one only if there were copies.
func (p *person) insist(ctx context.Context, r api.Request, copies int, hangsUp bool) ([]*api.Answer, error) {
	answers, errs := make([]*api.Answer, copies), make([]error, copies)
	var all sync.WaitGroup
	for i := range copies {
		all.Go(func() { answers[i], errs[i] = p.insistOnce(ctx, r, hangsUp) })
	}
	all.Wait()
	return answers, errors.Join(errs...)
}

func (p *person) insistOnce(ctx context.Context, r api.Request, hangsUp bool) (a *api.Answer, err error) {
	what := fmt.Sprintf("%s: %s %s is answered for good", p.name, r.Method, r.Path)
	err = p.w.until(ctx, what, func(ctx context.Context) error {
		if hangsUp {
			var done context.CancelFunc
			ctx, done = context.WithTimeout(ctx, 40*time.Millisecond)
			defer done()
			hangsUp = false
		}
		var err error
		a, err = p.try(ctx, r)
		return err
	})
	return a, err
}

// once sends a request until it is answered for good, and gives that answer.
func (p *person) once(ctx context.Context, r api.Request) (*api.Answer, error) {
	return p.insistOnce(ctx, r, false)
}

// try makes one attempt; an error means that it is to be repeated.
func (p *person) try(ctx context.Context, r api.Request) (*api.Answer, error) {
	c, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	a, err := p.send(ctx, c, r)
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusUnauthorized && p.email != "" { // the token has expired
		p.mu.Lock()
		p.token = ""
		p.mu.Unlock()
		return nil, a.Problem()
	}
	return a, nil
}

// send makes an attempt, judges whether it is answered for good, and then counts it: what happens after so many answers
// happens at the same place of every run, however long an outage took.
func (p *person) send(ctx context.Context, c *api.Client, r api.Request) (*api.Answer, error) {
	a, err := c.Do(ctx, r)
	if err != nil {
		p.w.Witness.count("no answer")
		return nil, err
	}
	p.w.Witness.judge(r, a)
	switch {
	case a.Status >= 500, a.Status == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: %w", errNotYet, a.Problem())
	case a.Status == http.StatusAccepted:
		return nil, fmt.Errorf("%w: 202 %.300s", errNotYet, a.Body)
	case a.Status == http.StatusConflict && a.Problem().Name() == "request-in-progress":
		return nil, fmt.Errorf("%w: %w", errNotYet, a.Problem())
	case !json.Valid(a.Body):
		// Whoever dies while it answers is not heard to die: a sidecar ends what it has of the answer like a whole one.
		p.w.Witness.count("cut off")
		return nil, fmt.Errorf("%w: cut off after %d bytes", errNotYet, len(a.Body))
	}
	p.w.answers.Add(1)
	return a, nil
}

// client is the person's, signed in if they have an account.
func (p *person) client(ctx context.Context) (*api.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.email == "" || p.token != "" {
		return p.w.guest.As(p.token), nil
	}
	a, err := p.send(ctx, p.w.guest, api.Request{Method: http.MethodPost, Path: "/api/v1/auth/login",
		Body: map[string]string{"email": p.email, "password": p.password}})
	if err != nil {
		return nil, err
	}
	var s api.Session
	if err := a.Decode(&s); err != nil {
		return nil, err
	}
	p.token = s.AccessToken
	return p.w.guest.As(p.token), nil
}

// register makes the account. Whoever gets no answer first looks whether it is there: registering twice would make two.
func (p *person) register(ctx context.Context) error {
	asked, made := false, false
	return p.w.until(ctx, p.name+" registers", func(ctx context.Context) error {
		if asked {
			if _, err := p.client(ctx); err == nil || made {
				return err
			}
		}
		asked = true
		a, err := p.send(ctx, p.w.guest, api.Request{Method: http.MethodPost, Path: "/api/v1/auth/register",
			Body: map[string]string{"email": p.email, "password": p.password, "name": p.name}})
		if err != nil {
			return err
		}
		if err := a.Decode(nil); err != nil {
			return err
		}
		made = true
		_, err = p.client(ctx)
		return err
	})
}

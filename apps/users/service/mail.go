package service

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// How long a mailed token serves.
const (
	verifyLife = 48 * time.Hour
	resetLife  = time.Hour
)

var errMailedToken = fault.New(fault.Invalid, "invalid-token", "The token is not valid, was used already, or has expired. Ask for a new mail.").
	WithField("body.token", "is not valid any more")

// mailLater stores a token for what m allows and asks for the mail that carries it, after the answer. A
// mailbox that was sent enough of late gets none, and nobody is told.
func (s *Service) mailLater(ctx context.Context, event string, m store.Mailed, name string) error {
	return s.later(ctx, event, func(ctx context.Context) error { return s.mail(ctx, event, m, name) })
}

func (s *Service) mail(ctx context.Context, event string, m store.Mailed, name string) error {
	wait, err := s.store.CountAttempt(ctx, store.Mail, string(m.Email), attempts.Mail, s.now())
	if err != nil {
		return err
	}
	if wait > 0 {
		telemetry.Log(ctx).Info().Str("user", m.UserID).Dur("wait", wait).Msg("too much mail for one mailbox")
		return nil
	}
	life := verifyLife
	if m.Kind == store.ResetPassword {
		life = resetLife
	}
	token := rand.Text() + rand.Text() // 260 bits
	m.ExpiresAt = s.now().Add(life).UTC()
	if err := s.store.CreateMailed(ctx, token, m, life); err != nil {
		return err
	}
	return s.publish(ctx, event, contract.UserMail{UserID: m.UserID, Email: string(m.Email), Name: name, Token: token})
}

// publish hands an event to the broker, again for as long as ctx lasts. The users service keeps no log, so
// its events have no commit: an event is known by its id.
func (s *Service) publish(ctx context.Context, typ string, fact contract.UserMail) error {
	data, err := json.Marshal(fact)
	if err != nil {
		return err
	}
	id := "users/" + s.newID()
	event, err := json.Marshal(contract.Event{ID: id, Type: typ, Source: "users", Aggregate: fact.UserID, At: s.now().UTC(), Data: data})
	if err != nil {
		return err
	}
	for pause := 500 * time.Millisecond; ; pause *= 2 {
		err := s.publisher.Publish(ctx, contract.TopicUsers, []sidecar.Message{{ID: id, Key: fact.UserID, Data: event}})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// mailed reads a token of this kind. Error: invalid-token (422).
func (s *Service) mailed(ctx context.Context, token, kind string) (store.Mailed, error) {
	m, found, err := s.store.Mailed(ctx, token)
	if err != nil {
		return m, err
	}
	if !found || m.Kind != kind || !s.now().Before(m.ExpiresAt) {
		return m, errMailedToken
	}
	return m, nil
}

// forgot mails a token for a new password, if there is an account. Its caller learns nothing either way,
// not even by the time it takes.
func (s *Service) forgot(ctx context.Context, email account.Email) error {
	return s.later(ctx, contract.UserPasswordResetAsked, func(ctx context.Context) error {
		claim, found, err := s.store.Claim(ctx, email)
		if err != nil || !found {
			return err
		}
		a, err := s.store.Account(ctx, claim.UserID)
		if err != nil || a == nil || a.Deleted() {
			return err
		}
		m := store.Mailed{Kind: store.ResetPassword, UserID: a.ID(), Email: email, Epoch: a.Epoch()}
		return s.mail(ctx, contract.UserPasswordResetAsked, m, a.Snapshot().Name)
	})
}

// reset sets a new password with a mailed token, which also proves the mailbox; every session ends.
// Errors: invalid-request, invalid-token (422).
func (s *Service) reset(ctx context.Context, token, password string) error {
	m, err := s.mailed(ctx, token, store.ResetPassword)
	if err != nil {
		return err
	}
	a, err := s.store.Account(ctx, m.UserID)
	if err != nil {
		return err
	}
	if a == nil || a.Deleted() || a.Epoch() != m.Epoch {
		return errMailedToken
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.markProven(ctx, m); err != nil {
		return err
	}
	_, err = s.store.ChangeAccount(ctx, m.UserID, func(a *account.Account) error {
		if a.Epoch() != m.Epoch { // a token serves once, whatever else fails
			return errMailedToken
		}
		a.ResetPassword(hash)
		return nil
	})
	if err != nil {
		return gone(err, errMailedToken)
	}
	if err := s.store.ForgetAttempts(ctx, store.SignIn, string(m.Email)); err != nil {
		return err
	}
	return s.store.DeleteMailed(ctx, token)
}

// markProven notes at the mailbox that nobody else can have it any more. Error: invalid-token (422) if
// somebody else has it.
func (s *Service) markProven(ctx context.Context, m store.Mailed) error {
	for range attemptsAtClaim {
		claim, found, err := s.store.Claim(ctx, m.Email)
		if err != nil {
			return err
		}
		if !found || claim.UserID != m.UserID {
			return errMailedToken
		}
		if claim.Verified {
			return nil
		}
		verified := claim
		verified.Verified = true
		if err := s.store.ReplaceClaim(ctx, m.Email, claim, verified); !lost(err) {
			return err
		}
	}
	return errRace
}

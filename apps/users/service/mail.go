package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
)

// How long a mailed token serves.
const (
	verifyLife = 48 * time.Hour
	resetLife  = time.Hour
)

var errMailedToken = fault.New(fault.Invalid, "invalid-token", "The token is not valid, was used already, or has expired. Ask for a new mail.").
	WithField("body.token", "is not valid any more")

// life is how long a mailed token of this kind serves.
func life(kind string) time.Duration {
	if kind == store.ResetPassword {
		return resetLife
	}
	return verifyLife
}

// mailLater is mail, after the answer.
func (s *Service) mailLater(ctx context.Context, kind, by string, m store.Mailed) error {
	return s.later(ctx, kind, func(ctx context.Context) error { return s.mail(ctx, kind, by, m) })
}

// mail is send after the answer: a mailbox that was sent enough of late gets none, and nobody is told.
func (s *Service) mail(ctx context.Context, kind, by string, m store.Mailed) error {
	wait, err := s.store.CountAttempt(ctx, store.Mail, string(m.Email), attempts.Mail, s.now())
	if err != nil {
		return err
	}
	if wait > 0 {
		telemetry.Log(ctx).Info().Str("user", m.UserID).Dur("wait", wait).Msg("too much mail for one mailbox")
		return nil
	}
	return s.insist(ctx, func() error { return s.send(ctx, kind, by, m) })
}

// send stores a token for what m allows and records, under kind, that there is a mail to be written that carries
// it. by is the id of the user who asked for it, or empty.
func (s *Service) send(ctx context.Context, kind, by string, m store.Mailed) error {
	id := s.newID()
	m.ExpiresAt = s.now().Add(life(m.Kind)).UTC()
	if err := s.store.CreateMailed(ctx, s.tokens.Token(id), m, life(m.Kind)); err != nil {
		return err
	}
	record := trail.Record{UserFact: contract.UserFact{UserID: m.UserID, MailID: id}, By: by}
	return s.trail.Add(ctx, kind, record)
}

// insist tries again for as long as ctx lasts and the service runs.
func (s *Service) insist(ctx context.Context, try func() error) error {
	for pause := 500 * time.Millisecond; ; pause *= 2 {
		err := try()
		if err == nil || errors.Is(err, commitlog.ErrClosed) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// letter gives what a mail needs, for as long as its token serves. Problem: not-found (404).
func (s *Service) letter(ctx context.Context, mailID string) (contract.UserLetter, error) {
	token := s.tokens.Token(mailID)
	m, found, err := s.store.Mailed(ctx, token)
	if err != nil {
		return contract.UserLetter{}, err
	}
	if !found || !s.now().Before(m.ExpiresAt) {
		return contract.UserLetter{}, fault.Missing("mail")
	}
	a, err := s.store.Account(ctx, m.UserID) // none, of a candidate
	if err != nil {
		return contract.UserLetter{}, err
	}
	if a != nil && a.Deleted() {
		return contract.UserLetter{}, fault.Missing("mail")
	}
	return contract.UserLetter{Email: string(m.Email), Name: m.Name, Token: token}, nil
}

// mailed reads a token of one of these kinds. Error: invalid-token (422).
func (s *Service) mailed(ctx context.Context, token string, kinds ...string) (store.Mailed, error) {
	m, found, err := s.store.Mailed(ctx, token)
	if err != nil {
		return m, err
	}
	if !found || !slices.Contains(kinds, m.Kind) || !s.now().Before(m.ExpiresAt) {
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
		if err != nil || !held(a, email) {
			return err
		}
		return s.mail(ctx, contract.UserPasswordResetAsked, "", store.Mailed{
			Kind: store.ResetPassword, UserID: a.ID(), Email: email, Name: a.Snapshot().Name, Epoch: a.Epoch()})
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
	if !held(a, m.Email) || a.Epoch() != m.Epoch {
		return errMailedToken
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.markProven(ctx, m); err != nil {
		return err
	}
	if err := s.trail.Add(ctx, trail.PasswordReset, trail.Unsigned(m.UserID)); err != nil {
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

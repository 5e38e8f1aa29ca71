package signin

import (
	"context"
	"slices"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

func tooManyAttempts(wait time.Duration) error {
	return fault.New(fault.TooMany, "too-many-attempts", "Too many attempts. Wait before you try again.").After(wait)
}

// failuresOf counts the wrong passwords for a mailbox from a client. Those of a device that has signed in before are
// counted alone. All others are also counted together, so that guesses from many addresses are slowed down: see signIn.
func failuresOf(mailbox account.Email, c Client) []*store.Counter {
	guesser := guesserOf(string(mailbox) + " " + c.ID())
	if c.device != "" {
		return []*store.Counter{guesser}
	}
	failures := []*store.Counter{guesser, {Kind: store.SignIn, Subject: string(mailbox), Policy: attempts.SignIn}}
	if c.address != "" {
		failures = append(failures, &store.Counter{Kind: store.Address, Subject: c.address, Policy: attempts.Address})
	}
	return failures
}

func guesserOf(subject string) *store.Counter {
	return &store.Counter{Kind: store.Guesser, Subject: subject, Policy: attempts.Guesser}
}

// checkPassword compares the password with that of the account, which may be nil. It adds a wrong one to the failures.
// After the right one the failures of the mailbox and of the client are forgotten, but not those of the address, which
// concern other mailboxes too. The caller has read the failures and still holds their locks. Errors:
// invalid-credentials (401), too-many-attempts (429).
func (s *Service) checkPassword(ctx context.Context, reservation hasher.Reservation, failures []*store.Counter,
	a *account.Account, password string) error {
	var wait time.Duration
	for _, c := range failures {
		wait = max(wait, c.Policy.Wait(c.Record, s.Now()))
	}
	if wait > 0 {
		return tooManyAttempts(wait)
	}
	hash := ""
	if a != nil {
		hash = a.Snapshot().PasswordHash
	}
	ok, err := reservation.Matches(ctx, password, hash)
	if err != nil {
		return err
	}
	if !ok {
		// A client that disconnects must not get a guess that is not counted.
		if err := s.Store.AddAttempt(context.WithoutCancel(ctx), s.Now(), failures...); err != nil {
			return err
		}
		throttled := func(c *store.Counter) bool {
			return c.Kind != store.Address && c.Policy.Add(c.Record, s.Now()).Count == c.Policy.Free
		}
		if a != nil && slices.ContainsFunc(failures, throttled) {
			s.recordThrottled(ctx, a.ID())
		}
		return errCredentials
	}
	for _, c := range failures {
		if c.Kind == store.Address || c.Record.Count == 0 {
			continue
		}
		if err := s.Store.ForgetAttempts(ctx, c.Kind, c.Subject); err != nil {
			return err
		}
	}
	return nil
}

// recordThrottled records that the next sign-in must wait. It does so in the background, so that the answer takes the
// same time whether or not the account exists.
func (s *Service) recordThrottled(ctx context.Context, id string) {
	err := s.Tasks.Go(ctx, trail.SignInThrottled, func(ctx context.Context) error {
		return s.Trail.Add(ctx, trail.SignInThrottled, trail.Unsigned(id))
	})
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.User, id).Msg("throttled sign-ins not recorded")
	}
}

// ErrCurrentPassword is the error for a caller who has not confirmed a change with the current password:
// invalid-credentials (422). It is not 401, because the access token is valid, and clients would try to refresh it.
var ErrCurrentPassword = fault.New(fault.Invalid, "invalid-credentials", "The current password is wrong.").
	WithField("currentPassword", "is wrong")

// ConfirmPassword checks the current password of the caller before an important change. Wrong ones are counted by
// session: so a stranger who guesses cannot keep the owner from a change, and neither can the thief of another session.
// It locks the session; the caller must call unlock after the change. Errors: invalid-credentials (422);
// too-many-attempts (429).
func (s *Service) ConfirmPassword(ctx context.Context, a *account.Account, password string) (unlock func(), err error) {
	session := a.ID() + " session " + identity.Of(ctx).Session
	unlock, err = s.locks.Lock(ctx, session)
	if err != nil {
		return nil, err
	}
	if err := s.confirm(ctx, a, guesserOf(session), password); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func (s *Service) confirm(ctx context.Context, a *account.Account, failures *store.Counter, password string) error {
	reservation, err := s.Hasher.Reserve()
	if err != nil {
		return err
	}
	defer reservation.Release()
	if err := s.Store.ReadCounters(ctx, failures); err != nil {
		return err
	}
	err = s.checkPassword(ctx, reservation, []*store.Counter{failures}, a, password)
	if fault.Is(err, errCredentials.Type) {
		return ErrCurrentPassword
	}
	return err
}

package service

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// attemptsAtClaim bounds how often a lost race for one mailbox is looked at again.
const attemptsAtClaim = 10

var errRace = fault.New(fault.Unavailable, "unavailable", "Somebody else is registering this address. Try again.").After(time.Second)

// register makes an account for a mailbox that nobody has proved.
//
// If an unproven account has the mailbox, neither registration may get the better of the other by asking:
// the account stays as it is, and the new registration becomes a candidate with an id and a password of
// its own, kept with its mailed token only. Whoever answers the mail first owns the mailbox; the others
// are erased, with their sessions. So nobody takes over an account by registering its address again, and
// nobody who registers a stranger's address beforehand keeps a foot in it. The answer looks the same.
//
// Errors: invalid-request (422); email-taken (409) once the mailbox is proven.
func (s *Service) register(ctx context.Context, email account.Email, password, name string) (*account.Account, error) {
	if err := s.refuseTaken(ctx, email); err != nil {
		return nil, err // before the costly hash
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	a, candidate, err := s.admit(ctx, email, name, hash)
	if err != nil {
		return nil, err
	}
	x := a.Snapshot()
	mailed := store.Mailed{Kind: store.VerifyEmail, UserID: x.ID, Email: email, Name: x.Name}
	if candidate {
		mailed.Candidate = &store.Candidate{PasswordHash: x.PasswordHash, CreatedAt: x.CreatedAt}
	}
	// The account stands already; a mail that is lost can be asked for again.
	if err := s.mailLater(ctx, contract.UserVerificationRequested, "", mailed); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("verification mail not sent")
	}
	return a, nil
}

var errTaken = fault.New(fault.Conflict, "email-taken", "There is an account with this email address already.")

func (s *Service) refuseTaken(ctx context.Context, email account.Email) error {
	claim, found, err := s.store.Claim(ctx, email)
	if err != nil || !found {
		return err
	}
	holder, err := s.store.Account(ctx, claim.UserID)
	if err != nil {
		return err
	}
	if taken(claim, holder, email) {
		return errTaken
	}
	return nil
}

// held reports whether the account that a claim names, if there is one, has the mailbox still.
func held(holder *account.Account, email account.Email) bool {
	return holder != nil && !holder.Deleted() && !holder.Left(email)
}

// taken reports whether the mailbox is proven to be the holder's.
func taken(claim store.Claim, holder *account.Account, email account.Email) bool {
	return held(holder, email) && (claim.Verified || holder.Verified())
}

// admit writes the account that holds the mailbox, or makes a candidate that is not written.
func (s *Service) admit(ctx context.Context, email account.Email, name, hash string) (a *account.Account, candidate bool, err error) {
	id, place := s.newID(), uint64(0)
	for range attemptsAtClaim {
		claim, found, err := s.store.Claim(ctx, email)
		if err != nil {
			return nil, false, err
		}
		var holder *account.Account
		if found {
			if holder, err = s.store.Account(ctx, claim.UserID); err != nil {
				return nil, false, err
			}
		}
		switch {
		case found && holder == nil:
			// Its registration crashed, or is still under way: put-if-absent decides between us.
			a, err = account.New(claim.UserID, claim.Place, email, name, hash, s.now())
		case found && taken(claim, holder, email):
			return nil, false, errTaken
		case found && held(holder, email):
			a, err = account.New(s.newID(), 0, email, name, hash, s.now()) // id may have become the holder's
			return a, true, err
		default:
			if place == 0 {
				if place, err = s.store.Enrol(ctx, id); err != nil {
					return nil, false, err
				}
			}
			if err = s.claim(ctx, email, found, claim, store.Claim{UserID: id, Place: place}); err == nil {
				a, err = account.New(id, place, email, name, hash, s.now())
			}
		}
		if err == nil {
			err = s.store.CreateAccount(ctx, a)
		}
		if err == nil {
			return a, false, nil
		}
		if !lost(err) {
			return nil, false, err
		}
	}
	return nil, false, errRace
}

// lost reports whether another writer came first.
func lost(err error) bool {
	return errors.Is(err, sidecar.ErrExists) || errors.Is(err, sidecar.ErrStale)
}

func (s *Service) claim(ctx context.Context, email account.Email, found bool, read, c store.Claim) error {
	if found {
		return s.store.ReplaceClaim(ctx, email, read, c)
	}
	return s.store.CreateClaim(ctx, email, c)
}

// verify lets a mailed token prove its mailbox, and an account move to it. Each step may be repeated after a
// crash; the token is used up last. Errors: invalid-token (422); email-taken (409).
func (s *Service) verify(ctx context.Context, token string) error {
	m, err := s.mailed(ctx, token, store.VerifyEmail, store.ChangeEmail)
	if err != nil {
		return err
	}
	if m.Kind == store.ChangeEmail {
		return s.changeEmail(ctx, token, m)
	}
	if err := s.trail.Add(ctx, trail.EmailVerified, trail.Unsigned(m.UserID)); err != nil {
		return err
	}
	for range attemptsAtClaim {
		err := s.prove(ctx, m)
		if lost(err) {
			continue
		}
		if err != nil {
			return err
		}
		return s.store.DeleteMailed(ctx, token)
	}
	return errRace
}

// prove gives the mailbox to the token's account, if nobody has proved it before.
func (s *Service) prove(ctx context.Context, m store.Mailed) error {
	claim, found, err := s.store.Claim(ctx, m.Email)
	if err != nil {
		return err
	}
	if !found {
		return errMailedToken
	}
	if claim.UserID != m.UserID {
		if claim, err = s.unseat(ctx, m, claim); err != nil {
			return err
		}
	} else if !claim.Verified {
		verified := claim
		verified.Verified = true
		if err := s.store.ReplaceClaim(ctx, m.Email, claim, verified); err != nil {
			return err
		}
	}
	_, err = s.store.ChangeAccount(ctx, m.UserID, func(a *account.Account) error { a.Verify(); return nil })
	if errors.Is(err, store.ErrNoAccount) {
		return errMailedToken
	}
	if err != nil {
		return err
	}
	return s.dislodge(ctx, claim.Previous, m.Email)
}

// unseat makes a candidate the mailbox's account in the place of the unproven one.
func (s *Service) unseat(ctx context.Context, m store.Mailed, claim store.Claim) (store.Claim, error) {
	if m.Candidate == nil {
		return claim, errMailedToken
	}
	holder, err := s.store.Account(ctx, claim.UserID)
	if err != nil {
		return claim, err
	}
	if taken(claim, holder, m.Email) {
		return claim, errors.Join(errMailedToken, s.dislodge(ctx, m.UserID, m.Email)) // too late; what a lost race left goes
	}
	a, err := s.store.Account(ctx, m.UserID)
	if err != nil {
		return claim, err
	}
	if a != nil && (a.Deleted() || a.Snapshot().Email != m.Email) { // it has moved since
		return claim, errMailedToken
	}
	if a == nil {
		place, err := s.store.Enrol(ctx, m.UserID)
		if err != nil {
			return claim, err
		}
		if a, err = account.New(m.UserID, place, m.Email, m.Name, m.Candidate.PasswordHash, m.Candidate.CreatedAt); err != nil {
			return claim, err
		}
		a.Verify()
		if err := s.store.CreateAccount(ctx, a); err != nil {
			return claim, err
		}
	}
	won := store.Claim{UserID: m.UserID, Place: a.Snapshot().Place, Verified: true, Previous: claim.UserID}
	return won, s.store.ReplaceClaim(ctx, m.Email, claim, won)
}

package mailbox

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/apps/users/service/view"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/emailaddress"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// How long mailed tokens are valid.
const (
	verifyTTL = 48 * time.Hour // and all others
	resetTTL  = time.Hour
)

func ttl(kind string) time.Duration {
	if kind == store.ResetPassword {
		return resetTTL
	}
	return verifyTTL
}

// ErrInvalidToken is the error for a mailed token that is not valid: invalid-token (422).
var ErrInvalidToken = fault.New(fault.Invalid, "invalid-token",
	"The token is not valid, was used already, or has expired. Ask for a new mail.").
	WithField("token", "is not valid any more")

// Token reads a mailed token of one of the kinds. Error: invalid-token (422).
func (m *Mailboxes) Token(ctx context.Context, token string, kinds ...string) (store.MailToken, error) {
	t, found, err := m.Store.MailToken(ctx, token)
	if err != nil {
		return t, err
	}
	if !found || !slices.Contains(kinds, t.Kind) || !m.Now().Before(t.ExpiresAt) {
		return t, ErrInvalidToken
	}
	return t, nil
}

// Asker is the client that asks for a mail.
type Asker struct {
	User  string // the id of the user who is signed in, or empty
	ID    string // identifies the client in counters
	Known bool   // the owner of the mailbox has signed in there before
}

// ByUser makes the Asker of a user who is signed in.
func ByUser(id string) Asker { return Asker{User: id, ID: "user " + id} }

// RequestMailLater is RequestMail after the answer. Error: unavailable (503) if too much mail is requested at once.
func (m *Mailboxes) RequestMailLater(ctx context.Context, event string, by Asker, t store.MailToken) error {
	return m.Tasks.Go(ctx, event, func(ctx context.Context) error { return m.RequestMail(ctx, event, by, t) })
}

// RequestMail requests a mail with a token, and tries again until ctx ends. A mailbox gets a bounded number of mails,
// and of them each asker can use up only a part. What a known asker wants is not bounded by what others have asked for.
// Too much mail is no error: the caller must not learn of it.
func (m *Mailboxes) RequestMail(ctx context.Context, event string, by Asker, t store.MailToken) error {
	mailbox := emailaddress.Mailbox(string(t.Email))
	wait, err := m.Store.Attempt(ctx, store.Asker, mailbox+" "+by.ID, attempts.Asker, m.Now())
	if err == nil && wait == 0 && !by.Known {
		wait, err = m.Store.Attempt(ctx, store.Mail, mailbox, attempts.Mail, m.Now())
	}
	if err != nil {
		return err
	}
	if wait > 0 {
		telemetry.Log(ctx).Info().Str(field.User, t.UserID).Dur(field.Wait, wait).Msg("too much mail for one mailbox")
		return nil
	}
	return retry(ctx, func() error { return m.request(ctx, event, by.User, t) })
}

// RequestNotice requests a mail that only informs, however many mails the mailbox has got.
func (m *Mailboxes) RequestNotice(ctx context.Context, event string, t store.MailToken) error {
	return m.request(ctx, event, "", t)
}

// request stores the token and records an event, with which the notifications service writes the mail (see letter).
func (m *Mailboxes) request(ctx context.Context, event, by string, t store.MailToken) error {
	id := m.NewID()
	t.ExpiresAt = m.Now().Add(ttl(t.Kind)).UTC()
	if err := m.Store.CreateMailToken(ctx, m.Tokens.Token(id), t, ttl(t.Kind)); err != nil {
		return err
	}
	record := trail.Record{UserFact: contract.UserFact{UserID: t.UserID, MailID: id}, By: by}
	return m.Trail.Add(ctx, event, record)
}

// retry calls attempt until it succeeds, ctx ends or the log is closed.
func retry(ctx context.Context, attempt func() error) error {
	for pause := 500 * time.Millisecond; ; pause *= 2 {
		err := attempt()
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

// letter returns the recipient and the token of a mail. Error: not-found (404) if the token is not valid any more.
func (m *Mailboxes) letter(ctx context.Context, mailID string) (contract.UserLetter, error) {
	token := m.Tokens.Token(mailID)
	t, found, err := m.Store.MailToken(ctx, token)
	if err != nil {
		return contract.UserLetter{}, err
	}
	if !found || !m.Now().Before(t.ExpiresAt) {
		return contract.UserLetter{}, fault.Missing("mail")
	}
	a, err := m.Store.Account(ctx, t.UserID) // nil for a candidate
	if err != nil {
		return contract.UserLetter{}, err
	}
	if a != nil && a.Deleted() {
		return contract.UserLetter{}, fault.Missing("mail")
	}
	if a == nil || !a.Verified() || a.Snapshot().Email != t.Email {
		t.Name = "" // a stranger may have registered, and the mail must not carry a stranger's words
	}
	l := contract.UserLetter{Email: string(t.Email), Name: t.Name, Token: token}
	switch {
	case t.Candidate != nil:
		l.RegisteredAt = t.Candidate.CreatedAt
	case t.Kind == store.VerifyEmail && a != nil:
		l.RegisteredAt = a.Snapshot().CreatedAt
	}
	return l, nil
}

type letterReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         contract.UserLetter
}

// Mount adds the internal operation with which the notifications service reads what a mail needs.
func (m *Mailboxes) Mount(api huma.API) {
	op := huma.Operation{OperationID: "get-letter", Method: http.MethodGet, Path: "/internal/mails/{id}",
		Tags: []string{"Internal"}, Summary: "What a mail to a user needs"}
	httpx.Register(api, op, func(ctx context.Context, in *view.IDInput) (*letterReply, error) {
		letter, err := m.letter(ctx, in.ID)
		return &letterReply{CacheControl: "no-store", Body: letter}, err
	})
}

package service

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// etag is the strong version of an account (RFC 9110, section 8.8.3).
func etag(a *account.Account) string { return `"` + strconv.Itoa(a.Version()) + `"` }

// unchanged checks an If-Match that the client may send with a change.
func unchanged(header string, a *account.Account) error {
	if header == "" {
		return nil
	}
	return httpx.IfMatch(header, etag(a))
}

func reply(a *account.Account) *userReply {
	return &userReply{ETag: etag(a), CacheControl: "private, no-cache", Body: viewOf(a)}
}

type changeMeInput struct {
	IfMatch string `header:"If-Match" maxLength:"256"`
	Body    struct {
		Name *string `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"\\S"`
	}
}

type changePasswordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
		NewPassword     string `json:"newPassword" minLength:"8" maxLength:"128"`
	}
}

type changeEmailInput struct {
	Body struct {
		Email           string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"The new mailbox"`
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
	}
}

// Session is one signed-in device.
type Session struct {
	ID         string    `json:"id"`
	UserAgent  string    `json:"userAgent"`
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt" doc:"When it was refreshed last"`
	ExpiresAt  time.Time `json:"expiresAt" doc:"Unless it is refreshed before"`
	Current    bool      `json:"current" doc:"The session that asks"`
}

// IDInput names one of a kind. Huma overlooks embedded types that are not exported.
type IDInput struct {
	ID string `path:"id" pattern:"^[a-z0-9]{1,64}$" patternDescription:"an id"`
}

type sessionList struct {
	Body httpx.List[Session]
}

// own describes an operation on what is the caller's own.
func own(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/me" + path, Summary: summary,
		Tags: []string{"Me"}, Security: httpx.Bearer, DefaultStatus: status, Errors: errors}
}

func (s *Service) mountMe(api huma.API) {
	httpx.Register(api, own("get-me", http.MethodGet, "", "The caller's account", 200), func(ctx context.Context, _ *struct{}) (*userReply, error) {
		a, _, err := s.me(ctx)
		if err != nil {
			return nil, err
		}
		return reply(a), nil
	})
	httpx.Register(api, own("change-me", http.MethodPatch, "", "Change the caller's profile", 200), func(ctx context.Context, in *changeMeInput) (*userReply, error) {
		a, err := s.change(ctx, func(a *account.Account) error {
			if err := unchanged(in.IfMatch, a); err != nil || in.Body.Name == nil {
				return err
			}
			return a.Rename("body.name", *in.Body.Name)
		})
		if err != nil {
			return nil, err
		}
		return reply(a), nil
	})
	httpx.Register(api, own("delete-me", http.MethodDelete, "", "Delete the caller's account, for good", 204, 409), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, s.deleteMe(ctx)
	})
	httpx.Register(api, own("change-password", http.MethodPost, "/password", "Change the password; all other sessions end", 204), func(ctx context.Context, in *changePasswordInput) (*struct{}, error) {
		if err := account.CheckPassword("body.newPassword", in.Body.NewPassword); err != nil {
			return nil, err
		}
		return nil, s.changePassword(ctx, in.Body.CurrentPassword, in.Body.NewPassword)
	})
	change := own("change-email", http.MethodPost, "/email", "Ask for a mail to a new mailbox, which becomes the account's when it is answered", 202)
	change.Description = "The token from the mail goes to verify-email. The answer is the same whether somebody has the mailbox or not."
	httpx.Register(api, change, func(ctx context.Context, in *changeEmailInput) (*struct{}, error) {
		email, err := account.ParseEmail("body.email", in.Body.Email)
		if err != nil {
			return nil, err
		}
		return nil, s.askMove(ctx, email, in.Body.CurrentPassword)
	})
	httpx.Register(api, own("send-verification", http.MethodPost, "/verification", "Send the mail that proves the mailbox again", 202), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		a, _, err := s.me(ctx)
		if err != nil || a.Verified() {
			return nil, err
		}
		x := a.Snapshot()
		return nil, s.mailLater(ctx, contract.UserVerificationRequested, x.ID, store.Mailed{Kind: store.VerifyEmail, UserID: x.ID, Email: x.Email, Name: x.Name})
	})
	httpx.Register(api, own("list-sessions", http.MethodGet, "/sessions", "Where the caller is signed in", 200), func(ctx context.Context, in *struct{ httpx.Page }) (*sessionList, error) {
		a, book, err := s.me(ctx)
		if err != nil {
			return nil, err
		}
		views := []Session{}
		for _, x := range book.Live(a.Epoch(), s.now()) {
			views = append(views, Session{ID: x.ID, UserAgent: x.UserAgent, CreatedAt: x.CreatedAt, LastUsedAt: x.UsedAt,
				ExpiresAt: x.ExpiresAt(), Current: x.ID == identity.Of(ctx).Session})
		}
		items, next, err := paged(views, in.Page, func(x Session) string { return x.ID })
		return &sessionList{httpx.List[Session]{Items: items, NextCursor: next}}, err
	})
	httpx.Register(api, own("end-session", http.MethodDelete, "/sessions/{id}", "Sign a device out", 204), func(ctx context.Context, in *IDInput) (*struct{}, error) {
		return nil, s.endSession(ctx, in.ID)
	})
}

// after is the position in a list that is read at once: the id of the last item given.
type after struct {
	ID string `json:"id"`
}

// paged cuts a page out of a short list. An item that has gone since ends the list.
func paged[T any](all []T, p httpx.Page, id func(T) string) (items []T, next *string, err error) {
	var at after
	if err := p.Position(&at); err != nil {
		return nil, nil, err
	}
	start := 0
	if at.ID != "" {
		if start = slices.IndexFunc(all, func(x T) bool { return id(x) == at.ID }) + 1; start == 0 {
			start = len(all)
		}
	}
	items = all[start:min(start+p.Limit, len(all))]
	if len(items) > 0 && start+len(items) < len(all) {
		next = httpx.Cursor(after{id(items[len(items)-1])})
	}
	return items, next, nil
}

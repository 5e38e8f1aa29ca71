package profile

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/view"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

type changeMeInput struct {
	IfMatch string `header:"If-Match" maxLength:"256"`
	Body    struct {
		Name *string `json:"name,omitempty" minLength:"1" maxLength:"200" pattern:"\\S"`
	}
}

type changePasswordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
		NewPassword     string `json:"newPassword" minLength:"8" maxLength:"128" doc:"As in a registration"`
	}
}

type deleteMeInput struct {
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"128" doc:"The current password"`
	}
}

// Session is one signed-in device.
type Session struct {
	ID         string    `json:"id"`
	UserAgent  string    `json:"userAgent"`
	CreatedAt  time.Time `json:"createdAt"`
	LastUsedAt time.Time `json:"lastUsedAt" doc:"When it was refreshed last"`
	ExpiresAt  time.Time `json:"expiresAt" doc:"The time at which the session ends, unless it is refreshed before"`
	Current    bool      `json:"current" doc:"The session that asks"`
}

type sessionList struct {
	Body httpx.List[Session]
}

type pageInput struct {
	httpx.Page
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	httpx.Register(api, view.OwnOperation("get-me", http.MethodGet, "", "The caller's account", 200), s.handleGet)
	httpx.Register(api, view.OwnOperation("change-me", http.MethodPatch, "", "Change the caller's profile", 200),
		s.handleChange)
	remove := view.OwnOperation("delete-me", http.MethodDelete, "", "Delete the caller's account, for good", 204, 409, 429)
	remove.Description = "The password confirms that it is the owner. Wrong ones are slowed down like those of sign-ins."
	httpx.Register(api, remove, s.handleDelete)
	httpx.Register(api, view.OwnOperation("change-password", http.MethodPost, "/password",
		"Change the password; all other sessions end", 204), s.handleChangePassword)
	httpx.Register(api, view.OwnOperation("list-sessions", http.MethodGet, "/sessions",
		"Where the caller is signed in", 200), s.handleListSessions)
	httpx.Register(api, view.OwnOperation("end-session", http.MethodDelete, "/sessions/{id}", "Sign a device out", 204),
		s.handleEndSession)
	s.mountAddresses(api)
}

func (s *Service) handleGet(ctx context.Context, _ *struct{}) (*view.UserReply, error) {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	return view.ReplyOf(a), nil
}

func (s *Service) handleChange(ctx context.Context, in *changeMeInput) (*view.UserReply, error) {
	a, err := s.changeAccount(ctx, func(a *account.Account) error {
		if err := view.CheckIfMatch(in.IfMatch, a); err != nil || in.Body.Name == nil {
			return err
		}
		return a.Rename(*in.Body.Name)
	})
	if err != nil {
		return nil, err
	}
	return view.ReplyOf(a), nil
}

func (s *Service) handleDelete(ctx context.Context, in *deleteMeInput) (*struct{}, error) {
	return nil, s.deleteAccount(ctx, in.Body.Password)
}

func (s *Service) handleChangePassword(ctx context.Context, in *changePasswordInput) (*struct{}, error) {
	return nil, s.changePassword(ctx, in.Body.CurrentPassword, in.Body.NewPassword)
}

func (s *Service) handleListSessions(ctx context.Context, in *pageInput) (*sessionList, error) {
	a, sessions, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	all := []Session{}
	for _, x := range sessions.Live(a.Epoch(), s.Now()) {
		all = append(all, Session{ID: x.ID, UserAgent: x.UserAgent, CreatedAt: x.CreatedAt, LastUsedAt: x.UsedAt,
			ExpiresAt: x.ExpiresAt(), Current: x.ID == identity.Of(ctx).Session})
	}
	page, err := view.Page(all, in.Page, func(x Session) string { return x.ID })
	return &sessionList{page}, err
}

func (s *Service) handleEndSession(ctx context.Context, in *view.IDInput) (*struct{}, error) {
	return nil, s.endSession(ctx, in.ID)
}

package administration

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/view"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

type usersInput struct {
	httpx.Page
	Q string `query:"q" maxLength:"200" doc:"Part of the email address or the name, or the id"`
}

type userList struct {
	Body httpx.List[view.User]
}

type setRolesInput struct {
	view.IDInput
	IfMatch string `header:"If-Match" maxLength:"256"`
	Body    struct {
		Roles []string `json:"roles" minItems:"1" maxItems:"3" nullable:"false" enum:"customer,staff,admin" doc:"All roles that the user is to have"`
	}
}

// UserEvent is an event of a user's audit trail.
type UserEvent struct {
	Seq     uint64    `json:"seq" doc:"Counts the account's events, from 1"`
	Type    string    `json:"type" example:"user.roles-changed"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty" doc:"Id of the user who did it; missing if the caller was not signed in"`
	Session string    `json:"sessionId,omitempty"`
	Was     []string  `json:"was,omitempty" doc:"Roles before"`
	Roles   []string  `json:"roles,omitempty"`
	Factor  string    `json:"secondFactor,omitempty" enum:"totp,passkey" doc:"The kind of the second factor that was added or removed; missing if an administrator has removed all"`
}

type eventsInput struct {
	view.IDInput
	httpx.Page
}

type eventList struct {
	CacheControl string `header:"Cache-Control"`
	Body         httpx.List[UserEvent]
}

// position is the cursor of the list of users: the next page has the numbers below it.
type position struct {
	Before uint64 `json:"place"`
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	httpx.Register(api, s.operation("list-users", http.MethodGet, "", "Find users, the newest first",
		"A page may have fewer items than the limit, even none, and still not be the last: "+
			"continue until nextCursor is null."),
		s.handleListUsers)
	httpx.Register(api, s.operation("get-user", http.MethodGet, "/{id}", "One user", ""), s.handleGetUser)
	httpx.Register(api, s.operation("set-roles", http.MethodPut, "/{id}/roles", "Set the roles of a user",
		"Access tokens that were issued before have the former roles until they expire, after ten minutes at most.", 409),
		s.handleSetRoles)
	httpx.Register(api, s.operation("reset-second-factors", http.MethodDelete, "/{id}/second-factors",
		"Remove all second factors of a user who has lost them", "Ends the sessions of the user, who gets a mail.", 409),
		s.handleResetSecondFactors)
	httpx.Register(api, s.operation("list-user-events", http.MethodGet, "/{id}/events",
		"What happened to a user's account, the newest first", "Who did what and when, by ids. "+
			"It outlives the account. After a crash, its last event may describe a change that was not made."),
		s.handleListEvents)
}

// operation describes an operation for administrators. Other callers are refused before their input is validated.
func (s *Service) operation(id, method, path, summary, description string, errors ...int) huma.Operation {
	isAdministrator := func(ctx context.Context) error {
		_, err := s.SignIn.Administrator(ctx)
		return err
	}
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/users" + path, Summary: summary,
		Description: description, Tags: []string{"Administration"}, Security: httpx.Bearer,
		Errors: append([]int{403}, errors...), Middlewares: huma.Middlewares{httpx.Gate(isAdministrator)}}
}

func (s *Service) handleListUsers(ctx context.Context, in *usersInput) (*userList, error) {
	var at position
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	found, next, err := s.Directory.Accounts(ctx, at.Before, in.Limit, matching(in.Q))
	if err != nil {
		return nil, err
	}
	list := httpx.List[view.User]{Items: []view.User{}}
	for _, a := range found {
		list.Items = append(list.Items, view.UserOf(a))
	}
	if next > 0 {
		list.NextCursor = httpx.Cursor(position{next})
	}
	return &userList{list}, nil
}

func (s *Service) handleGetUser(ctx context.Context, in *view.IDInput) (*view.UserReply, error) {
	a, err := s.user(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return view.ReplyOf(a), nil
}

func (s *Service) handleSetRoles(ctx context.Context, in *setRolesInput) (*view.UserReply, error) {
	a, err := s.setRoles(ctx, in.ID, in.Body.Roles, func(a *account.Account) error {
		return view.CheckIfMatch(in.IfMatch, a)
	})
	if err != nil {
		return nil, err
	}
	return view.ReplyOf(a), nil
}

func (s *Service) handleResetSecondFactors(ctx context.Context, in *view.IDInput) (*struct{}, error) {
	return nil, s.resetSecondFactors(ctx, in.ID)
}

func (s *Service) handleListEvents(ctx context.Context, in *eventsInput) (*eventList, error) {
	var at commitlog.Mark
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	if a, err := s.Store.Account(ctx, in.ID); err != nil {
		return nil, err
	} else if a == nil { // a deleted account still has its trail
		return nil, fault.Missing("user")
	}
	entries, next, err := s.Trail.History(ctx, in.ID, at, in.Limit)
	if err != nil {
		return nil, err
	}
	list := httpx.List[UserEvent]{Items: []UserEvent{}}
	for _, e := range entries {
		list.Items = append(list.Items, UserEvent{Seq: e.Seq, Type: e.Type, At: e.At, By: e.By, Session: e.Session,
			Was: e.Was, Roles: e.Roles, Factor: e.Factor})
	}
	if next != nil {
		list.NextCursor = httpx.Cursor(next)
	}
	return &eventList{CacheControl: "private, no-cache", Body: list}, nil
}

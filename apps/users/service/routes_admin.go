package service

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

type usersInput struct {
	httpx.Page
	Q string `query:"q" maxLength:"200" doc:"Part of the email address or the name, or the id"`
}

type userList struct {
	Body httpx.List[User]
}

type setRolesInput struct {
	IDInput
	IfMatch string `header:"If-Match" maxLength:"256"`
	Body    struct {
		Roles []string `json:"roles" minItems:"1" maxItems:"3" nullable:"false" enum:"customer,staff,admin" doc:"All roles that the user is to have"`
	}
}

// UserEvent is an entry of the trail.
type UserEvent struct {
	Seq     uint64    `json:"seq" doc:"Counts the account's events, from 1"`
	Type    string    `json:"type" example:"user.roles-changed"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty" doc:"Id of the user who did it; without, somebody who was not signed in"`
	Session string    `json:"sessionId,omitempty"`
	Was     []string  `json:"was,omitempty" doc:"Roles before"`
	Roles   []string  `json:"roles,omitempty"`
}

type eventsInput struct {
	IDInput
	httpx.Page
}

type eventList struct {
	CacheControl string `header:"Cache-Control"`
	Body         httpx.List[UserEvent]
}

// below is the position in the list of users: the directory's number to go on below.
type below struct {
	Place uint64 `json:"place"`
}

func (s *Service) mountAdmin(api huma.API) {
	admin := func(id, method, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/users" + path, Summary: summary, Description: description,
			Tags: []string{"Administration"}, Security: httpx.Bearer, Errors: append([]int{403}, errors...), Middlewares: huma.Middlewares{httpx.Gate(s.isAdministrator)}}
	}
	httpx.Register(api, admin("list-users", http.MethodGet, "", "Find users, the newest first",
		"A page may hold fewer than asked for, even none, and still not be the last: go on until nextCursor is null."),
		func(ctx context.Context, in *usersInput) (*userList, error) {
			var at below
			if err := in.Position(&at); err != nil {
				return nil, err
			}
			found, next, err := s.store.Accounts(ctx, at.Place, in.Limit, matching(in.Q))
			if err != nil {
				return nil, err
			}
			list := httpx.List[User]{Items: []User{}}
			for _, a := range found {
				list.Items = append(list.Items, viewOf(a))
			}
			if next > 0 {
				list.NextCursor = httpx.Cursor(below{next})
			}
			return &userList{list}, nil
		})
	httpx.Register(api, admin("get-user", http.MethodGet, "/{id}", "One user", ""), func(ctx context.Context, in *IDInput) (*userReply, error) {
		a, err := s.store.Account(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if a == nil || a.Deleted() {
			return nil, fault.Missing("user")
		}
		return reply(a), nil
	})
	httpx.Register(api, admin("set-roles", http.MethodPut, "/{id}/roles", "Give a user exactly these roles",
		"Access tokens issued before say the former roles until they expire, ten minutes at most.", 409),
		func(ctx context.Context, in *setRolesInput) (*userReply, error) {
			a, err := s.setRoles(ctx, in.ID, in.Body.Roles, func(a *account.Account) error { return unchanged(in.IfMatch, a) })
			if err != nil {
				return nil, err
			}
			return reply(a), nil
		})
	httpx.Register(api, admin("list-user-events", http.MethodGet, "/{id}/events", "What happened to a user's account, the newest first",
		"Who did what and when, by ids. It stays when the account is deleted. What stands here last may not have come to pass."),
		func(ctx context.Context, in *eventsInput) (*eventList, error) {
			var at commitlog.Mark
			if err := in.Position(&at); err != nil {
				return nil, err
			}
			if a, err := s.store.Account(ctx, in.ID); err != nil {
				return nil, err
			} else if a == nil {
				return nil, fault.Missing("user")
			}
			entries, next, err := s.trail.History(ctx, in.ID, at, in.Limit)
			if err != nil {
				return nil, err
			}
			list := httpx.List[UserEvent]{Items: []UserEvent{}}
			for _, e := range entries {
				list.Items = append(list.Items, UserEvent{Seq: e.Seq, Type: e.Type, At: e.At, By: e.By, Session: e.Session, Was: e.Was, Roles: e.Roles})
			}
			if next != nil {
				list.NextCursor = httpx.Cursor(next)
			}
			return &eventList{CacheControl: "private, no-cache", Body: list}, nil
		})
}

// matching finds a text in an account's address or name, whatever its case, or an id.
func matching(q string) func(*account.Account) bool {
	q = strings.ToLower(strings.TrimSpace(q))
	return func(a *account.Account) bool {
		s := a.Snapshot()
		return q == "" || s.ID == q || strings.Contains(string(s.Email), q) || strings.Contains(strings.ToLower(s.Name), q)
	}
}

// Package view has what the routes of the users service share: accounts as clients see them, their ETags, ids in paths,
// and pages of short lists.
package view

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/httpx"
)

// User is an account as its owner and administrators see it.
type User struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	Name          string    `json:"name"`
	EmailVerified bool      `json:"emailVerified"`
	Roles         []string  `json:"roles" nullable:"false" enum:"customer,staff,admin"`
	CreatedAt     time.Time `json:"createdAt"`
}

// UserOf makes the User of an account.
func UserOf(a *account.Account) User {
	s := a.Snapshot()
	return User{ID: s.ID, Email: string(s.Email), Name: s.Name, EmailVerified: s.Verified, Roles: s.Roles,
		CreatedAt: s.CreatedAt}
}

// UserReply is the answer of operations on one account.
type UserReply struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         User
}

// ReplyOf makes the answer with an account. Caches of clients must revalidate it.
func ReplyOf(a *account.Account) *UserReply {
	return &UserReply{ETag: etag(a), CacheControl: "private, no-cache", Body: UserOf(a)}
}

// etag is the strong ETag of an account (RFC 9110, section 8.8.3).
func etag(a *account.Account) string { return `"` + strconv.Itoa(a.Version()) + `"` }

// CheckIfMatch checks the optional If-Match header of a change. Error: precondition-failed (412).
func CheckIfMatch(header string, a *account.Account) error {
	if header == "" {
		return nil
	}
	return httpx.IfMatch(header, etag(a))
}

// IDInput is an input with an id in the path. Its name is exported because Huma ignores unexported embedded types.
type IDInput struct {
	ID string `path:"id" pattern:"^[a-z0-9]{1,64}$" patternDescription:"an id"`
}

// OwnOperation describes an operation on the caller's own account, at a path below /api/v1/me.
func OwnOperation(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/me" + path, Summary: summary,
		Tags: []string{"Me"}, Security: httpx.Bearer, DefaultStatus: status, Errors: errors}
}

// AuthOperation describes an operation for callers without an access token, at a path below /api/v1/auth.
func AuthOperation(path, summary, description string, status int, errors ...int) huma.Operation {
	return huma.Operation{OperationID: path, Method: http.MethodPost, Path: "/api/v1/auth/" + path, Summary: summary,
		Description: description, Tags: []string{"Sign-in"}, DefaultStatus: status, Errors: errors}
}

// position is the cursor of Page: the id of the last item of the page before.
type position struct {
	ID string `json:"id"`
}

// Page returns a page of a list that is in memory as a whole. It is empty if the last item of the page before does not
// exist any more.
func Page[T any](all []T, p httpx.Page, id func(T) string) (httpx.List[T], error) {
	var last position
	if err := p.Position(&last); err != nil {
		return httpx.List[T]{}, err
	}
	start := 0
	if last.ID != "" {
		if start = slices.IndexFunc(all, func(item T) bool { return id(item) == last.ID }) + 1; start == 0 {
			start = len(all)
		}
	}
	page := httpx.List[T]{Items: all[start:min(start+p.Limit, len(all))]}
	if n := len(page.Items); n > 0 && start+n < len(all) {
		page.NextCursor = httpx.Cursor(position{id(page.Items[n-1])})
	}
	return page, nil
}

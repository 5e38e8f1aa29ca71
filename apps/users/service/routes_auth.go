package service

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/signing"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
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

func viewOf(a *account.Account) User {
	s := a.Snapshot()
	return User{ID: s.ID, Email: string(s.Email), Name: s.Name, EmailVerified: s.Verified, Roles: s.Roles, CreatedAt: s.CreatedAt}
}

type userReply struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         User
}

type registerInput struct {
	Body struct {
		Email    string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"One mailbox; compared in lower case" example:"ada@example.com"`
		Password string `json:"password" minLength:"8" maxLength:"128" doc:"8 to 128 characters of any script"`
		Name     string `json:"name" minLength:"1" maxLength:"200" pattern:"\\S" example:"Ada Lovelace"`
	}
}

// Caller is where a request comes from. The gateway writes X-Forwarded-For anew; sidecars add to it.
type Caller struct {
	Address   string `header:"X-Forwarded-For" hidden:"true"`
	UserAgent string `header:"User-Agent" hidden:"true"`
}

func (c Caller) client() client {
	return client{address: clientAddress(c.Address), agent: agentName(c.UserAgent)}
}

type loginInput struct {
	Caller
	Body struct {
		Email    string `json:"email" format:"email" minLength:"3" maxLength:"254"`
		Password string `json:"password" minLength:"1" maxLength:"128"`
	}
}

type signedIn struct {
	AccessToken  string `json:"accessToken" doc:"Send as Authorization: Bearer"`
	RefreshToken string `json:"refreshToken" doc:"Serves once; brings the next one"`
	ExpiresIn    int    `json:"expiresIn" doc:"Seconds until the access token expires"`
	User         User   `json:"user"`
}

type signedInReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         signedIn
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"512"`
	}
}

type logoutInput struct {
	Body *struct {
		RefreshToken string `json:"refreshToken,omitempty" maxLength:"512" doc:"Ends this token's session; may be left out by who sends an access token"`
	}
}

type verifyEmailInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"256" doc:"From the mail"`
	}
}

type forgotPasswordInput struct {
	Body struct {
		Email string `json:"email" format:"email" minLength:"3" maxLength:"254"`
	}
}

type resetPasswordInput struct {
	Body struct {
		Token    string `json:"token" minLength:"1" maxLength:"256" doc:"From the mail"`
		Password string `json:"password" minLength:"8" maxLength:"128"`
	}
}

type jwksReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         identity.JWKS
}

func (s *Service) mountAuth(api huma.API) {
	post := func(id, path, summary, description string, status int, errors ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/auth/" + path, Summary: summary,
			Description: description, Tags: []string{"Sign-in"}, DefaultStatus: status, Errors: errors}
	}
	httpx.Register(api, post("register", "register", "Register a customer",
		"Sends a mail that proves the mailbox. While nobody has proved it, several registrations may stand for one mailbox; the one whose mail is answered first has it.", 201, 409),
		func(ctx context.Context, in *registerInput) (*userReply, error) {
			email, err := account.ParseEmail("body.email", in.Body.Email)
			if err != nil {
				return nil, err
			}
			name, err := account.Name("body.name", in.Body.Name)
			if err != nil {
				return nil, err
			}
			if err := account.CheckPassword("body.password", in.Body.Password); err != nil {
				return nil, err
			}
			a, err := s.register(ctx, email, in.Body.Password, name)
			if err != nil {
				return nil, err
			}
			return &userReply{ETag: etag(a), CacheControl: "no-store", Body: viewOf(a)}, nil
		})
	httpx.Register(api, post("login", "login", "Sign in", "", 200), func(ctx context.Context, in *loginInput) (*signedInReply, error) {
		email, err := account.ParseEmail("body.email", in.Body.Email)
		if err != nil {
			return nil, err
		}
		a, t, err := s.signIn(ctx, email, in.Body.Password, in.client())
		if err != nil {
			return nil, err
		}
		return s.welcome(a, t)
	})
	httpx.Register(api, post("refresh", "refresh", "Exchange a refresh token",
		"A refresh token serves once. One that comes again ends its session for everybody who holds it.", 200),
		func(ctx context.Context, in *refreshInput) (*signedInReply, error) {
			a, t, err := s.refresh(ctx, in.Body.RefreshToken)
			if err != nil {
				return nil, err
			}
			return s.welcome(a, t)
		})
	logout := post("logout", "logout", "Sign out", "Ends the session of the refresh token, and the caller's own. What is over already is no error.", 204)
	logout.Security = httpx.Optional // one of them, or both
	httpx.Register(api, logout, func(ctx context.Context, in *logoutInput) (*struct{}, error) {
		token := ""
		if in.Body != nil {
			token = in.Body.RefreshToken
		}
		if token == "" {
			if _, err := identity.Require(ctx, ""); err != nil {
				return nil, err
			}
		}
		return nil, s.signOut(ctx, token)
	})
	httpx.Register(api, post("verify-email", "verify-email", "Prove a mailbox with the token from the mail",
		"Also moves an account to the mailbox that it asked for.", 204, 409),
		func(ctx context.Context, in *verifyEmailInput) (*struct{}, error) {
			return nil, s.verify(ctx, in.Body.Token)
		})
	httpx.Register(api, post("forgot-password", "forgot-password", "Ask for a mail to set a new password", "The answer is the same whether there is an account or not.", 202),
		func(ctx context.Context, in *forgotPasswordInput) (*struct{}, error) {
			email, err := account.ParseEmail("body.email", in.Body.Email)
			if err != nil {
				return nil, err
			}
			return nil, s.forgot(ctx, email)
		})
	httpx.Register(api, post("reset-password", "reset-password", "Set a new password with the token from the mail", "Ends all sessions, and proves the mailbox.", 204),
		func(ctx context.Context, in *resetPasswordInput) (*struct{}, error) {
			if err := account.CheckPassword("body.password", in.Body.Password); err != nil {
				return nil, err
			}
			return nil, s.reset(ctx, in.Body.Token, in.Body.Password)
		})
	httpx.Register(api, huma.Operation{OperationID: "get-jwks", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary: "Public keys of access tokens", Description: "A JWK set (RFC 7517). A new key is here for two minutes before it signs.", Tags: []string{"Sign-in"}},
		func(context.Context, *struct{}) (*jwksReply, error) {
			return &jwksReply{CacheControl: "public, max-age=30", Body: s.keys.JWKS()}, nil
		})
}

// welcome answers with the tokens of a session.
func (s *Service) welcome(a *account.Account, t session.Token) (*signedInReply, error) {
	access, err := s.accessToken(a, t.SessionID)
	if err != nil {
		return nil, err
	}
	return &signedInReply{CacheControl: "no-store", Body: signedIn{
		AccessToken: access, RefreshToken: t.String(), ExpiresIn: int(signing.TokenLife.Seconds()), User: viewOf(a),
	}}, nil
}

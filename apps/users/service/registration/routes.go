package registration

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/view"
	"haberdash/internal/httpx"
)

type registerInput struct {
	signin.Origin
	Body struct {
		Email    string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"One mailbox; compared in lower case" example:"ada@example.com"`
		Password string `json:"password" minLength:"8" maxLength:"128" doc:"8 to 128 characters of any script; neither a common password, nor the email address, the name or the name of the shop"`
		Name     string `json:"name" minLength:"1" maxLength:"200" pattern:"\\S" example:"Ada Lovelace"`
	}
}

type verifyEmailInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"256" doc:"From the mail"`
	}
}

// registerReply is the answer to a registration: 201 with the account, or 202 without a body.
type registerReply struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         func(huma.Context)
}

type forgotPasswordInput struct {
	signin.Origin
	Body struct {
		Email string `json:"email" format:"email" minLength:"3" maxLength:"254"`

		DeviceToken string `json:"deviceToken,omitempty" maxLength:"256" doc:"From the last sign-in to the account on this device: then the mails that other people have asked for do not delay this one"`
	}
}

type resetPasswordInput struct {
	signin.Origin
	Body struct {
		Token    string `json:"token" minLength:"1" maxLength:"256" doc:"From the mail"`
		Password string `json:"password" minLength:"8" maxLength:"128"`
	}
}

type changeEmailInput struct {
	Body struct {
		Email           string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"The new mailbox"`
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
	}
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	s.mountRegister(api)
	httpx.Register(api, view.AuthOperation("verify-email", "Prove a mailbox with the token from the mail",
		"Also confirms a change of the account's email address.", 204, 409), s.handleVerifyEmail)
	httpx.Register(api, view.AuthOperation("forgot-password", "Request a mail to set a new password",
		"The answer is the same whether or not there is an account.", 202), s.handleForgotPassword)
	httpx.Register(api, view.AuthOperation("reset-password", "Set a new password with the token from the mail",
		"Ends all sessions, and proves the mailbox.", 204), s.handleResetPassword)
	httpx.Register(api, view.OwnOperation("send-verification", http.MethodPost, "/verification",
		"Send the mail that proves the mailbox again", 202), s.handleSendVerification)
	changeEmail := view.OwnOperation("change-email", http.MethodPost, "/email",
		"Request a change of the email address; a mail to the new mailbox confirms it", 202)
	changeEmail.Description = "The token from the mail goes to verify-email. " +
		"The answer is the same whether or not another account has the mailbox."
	httpx.Register(api, changeEmail, s.handleChangeEmail)
}

// mountRegister adds the registration. Both modes have one description, so that a client works with either.
func (s *Service) mountRegister(api huma.API) {
	op := view.AuthOperation("register", "Register a customer",
		"Sends a mail that proves the mailbox. Each mail is for one registration and its password; if there are several "+
			"for a mailbox, the one whose token is used first gets it. "+
			"A shop with REGISTRATION=verified answers 202 to everybody. The account exists when the token from the mail "+
			"was used; if the mailbox has an account already, its owner gets a mail that says so. A shop with "+
			"REGISTRATION=open, which is for trying it out, answers 201 and opens the account at once; its answer 409 "+
			"tells who has an account.", 201, 409)
	user := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[view.User](), true, "")
	op.Responses = map[string]*huma.Response{
		"201": {Description: "Created", Content: map[string]*huma.MediaType{"application/json": {Schema: user}}},
		"202": {Description: "Accepted"},
	}
	httpx.Register(api, op, func(ctx context.Context, in *registerInput) (*registerReply, error) {
		a, err := s.handleRegister(ctx, in)
		if err != nil {
			return nil, err
		}
		if a == nil {
			accepted := func(c huma.Context) { c.SetStatus(http.StatusAccepted) }
			return &registerReply{CacheControl: "no-store", Body: accepted}, nil
		}
		reply := view.ReplyOf(a)
		created := func(c huma.Context) {
			c.SetHeader("Content-Type", "application/json")
			c.SetStatus(http.StatusCreated)
			_ = api.Marshal(c.BodyWriter(), "application/json", reply.Body) // fails only if the client is gone
		}
		return &registerReply{ETag: reply.ETag, CacheControl: "no-store", Body: created}, nil
	})
}

// handleRegister returns the account, or nil in the mode Verified.
func (s *Service) handleRegister(ctx context.Context, in *registerInput) (*account.Account, error) {
	email, err := account.ParseNewEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	name, err := account.Name(in.Body.Name)
	if err != nil {
		return nil, err
	}
	if err := account.CheckPassword("password", in.Body.Password, string(email), name); err != nil {
		return nil, err
	}
	r := registration{email: email, password: in.Body.Password, name: name, by: s.SignIn.ClientOf(in.Origin, email, "")}
	if s.Mode == Verified {
		return nil, s.request(ctx, r)
	}
	return s.register(ctx, r)
}

func (s *Service) handleVerifyEmail(ctx context.Context, in *verifyEmailInput) (*struct{}, error) {
	return nil, s.verify(ctx, in.Body.Token)
}

func (s *Service) handleForgotPassword(ctx context.Context, in *forgotPasswordInput) (*struct{}, error) {
	email, err := account.ParseEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	return nil, s.forgotPassword(ctx, email, s.SignIn.ClientOf(in.Origin, email, in.Body.DeviceToken))
}

func (s *Service) handleResetPassword(ctx context.Context, in *resetPasswordInput) (*struct{}, error) {
	if err := account.CheckPassword("password", in.Body.Password); err != nil {
		return nil, err
	}
	return nil, s.resetPassword(ctx, in.Body.Token, in.Body.Password, in.Origin)
}

func (s *Service) handleSendVerification(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, s.requestVerification(ctx)
}

func (s *Service) handleChangeEmail(ctx context.Context, in *changeEmailInput) (*struct{}, error) {
	email, err := account.ParseNewEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	return nil, s.requestEmailChange(ctx, email, in.Body.CurrentPassword)
}

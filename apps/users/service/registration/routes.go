package registration

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/view"
	"haberdash/internal/httpx"
)

type registerInput struct {
	Body struct {
		Email    string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"One mailbox; compared in lower case" example:"ada@example.com"`
		Password string `json:"password" minLength:"8" maxLength:"128" doc:"8 to 128 characters of any script"`
		Name     string `json:"name" minLength:"1" maxLength:"200" pattern:"\\S" example:"Ada Lovelace"`
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

type changeEmailInput struct {
	Body struct {
		Email           string `json:"email" format:"email" minLength:"3" maxLength:"254" doc:"The new mailbox"`
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
	}
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	httpx.Register(api, view.AuthOperation("register", "Register a customer", "Sends a mail that proves the mailbox. "+
		"Until then, several accounts may be registered for one mailbox; "+
		"the one whose token is used first gets it.", 201, 409), s.handleRegister)
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

func (s *Service) handleRegister(ctx context.Context, in *registerInput) (*view.UserReply, error) {
	email, err := account.ParseNewEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	name, err := account.Name(in.Body.Name)
	if err != nil {
		return nil, err
	}
	if err := account.CheckPassword("password", in.Body.Password); err != nil {
		return nil, err
	}
	a, err := s.register(ctx, email, in.Body.Password, name)
	if err != nil {
		return nil, err
	}
	reply := view.ReplyOf(a)
	reply.CacheControl = "no-store"
	return reply, nil
}

func (s *Service) handleVerifyEmail(ctx context.Context, in *verifyEmailInput) (*struct{}, error) {
	return nil, s.verify(ctx, in.Body.Token)
}

func (s *Service) handleForgotPassword(ctx context.Context, in *forgotPasswordInput) (*struct{}, error) {
	email, err := account.ParseEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	return nil, s.forgotPassword(ctx, email)
}

func (s *Service) handleResetPassword(ctx context.Context, in *resetPasswordInput) (*struct{}, error) {
	if err := account.CheckPassword("password", in.Body.Password); err != nil {
		return nil, err
	}
	return nil, s.resetPassword(ctx, in.Body.Token, in.Body.Password)
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

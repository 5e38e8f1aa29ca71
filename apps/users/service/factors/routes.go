package factors

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/apps/users/service/view"
	"haberdash/internal/httpx"
)

// SecondFactor is a second factor as its owner sees it.
type SecondFactor struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" enum:"totp,passkey"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

func viewOf(f factor.Factor) SecondFactor { return SecondFactor{f.ID, f.Kind, f.Name, f.CreatedAt} }

type secondFactorList struct {
	CacheControl string `header:"Cache-Control"`
	Body         secondFactors
}

type secondFactors struct {
	Items         []SecondFactor `json:"items" nullable:"false"`
	NextCursor    *string        `json:"nextCursor"`
	RecoveryCodes int            `json:"recoveryCodes" doc:"How many recovery codes were not used"`
}

type pageInput struct {
	httpx.Page
}

type confirmPasswordInput struct {
	Body struct {
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
	}
}

type enrolAppInput struct {
	Body struct {
		Enrolment string `json:"enrolment" minLength:"1" maxLength:"8192" doc:"From the first step"`
		Name      string `json:"name" minLength:"1" maxLength:"100" pattern:"\\S" example:"My phone"`
		Code      string `json:"code" pattern:"^[0-9]{6}$" patternDescription:"six digits" doc:"That the app shows"`
	}
}

type enrolPasskeyInput struct {
	Body struct {
		Enrolment string         `json:"enrolment" minLength:"1" maxLength:"8192" doc:"From the first step"`
		Name      string         `json:"name" minLength:"1" maxLength:"100" pattern:"\\S" example:"My laptop"`
		Passkey   map[string]any `json:"passkey" doc:"What navigator.credentials.create has made, by its method toJSON (RegistrationResponseJSON)"`
	}
}

type removeSecondFactorInput struct {
	view.IDInput
	Body struct {
		CurrentPassword string `json:"currentPassword" minLength:"1" maxLength:"128"`
	}
}

// AppEnrolment is the answer of the first step of the enrolment of an authenticator app.
type AppEnrolment struct {
	Enrolment string `json:"enrolment" doc:"Valid for ten minutes, in this session; for the second step"`
	Secret    string `json:"secret" doc:"For the app, in base32: SHA-1, six digits, 30 seconds"`
	URI       string `json:"uri" doc:"The same as an otpauth address, for a QR code"`
}

// PasskeyEnrolment is the answer of the first step of the enrolment of a passkey.
type PasskeyEnrolment struct {
	Enrolment string         `json:"enrolment" doc:"Valid for ten minutes, in this session; for the second step"`
	Options   map[string]any `json:"options" doc:"For PublicKeyCredential.parseCreationOptionsFromJSON (PublicKeyCredentialCreationOptionsJSON)"`
}

// Enrolled is the answer of the second step of an enrolment.
type Enrolled struct {
	Factor        SecondFactor `json:"secondFactor"`
	RecoveryCodes []string     `json:"recoveryCodes,omitempty" doc:"With the first factor: each is valid once in place of a factor. They are not shown again"`
}

// RecoveryCodes are new recovery codes.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recoveryCodes" nullable:"false" doc:"They are not shown again"`
}

type reply[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

// private is an answer that nobody may store, because it has secrets.
func private[T any](body T, err error) (*reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &reply[T]{"no-store", body}, nil
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	op := func(id, method, path, summary, description string, status int, errors ...int) huma.Operation {
		o := view.OwnOperation(id, method, path, summary, status, errors...)
		o.Description = description
		return o
	}
	// Enrolments are beside the factors, not among them: below /second-factors is a place for ids only.
	const factors = "/second-factors"
	const changes = "Once there is a factor, the session must have proven one: otherwise 403 second-factor-not-proven."
	httpx.Register(api, op("list-second-factors", http.MethodGet, factors, "The caller's second factors", "", 200),
		s.handleList)
	httpx.Register(api, op("begin-app", http.MethodPost, "/totp", "Begin to enrol an authenticator app (TOTP)",
		"The app gets the secret. Its first code completes the enrolment. "+changes, 200, 403, 409), s.handleBeginApp)
	httpx.Register(api, op("enrol-app", http.MethodPost, "/totp/confirmation", "Enrol an authenticator app",
		"From now on a sign-in needs a second factor. Sessions that have proven none end, except the caller's; its "+
			"next access token counts as proven. The owner gets a mail. "+changes, 201, 403, 409), s.handleEnrolApp)
	httpx.Register(api, op("begin-passkey", http.MethodPost, "/passkey", "Begin to enrol a passkey",
		"The options are for the browser, which creates the passkey. "+changes, 200, 403, 409), s.handleBeginPasskey)
	httpx.Register(api, op("enrol-passkey", http.MethodPost, "/passkey/confirmation", "Enrol a passkey",
		"As with an authenticator app. "+changes, 201, 403, 409), s.handleEnrolPasskey)
	httpx.Register(api, op("replace-recovery-codes", http.MethodPost, "/recovery-codes", "Replace the recovery codes",
		"The former ones are not valid any more. "+changes, 200, 403, 409), s.handleReplaceCodes)
	httpx.Register(api, op("remove-second-factor", http.MethodDelete, factors+"/{id}", "Remove a second factor",
		"The recovery codes go with the last factor. The owner gets a mail. "+changes, 204, 403), s.handleRemove)
}

func (s *Service) handleList(ctx context.Context, in *pageInput) (*secondFactorList, error) {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	all := []SecondFactor{}
	for _, f := range a.Factors().Factors {
		all = append(all, viewOf(f))
	}
	page, err := view.Page(all, in.Page, func(f SecondFactor) string { return f.ID })
	return &secondFactorList{"private, no-cache",
		secondFactors{page.Items, page.NextCursor, len(a.Factors().Codes)}}, err
}

func (s *Service) handleBeginApp(ctx context.Context, in *confirmPasswordInput) (*reply[AppEnrolment], error) {
	a, err := s.begin(ctx, in.Body.CurrentPassword)
	if err != nil {
		return nil, err
	}
	ticket, secret, uri, err := s.Verifier.BeginTOTP(a, sessionOf(ctx))
	return private(AppEnrolment{ticket, secret, uri}, err)
}

func (s *Service) handleEnrolApp(ctx context.Context, in *enrolAppInput) (*reply[Enrolled], error) {
	return s.finish(ctx, in.Body.Name, func(a *account.Account, name string) (secondfactor.Enrolment, error) {
		return s.Verifier.FinishTOTP(ctx, a, sessionOf(ctx), in.Body.Enrolment, name, in.Body.Code)
	})
}

func (s *Service) handleBeginPasskey(ctx context.Context, in *confirmPasswordInput) (*reply[PasskeyEnrolment], error) {
	a, err := s.begin(ctx, in.Body.CurrentPassword)
	if err != nil {
		return nil, err
	}
	ticket, options, err := s.Verifier.BeginPasskey(a, sessionOf(ctx))
	return private(PasskeyEnrolment{ticket, options}, err)
}

func (s *Service) handleEnrolPasskey(ctx context.Context, in *enrolPasskeyInput) (*reply[Enrolled], error) {
	if err := secondfactor.CheckMembers(in.Body.Passkey); err != nil {
		return nil, err
	}
	return s.finish(ctx, in.Body.Name, func(a *account.Account, name string) (secondfactor.Enrolment, error) {
		return s.Verifier.FinishPasskey(ctx, a, sessionOf(ctx), in.Body.Enrolment, name, in.Body.Passkey)
	})
}

// finish completes an enrolment whose proof is checked by check.
func (s *Service) finish(ctx context.Context, typed string,
	check func(a *account.Account, name string) (secondfactor.Enrolment, error)) (*reply[Enrolled], error) {
	a, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	name, err := account.Name(typed) // the same rules as for the names of people
	if err != nil {
		return nil, err
	}
	e, err := check(a, name)
	if err != nil {
		return nil, err
	}
	codes, err := s.enrol(ctx, a, e)
	return private(Enrolled{viewOf(e.Factor), codes}, err)
}

func (s *Service) handleReplaceCodes(ctx context.Context, in *confirmPasswordInput) (*reply[RecoveryCodes], error) {
	codes, err := s.replaceCodes(ctx, in.Body.CurrentPassword)
	return private(RecoveryCodes{codes}, err)
}

func (s *Service) handleRemove(ctx context.Context, in *removeSecondFactorInput) (*struct{}, error) {
	return nil, s.remove(ctx, in.ID, in.Body.CurrentPassword)
}

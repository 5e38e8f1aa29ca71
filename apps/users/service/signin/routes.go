package signin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/apps/users/service/view"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

type loginInput struct {
	Origin
	Body struct {
		Email    string `json:"email" format:"email" minLength:"3" maxLength:"254"`
		Password string `json:"password" minLength:"1" maxLength:"128"`

		DeviceToken string `json:"deviceToken,omitempty" maxLength:"256" doc:"From the last sign-in to this account on this device: then other people's wrong passwords do not make this sign-in wait"`
	}
}

type signedIn struct {
	AccessToken  string    `json:"accessToken" doc:"Send as Authorization: Bearer"`
	RefreshToken string    `json:"refreshToken" doc:"Valid once; see the refresh operation"`
	ExpiresIn    int       `json:"expiresIn" doc:"Seconds for which the access token is valid, at least"`
	User         view.User `json:"user"`

	DeviceToken string `json:"deviceToken,omitempty" doc:"After a sign-in: keep it on the device, also after signing out, and send it with the next sign-in"`

	WithheldRoles []string `json:"withheldRoles,omitempty" enum:"customer,staff,admin" doc:"Roles that the access token lacks until the user has enrolled a second factor and signed in with it"`
}

type signedInReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         signedIn
}

type secondFactorInput struct {
	Origin
	Body struct {
		Challenge    string         `json:"challenge" minLength:"1" maxLength:"16384" doc:"From the problem second-factor-required"`
		Code         string         `json:"code,omitempty" pattern:"^[0-9]{6}$" patternDescription:"six digits" doc:"That the authenticator app shows"`
		RecoveryCode string         `json:"recoveryCode,omitempty" minLength:"1" maxLength:"64"`
		Passkey      map[string]any `json:"passkey,omitempty" doc:"What navigator.credentials.get has returned, by its method toJSON (AuthenticationResponseJSON)"`
	}
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refreshToken" minLength:"1" maxLength:"512"`
	}
}

type logoutInput struct {
	Body *struct {
		RefreshToken string `json:"refreshToken,omitempty" maxLength:"512" doc:"The session of this token ends. Optional for a caller with an access token"`
	}
}

type jwksReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         identity.JWKS
}

// Mount adds the operations to an API.
func (s *Service) Mount(api huma.API) {
	httpx.Register(api, view.AuthOperation("login", "Sign in",
		"If the account has a second factor, the right password answers 401 second-factor-required, with the members "+
			"challenge (for the operation second-factor, valid for expiresIn seconds), methods (totp, passkey, "+
			"recovery-code) and, for a passkey, passkeyOptions (for "+
			"PublicKeyCredential.parseRequestOptionsFromJSON).", 200), s.handleLogin)
	httpx.Register(api, view.AuthOperation("second-factor", "Complete a sign-in with a second factor",
		"With exactly one of code, recoveryCode and passkey. Each code and each challenge is accepted once. A wrong one "+
			"answers 401 invalid-second-factor, and a challenge that is not valid any more 401 invalid-challenge.", 200),
		s.handleSecondFactor)
	httpx.Register(api, view.AuthOperation("refresh", "Exchange a refresh token",
		"A refresh token is valid once; the answer has the next one. For ten seconds after its first use, and until the "+
			"next one is used, the same token gets the same answer again: after a lost answer, or when two tabs refresh "+
			"at once. Any other reuse ends the session.", 200),
		s.handleRefresh)
	logout := view.AuthOperation("logout", "Sign out",
		"Ends the session of the refresh token, and the caller's own. A session that has ended already is no error.", 204)
	logout.Security = httpx.Optional // one of the two tokens, or both
	httpx.Register(api, logout, s.handleLogout)
	httpx.Register(api, huma.Operation{OperationID: "get-jwks", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary:     "Public keys of access tokens",
		Description: "A JWK set (RFC 7517). A new key is published two minutes before its first signature.",
		Tags:        []string{"Sign-in"}}, s.handleJWKS)
}

func (s *Service) handleLogin(ctx context.Context, in *loginInput) (*signedInReply, error) {
	email, err := account.ParseEmail("email", in.Body.Email)
	if err != nil {
		return nil, err
	}
	c := s.ClientOf(in.Origin, email, in.Body.DeviceToken)
	a, t, err := s.signIn(ctx, email, in.Body.Password, c)
	s.Metrics.count(byPassword, err)
	if err != nil {
		return nil, err
	}
	return s.signedIn(a, t, "", c)
}

func (s *Service) handleSecondFactor(ctx context.Context, in *secondFactorInput) (*signedInReply, error) {
	p := secondfactor.Proof{Code: in.Body.Code, RecoveryCode: in.Body.RecoveryCode, Passkey: in.Body.Passkey}
	if proofs := given(p.Code != "") + given(p.RecoveryCode != "") + given(p.Passkey != nil); proofs != 1 {
		return nil, fault.BadField("code", "must be given, or else one of recoveryCode and passkey")
	}
	if err := secondfactor.CheckMembers(p.Passkey); err != nil {
		return nil, err
	}
	answer, err := s.proveFactor(ctx, in, p)
	by := bySecondFactor
	if p.Passkey != nil {
		by = byPasskey
	}
	s.Metrics.count(by, err)
	return answer, err
}

// proveFactor completes a sign-in with a second factor.
func (s *Service) proveFactor(
	ctx context.Context, in *secondFactorInput, p secondfactor.Proof,
) (*signedInReply, error) {
	a, proven, err := s.Factors.Verify(ctx, in.Body.Challenge, p)
	if err != nil {
		return nil, err
	}
	c := s.ClientOf(in.Origin, a.Snapshot().Email, "")
	t, err := s.open(ctx, a, nil, proven, c)
	if err != nil {
		return nil, err
	}
	return s.signedIn(a, t, proven, c)
}

// signedIn makes the answer after a sign-in.
func (s *Service) signedIn(a *account.Account, t session.Token, proven string, c Client) (*signedInReply, error) {
	body, err := s.tokens(a, t, s.Now(), proven)
	body.DeviceToken = s.deviceToken(a.Snapshot().Email, c)
	return reply(body, err)
}

func given(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (s *Service) handleRefresh(ctx context.Context, in *refreshInput) (*signedInReply, error) {
	body, err := s.refresh(ctx, in.Body.RefreshToken)
	s.Metrics.count(byRefresh, err)
	return reply(body, err)
}

// reply makes the answer with the tokens of a session.
func reply(body signedIn, err error) (*signedInReply, error) {
	if err != nil {
		return nil, err
	}
	return &signedInReply{CacheControl: "no-store", Body: body}, nil
}

func (s *Service) handleLogout(ctx context.Context, in *logoutInput) (*struct{}, error) {
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
}

func (s *Service) handleJWKS(context.Context, *struct{}) (*jwksReply, error) {
	return &jwksReply{CacheControl: "public, max-age=30", Body: s.Keys.JWKS()}, nil
}

package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// An authenticator app is enrolled, is needed to sign in, and is removed. Each of its codes is accepted once.
func TestSecondFactorOfTheRunningShop(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email, password := api.NewEmail(), api.NewKey()
	_, err := c.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	session, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	ada := c.As(session.AccessToken)
	send := func(c *api.Client, method, path string, body any) *api.Answer {
		t.Helper()
		a, err := c.Do(ctx, api.Request{Method: method, Path: path, Body: body})
		require.NoError(t, err)
		return a
	}
	type object = map[string]string
	const factors = "/api/v1/me/second-factors"
	var begun struct{ Enrolment, Secret string }
	require.NoError(t, send(ada, http.MethodPost, "/api/v1/me/totp", object{"currentPassword": password}).Decode(&begun))
	code := func(steps int) string {
		code, err := totp.GenerateCode(begun.Secret, time.Now().Add(time.Duration(steps)*30*time.Second))
		require.NoError(t, err)
		return code
	}
	used := code(0)
	var enrolled struct {
		SecondFactor  struct{ ID string }
		RecoveryCodes []string
	}
	require.NoError(t, send(ada, http.MethodPost, "/api/v1/me/totp/confirmation",
		object{"enrolment": begun.Enrolment, "name": "Phone", "code": used}).Decode(&enrolled))
	require.Len(t, enrolled.RecoveryCodes, 10)

	challenge := func() string {
		t.Helper()
		a := send(c, http.MethodPost, "/api/v1/auth/login", object{"email": email, "password": password})
		requireProblem(t, a.Problem(), http.StatusUnauthorized, "second-factor-required")
		var required struct{ Challenge string }
		require.NoError(t, (&api.Answer{Status: http.StatusOK, Header: a.Header, Body: a.Body}).Decode(&required))
		return required.Challenge
	}
	prove := func(challenge, name, value string) *api.Answer {
		t.Helper()
		return send(c, http.MethodPost, "/api/v1/auth/second-factor", object{"challenge": challenge, name: value})
	}
	requireProblem(t, prove(challenge(), "code", used).Problem(), http.StatusUnauthorized, "invalid-second-factor")
	first := challenge()
	require.NoError(t, prove(first, "recoveryCode", enrolled.RecoveryCodes[0]).Decode(&session))
	requireProblem(t, prove(first, "recoveryCode", enrolled.RecoveryCodes[1]).Problem(), http.StatusUnauthorized,
		"invalid-challenge")
	require.NoError(t, prove(challenge(), "code", code(1)).Decode(&session))
	removed := send(c.As(session.AccessToken), http.MethodDelete, factors+"/"+enrolled.SecondFactor.ID,
		object{"currentPassword": password})
	require.Equal(t, http.StatusNoContent, removed.Status, string(removed.Body))
	_, err = c.Login(ctx, email, password)
	require.NoError(t, err)
}

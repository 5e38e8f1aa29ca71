package service

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/golang-jwt/jwt/v5"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

const factorsPath = "/api/v1/me/second-factors"

// app is an authenticator app, or nothing.
type app struct {
	f                *fixture
	id, secret       string
	recovery         []string
	enrolment, first string // the ticket of the enrolment, and the code that completed it
}

// code returns the code that the app shows.
func (a app) code() string {
	a.f.t.Helper()
	code, err := totp.GenerateCode(a.secret, a.f.clock.now())
	require.NoError(a.f.t, err)
	return code
}

func (f *fixture) beginApp(access, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/me/totp", access, obj{"currentPassword": pass})
}

func (f *fixture) confirmApp(access, enrolment, code string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/me/totp/confirmation", access,
		obj{"enrolment": enrolment, "name": "My phone", "code": code})
}

// enrolApp enrols an authenticator app, and waits until its code can be used again.
func (f *fixture) enrolApp(access string) app {
	f.t.Helper()
	began := f.beginApp(access, password)
	require.Equal(f.t, 200, began.status, began.raw)
	a := app{f: f, secret: began.str("secret"), enrolment: began.str("enrolment")}
	a.first = a.code()
	r := f.confirmApp(access, a.enrolment, a.first)
	require.Equal(f.t, 201, r.status, r.raw)
	a.id = r.json["secondFactor"].(obj)["id"].(string)
	codes, _ := r.json["recoveryCodes"].([]any)
	for _, code := range codes {
		a.recovery = append(a.recovery, code.(string))
	}
	f.clock.pass(2 * time.Minute)
	return a
}

func (f *fixture) prove(challenge string, proof obj) reply {
	f.t.Helper()
	body := obj{"challenge": challenge}
	for name, value := range proof {
		body[name] = value
	}
	return f.do("POST", "/api/v1/auth/second-factor", "", body)
}

// challenge signs in with the password and returns the challenge.
func (f *fixture) challenge(email string) string {
	f.t.Helper()
	r := f.login(email, password)
	require.Equal(f.t, 401, r.status, r.raw)
	require.Equal(f.t, "second-factor-required", r.problem())
	return r.str("challenge")
}

// claimsOf returns the claims of an access token.
func claimsOf(t *testing.T, access string) (c identity.Claims) {
	t.Helper()
	_, _, err := jwt.NewParser().ParseUnverified(access, &c)
	require.NoError(t, err)
	return c
}

func TestASignInWithAnAuthenticatorApp(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	f := newReplica(t, state, nil)
	access, refresh := f.signUp("a@example.com")
	other := f.login("a@example.com", password)
	require.Equal(t, []string{"pwd"}, claimsOf(t, access).Methods)
	require.Equal(t, "invalid-credentials", f.beginApp(access, "wrong").problem())
	began := f.beginApp(access, password)
	require.Equal(t, "no-store", began.header.Get("Cache-Control"))
	require.Contains(t, began.str("uri"), "otpauth://totp/Haberdash:")
	require.Contains(t, began.str("uri"), "secret="+began.str("secret"))
	wrong := f.confirmApp(access, began.str("enrolment"), "000000")
	require.Equal(t, 422, wrong.status)
	require.Equal(t, "invalid-second-factor", wrong.problem())
	require.Equal(t, 200, f.login("a@example.com", password).status, "it is not enrolled yet")

	phone := f.enrolApp(access)
	require.Len(t, phone.recovery, 10)
	require.Equal(t, 401, f.refresh(other.str("refreshToken")).status, "a session without a second factor ends")
	r := f.refresh(refresh)
	require.Equal(t, 200, r.status, r.raw)
	require.Equal(t, []string{"pwd", "otp", "mfa"}, claimsOf(t, r.str("accessToken")).Methods)
	list := f.do("GET", factorsPath, access, nil)
	require.Len(t, list.items(), 1)
	require.EqualValues(t, 10, list.json["recoveryCodes"])
	require.NotContains(t, list.raw, phone.secret)

	login := f.login("a@example.com", password)
	require.Equal(t, "second-factor-required", login.problem())
	require.Equal(t, []any{"totp", "recovery-code"}, login.json["methods"])
	require.NotContains(t, login.raw, "accessToken")
	require.Equal(t, "invalid-credentials", f.login("a@example.com", "wrong").problem(), "only after the right password")
	challenge := login.str("challenge")
	require.Equal(t, "invalid-second-factor", f.prove(challenge, obj{"code": "000000"}).problem())
	done := f.prove(challenge, obj{"code": phone.code()})
	require.Equal(t, 200, done.status, done.raw)
	require.Equal(t, 200, f.me(done.str("accessToken")).status)
	require.Equal(t, []string{"pwd", "otp", "mfa"}, claimsOf(t, done.str("accessToken")).Methods)
	require.Equal(t, "invalid-second-factor", f.prove(f.challenge("a@example.com"), obj{"code": phone.code()}).problem(),
		"a code is accepted once")
	f.clock.pass(2 * time.Minute)
	require.Equal(t, "invalid-challenge", f.prove(challenge, obj{"code": phone.code()}).problem(),
		"a challenge is accepted once")

	for name, proof := range map[string]obj{
		"none": {}, "two": {"code": "000000", "recoveryCode": "x"}, "short": {"code": "1"}, "null": {"passkey": nil},
	} {
		require.Equal(t, 422, f.prove(challenge, proof).status, name)
	}
	late := f.challenge("a@example.com")
	f.clock.pass(5 * time.Minute)
	for _, invalid := range []string{late, phone.enrolment, "x", late[:len(late)-2]} {
		require.Equal(t, "invalid-challenge", f.prove(invalid, obj{"code": phone.code()}).problem())
	}
	for key, value := range state.All() {
		for _, secret := range append(phone.recovery, phone.secret, base64.StdEncoding.EncodeToString([]byte(phone.secret))) {
			require.NotContains(t, value, secret, key)
		}
	}
}

// A code is accepted in the steps beside its own one, and not two steps away.
func TestCodesOfNeighbouringStepsAreAccepted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	phone := f.enrolApp(access)
	for steps, want := range map[int]int{-2: 401, -1: 200, 0: 200, 1: 200, 2: 401} {
		at := f.clock.now().Add(time.Duration(steps) * 30 * time.Second)
		code, err := totp.GenerateCode(phone.secret, at)
		require.NoError(t, err)
		require.Equal(t, want, f.prove(f.challenge("a@example.com"), obj{"code": code}).status, steps)
		f.clock.pass(10 * time.Minute)
	}
}

// Of parallel sign-ins with one code, and with one challenge, on two replicas, one succeeds.
func TestParallelUsesOfOneSecondFactor(t *testing.T) {
	t.Parallel()
	one := newFixture(t)
	two := newReplica(t, one.state, one)
	access, _ := one.signUp("a@example.com")
	phone := one.enrolApp(access)
	race := func(proof obj, challenge func() string) {
		t.Helper()
		challenges := make([]string, 5) // as many as are not throttled
		for i := range challenges {
			challenges[i] = challenge()
		}
		statuses := make([]int, len(challenges))
		start := make(chan struct{})
		var done sync.WaitGroup
		for i := range statuses {
			done.Go(func() { <-start; statuses[i] = []*fixture{one, two}[i%2].prove(challenges[i], proof).status })
		}
		close(start)
		done.Wait()
		succeeded := 0
		for _, status := range statuses {
			if status == 200 {
				succeeded++
			}
		}
		require.Equal(t, 1, succeeded, statuses)
		one.clock.pass(24 * time.Hour)
	}
	each := func() string { return one.challenge("a@example.com") }
	race(obj{"code": phone.code()}, each)
	race(obj{"recoveryCode": phone.recovery[3]}, each)
	same := each()
	race(obj{"code": phone.code()}, func() string { return same })
}

// Wrong second factors are counted by account, on all replicas together.
func TestGuessesOfSecondFactorsAreThrottled(t *testing.T) {
	t.Parallel()
	one := newFixture(t)
	two := newReplica(t, one.state, one)
	access, _ := one.signUp("a@example.com")
	phone := one.enrolApp(access)
	start := make(chan struct{})
	statuses := make([]int, 30)
	challenges := make([]string, len(statuses))
	for i := range challenges {
		challenges[i] = one.challenge("a@example.com")
	}
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() {
			<-start
			statuses[i] = []*fixture{one, two}[i%2].prove(challenges[i], obj{"recoveryCode": "guess"}).status
		})
	}
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 5, 429: 25}, count)
	refused := two.prove(one.challenge("a@example.com"), obj{"code": phone.code()})
	require.Equal(t, "too-many-attempts", refused.problem())
	require.NotEmpty(t, refused.header.Get("Retry-After"))
	one.clock.pass(24 * time.Hour)
	require.Equal(t, 200, two.prove(one.challenge("a@example.com"), obj{"code": phone.code()}).status)
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	require.Equal(t, "no-second-factor",
		f.do("POST", "/api/v1/me/recovery-codes", access, obj{"currentPassword": password}).problem())
	phone := f.enrolApp(access)
	typed := strings.ToLower(strings.ReplaceAll(phone.recovery[0], "-", ""))
	r := f.prove(f.challenge("a@example.com"), obj{"recoveryCode": typed})
	require.Equal(t, 200, r.status, r.raw)
	require.Equal(t, []string{"pwd", "mfa"}, claimsOf(t, r.str("accessToken")).Methods)
	again := f.prove(f.challenge("a@example.com"), obj{"recoveryCode": phone.recovery[0]})
	require.Equal(t, "invalid-second-factor", again.problem(), "it is valid once")
	replaced := f.do("POST", "/api/v1/me/recovery-codes", access, obj{"currentPassword": password})
	require.Equal(t, 200, replaced.status, replaced.raw)
	require.Equal(t, 401, f.prove(f.challenge("a@example.com"), obj{"recoveryCode": phone.recovery[1]}).status)
	fresh := replaced.json["recoveryCodes"].([]any)
	require.Len(t, fresh, 10)
	require.Equal(t, 200, f.prove(f.challenge("a@example.com"), obj{"recoveryCode": fresh[0]}).status)
}

// A lost answer of an enrolment is repeated. An enrolment is of one account, session and password, and does not add a
// factor again that was removed.
func TestEnrolmentsAreRepeatable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	stranger, _ := f.signUp("b@example.com")
	began := f.beginApp(access, password)
	require.Equal(t, "invalid-enrolment", f.confirmApp(stranger, began.str("enrolment"), "000000").problem())
	second := f.login("a@example.com", password).str("accessToken")
	require.Equal(t, "invalid-enrolment", f.confirmApp(second, began.str("enrolment"), "000000").problem())
	phone := f.enrolApp(access)
	again := f.confirmApp(access, phone.enrolment, phone.first)
	require.Equal(t, 201, again.status, again.raw)
	require.Len(t, again.json["recoveryCodes"], 10)
	require.Equal(t, phone.recovery[0], again.json["recoveryCodes"].([]any)[0])
	require.Len(t, f.do("GET", factorsPath, access, nil).items(), 1)
	require.Len(t, f.mails(contract.UserSecondFactorAdded), 1)

	path := factorsPath + "/" + phone.id
	require.Equal(t, "invalid-credentials", f.do("DELETE", path, access, obj{"currentPassword": "wrong"}).problem())
	require.Equal(t, 404, f.do("DELETE", factorsPath+"/x", access, obj{"currentPassword": password}).status)
	require.Equal(t, 404, f.do("DELETE", path, stranger, obj{"currentPassword": password}).status)
	require.Equal(t, 204, f.do("DELETE", path, access, obj{"currentPassword": password}).status)
	require.Equal(t, 404, f.do("DELETE", path, access, obj{"currentPassword": password}).status)
	require.Equal(t, "invalid-enrolment", f.confirmApp(access, phone.enrolment, phone.code()).problem())
	list := f.do("GET", factorsPath, access, nil)
	require.Empty(t, list.items())
	require.EqualValues(t, 0, list.json["recoveryCodes"])
	require.Equal(t, 200, f.login("a@example.com", password).status)
	removed := f.lastMail(contract.UserSecondFactorRemoved)
	require.Equal(t, "a@example.com", removed.Email)
	began = f.beginApp(access, password)
	require.Equal(t, 204, f.changePassword(access, password, "a new password").status)
	require.Equal(t, "invalid-enrolment", f.confirmApp(access, began.str("enrolment"), "000000").problem())
}

func TestAnAccountHasAtMostTenSecondFactors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	late := f.beginApp(access, password)
	for range 10 {
		access = f.refreshed(access, "a@example.com", f.enrolApp(access))
	}
	require.Equal(t, "too-many-second-factors", f.beginApp(access, password).problem())
	require.NotEqual(t, 201, f.confirmApp(access, late.str("enrolment"), "000000").status)
}

// refreshed signs in again with an app, because the access token may have expired.
func (f *fixture) refreshed(_, email string, phone app) string {
	f.t.Helper()
	r := f.prove(f.challenge(email), obj{"code": phone.code()})
	require.Equal(f.t, 200, r.status, r.raw)
	f.clock.pass(2 * time.Minute)
	return r.str("accessToken")
}

// With SECOND_FACTOR=staff a session without a second factor has only the role of a customer, and can enrol one.
func TestStaffNeedASecondFactor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.service.signIn.Factors.Required, f.other.service.signIn.Factors.Required = true, true
	require.NoError(t, f.service.administration.EnsureAdministrator(t.Context(), firstAdministrator))
	r := f.login(firstAdministrator.Email, firstAdministrator.Password)
	require.Equal(t, 200, r.status, r.raw)
	require.Equal(t, []any{"staff", "admin"}, r.json["withheldRoles"])
	access := r.str("accessToken")
	require.Equal(t, []string{"customer"}, claimsOf(t, access).Roles)
	require.Equal(t, 403, f.do("GET", "/api/v1/users", access, nil).status)

	began := f.beginApp(access, firstAdministrator.Password)
	phone := app{f: f, secret: began.str("secret")}
	require.Equal(t, 201, f.confirmApp(access, began.str("enrolment"), phone.code()).status)
	refreshed := f.refresh(r.str("refreshToken"))
	require.Empty(t, refreshed.json["withheldRoles"])
	require.Equal(t, []string{"customer", "staff", "admin"}, claimsOf(t, refreshed.str("accessToken")).Roles)
	require.Equal(t, 200, f.do("GET", "/api/v1/users", refreshed.str("accessToken"), nil).status)
	f.clock.pass(2 * time.Minute)
	login := f.login(firstAdministrator.Email, firstAdministrator.Password)
	done := f.prove(login.str("challenge"), obj{"code": phone.code()})
	require.Equal(t, []string{"customer", "staff", "admin"}, claimsOf(t, done.str("accessToken")).Roles)
	again := f.refresh(done.str("refreshToken"))
	require.Equal(t, []string{"customer", "staff", "admin"}, claimsOf(t, again.str("accessToken")).Roles,
		"a refresh keeps what the session had")

	factor := f.do("GET", factorsPath, done.str("accessToken"), nil).items()[0].(obj)["id"].(string)
	removal := obj{"currentPassword": firstAdministrator.Password}
	require.Equal(t, 204, f.do("DELETE", factorsPath+"/"+factor, done.str("accessToken"), removal).status)
	require.Equal(t, 403, f.do("GET", "/api/v1/users", done.str("accessToken"), nil).status)
	require.Equal(t, []string{"customer"}, claimsOf(t, f.refresh(again.str("refreshToken")).str("accessToken")).Roles)
}

// Without the setting, staff keep their roles, and an administrator resets the factors of a user who has lost them.
func TestAdministratorsResetSecondFactors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	access, refresh := f.signUp("a@example.com")
	id, rootID := f.me(access).str("id"), f.me(root).str("id")
	f.finishTasks() // the mail of the registration is recorded first
	f.enrolApp(access)
	require.Equal(t, 403, f.do("DELETE", "/api/v1/users/"+id+"/second-factors", access, nil).status)
	require.Equal(t, "own-second-factors", f.do("DELETE", "/api/v1/users/"+rootID+"/second-factors", root, nil).problem())
	for range 2 {
		require.Equal(t, 204, f.do("DELETE", "/api/v1/users/"+id+"/second-factors", root, nil).status)
	}
	require.Equal(t, 401, f.refresh(refresh).status)
	require.Equal(t, 200, f.login("a@example.com", password).status)
	require.Len(t, f.mails(contract.UserSecondFactorRemoved), 1)
	types := ""
	for _, e := range f.events(root, id) {
		types += e["type"].(string) + " "
	}
	require.Contains(t, types, "user.second-factor-removed user.second-factor-added")
}

// Somebody who registers another person's mailbox and enrols a factor must not lock its owner out.
func TestAResetOfAnUnprovenMailboxRemovesSecondFactors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	f.enrolApp(access)
	f.forgotPassword("a@example.com")
	require.Equal(t, 204, f.resetPassword(f.lastMail(contract.UserPasswordResetAsked).Token, "a new password").status)
	require.Equal(t, 200, f.login("a@example.com", "a new password").status)

	proven, _ := f.signUp("b@example.com")
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	f.enrolApp(proven)
	f.forgotPassword("b@example.com")
	require.Equal(t, 204, f.resetPassword(f.lastMail(contract.UserPasswordResetAsked).Token, "a new password").status)
	require.Equal(t, "second-factor-required", f.login("b@example.com", "a new password").problem(),
		"a new password does not replace a second factor")
}

// browser is a browser with an authenticator for passkeys.
type browser struct {
	f       *fixture
	party   virtualwebauthn.RelyingParty
	device  virtualwebauthn.Authenticator
	passkey virtualwebauthn.Credential
}

func (f *fixture) browser() *browser {
	return &browser{f, virtualwebauthn.RelyingParty{Name: "Haberdash", ID: "shop.test", Origin: "https://shop.test"},
		virtualwebauthn.NewAuthenticator(), newPasskey()}
}

// newPasskey makes a passkey whose public key is valid. The library leaves out the zeros at the beginning of a
// coordinate, so that one of 128 keys is shorter than a key may be.
func newPasskey() virtualwebauthn.Credential {
	const keySize = 77 // of a P-256 key in COSE
	for {
		passkey := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		if len(passkey.Key.AttestationData()) == keySize {
			return passkey
		}
	}
}

// create answers the options of an enrolment.
func (b *browser) create(options any) (created obj) {
	b.f.t.Helper()
	text, err := json.Marshal(options)
	require.NoError(b.f.t, err)
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(text))
	require.NoError(b.f.t, err)
	answer := virtualwebauthn.CreateAttestationResponse(b.party, b.device, b.passkey, *parsed)
	require.NoError(b.f.t, json.Unmarshal([]byte(answer), &created))
	return created
}

// sign answers the options of a sign-in.
func (b *browser) sign(options any) (asserted obj) {
	b.f.t.Helper()
	text, err := json.Marshal(options)
	require.NoError(b.f.t, err)
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(text))
	require.NoError(b.f.t, err)
	answer := virtualwebauthn.CreateAssertionResponse(b.party, b.device, b.passkey, *parsed)
	require.NoError(b.f.t, json.Unmarshal([]byte(answer), &asserted))
	return asserted
}

func (f *fixture) enrolPasskey(access string, b *browser) reply {
	f.t.Helper()
	began := f.do("POST", "/api/v1/me/passkey", access, obj{"currentPassword": password})
	require.Equal(f.t, 200, began.status, began.raw)
	return f.do("POST", "/api/v1/me/passkey/confirmation", access,
		obj{"enrolment": began.str("enrolment"), "name": "My laptop", "passkey": b.create(began.json["options"])})
}

// What a client says about its authenticator does not make the document of its account large.
func TestPasskeysAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	large := strings.Repeat("x", 60)
	for _, change := range []func(created obj){
		func(created obj) {
			created["response"].(obj)["transports"] = append(slices.Repeat([]any{large}, 9000), "usb", "usb")
		},
		func(created obj) { created["authenticatorAttachment"] = strings.Repeat(large, 9000) },
	} {
		began := f.do("POST", "/api/v1/me/passkey", access, obj{"currentPassword": password})
		created := f.browser().create(began.json["options"])
		change(created)
		r := f.do("POST", "/api/v1/me/passkey/confirmation", access,
			obj{"enrolment": began.str("enrolment"), "name": "My laptop", "passkey": created})
		require.Equal(t, 201, r.status, r.raw)
		for key, value := range f.state.(*memory.State).All() {
			require.Less(t, len(value), 20_000, key)
		}
	}
}

func TestASignInWithAPasskey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	laptop := f.browser()
	for name, spoil := range map[string]func(*browser){
		"another site":     func(b *browser) { b.party.Origin = "https://evil.test" },
		"another host":     func(b *browser) { b.party.ID = "evil.test" },
		"user not present": func(b *browser) { b.device.Options.UserNotPresent = true },
		"locked":           func(b *browser) { b.device.Options.UserNotVerified = true },
	} {
		spoilt := *laptop
		spoil(&spoilt)
		r := f.enrolPasskey(access, &spoilt)
		require.Equal(t, 422, r.status, name)
		require.Equal(t, "invalid-second-factor", r.problem(), name)
	}
	r := f.enrolPasskey(access, laptop)
	require.Equal(t, 201, r.status, r.raw)
	require.Len(t, r.json["recoveryCodes"], 10)

	login := func() (challenge string, options any) {
		r := f.login("a@example.com", password)
		require.Equal(t, []any{"passkey", "recovery-code"}, r.json["methods"], r.raw)
		return r.str("challenge"), r.json["passkeyOptions"]
	}
	laptop.passkey.Counter = 5
	challenge, options := login()
	require.Equal(t, "required", options.(obj)["userVerification"])
	signature := laptop.sign(options)
	done := f.prove(challenge, obj{"passkey": signature})
	require.Equal(t, 200, done.status, done.raw)
	require.Equal(t, []string{"pwd", "pop", "mfa"}, claimsOf(t, done.str("accessToken")).Methods)

	refused := func(name string, b *browser) {
		t.Helper()
		challenge, options := login()
		r := f.prove(challenge, obj{"passkey": b.sign(options)})
		require.Equal(t, "invalid-second-factor", r.problem(), "%s: %s", name, r.raw)
		f.clock.pass(24 * time.Hour) // no throttling
	}
	refused("the counter has not grown: a copy", laptop)
	laptop.passkey.Counter = 4
	refused("an older counter", laptop)
	laptop.passkey.Counter = 6
	for name, spoil := range map[string]func(*browser){
		"another site":     func(b *browser) { b.party.Origin = "https://evil.test" },
		"another host":     func(b *browser) { b.party.ID = "evil.test" },
		"locked":           func(b *browser) { b.device.Options.UserNotVerified = true },
		"user not present": func(b *browser) { b.device.Options.UserNotPresent = true },
		"another passkey": func(b *browser) {
			key := newPasskey()
			key.ID = b.passkey.ID
			b.passkey = key
		},
	} {
		spoilt := *laptop
		spoil(&spoilt)
		refused(name, &spoilt)
	}
	challenge, _ = login()
	require.Equal(t, "invalid-second-factor", f.prove(challenge, obj{"passkey": signature}).problem(), "an old signature")
	for _, nonsense := range []obj{{}, {"id": 1}, {"id": "x", "type": "public-key", "response": obj{}}} {
		f.clock.pass(24 * time.Hour)
		challenge, _ = login()
		require.Equal(t, 401, f.prove(challenge, obj{"passkey": nonsense}).status)
	}
	f.clock.pass(24 * time.Hour)
	challenge, options = login()
	require.Equal(t, 200, f.prove(challenge, obj{"passkey": laptop.sign(options)}).status)
}

// A session that has proven no second factor must not change the factors, even with the password.
func TestOnlyProvenSessionsChangeSecondFactors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	phone := f.enrolApp(access)
	// As a replica of the version before would write it: it does not know the member.
	item, err := f.state.Get(t.Context(), "sessions/"+f.me(access).str("id"))
	require.NoError(t, err)
	forgotten := strings.ReplaceAll(string(item.Value), `"secondFactor":"totp"`, `"x":1`)
	require.NotEqual(t, string(item.Value), forgotten)
	require.NoError(t, f.state.Put(t.Context(), item.Key, []byte(forgotten), item.ETag))
	require.Equal(t, 200, f.refresh(refresh).status)
	body := obj{"currentPassword": password}
	for _, r := range []reply{
		f.beginApp(access, password), f.do("POST", "/api/v1/me/passkey", access, body),
		f.do("POST", "/api/v1/me/recovery-codes", access, body), f.do("DELETE", factorsPath+"/"+phone.id, access, body),
	} {
		require.Equal(t, 403, r.status)
		require.Equal(t, "second-factor-not-proven", r.problem())
	}
}

func TestInvalidAddressesOfPasskeysAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, shop := range []string{"", "shop.test", "ftp://shop.test", "https://"} {
		deps := f.deps("only a test")
		deps.Factors.Shop = shop
		_, err := New(t.Context(), deps)
		require.ErrorContains(t, err, "SHOP_URL", shop)
	}
}

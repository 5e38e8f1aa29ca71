package secondfactor

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/internal/fault"
	"haberdash/internal/host"
)

// newRelyingParty makes the relying party of the shop. Passkeys are bound to the host of the shop's address, and are
// used on pages of this address and of the other origins, which must be below the same host. The user must unlock each
// passkey (user verification), so that a stolen device is not enough.
func newRelyingParty(shop string, origins []string) (*webauthn.WebAuthn, error) {
	if err := host.CheckShopURL(shop); err != nil {
		return nil, err
	}
	u, err := url.Parse(shop)
	if err != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: shopName, RPOrigins: append([]string{u.Scheme + "://" + u.Host}, origins...),
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			UserVerification: protocol.VerificationRequired, ResidentKey: protocol.ResidentKeyRequirementPreferred,
		},
	})
}

// owner is an account as the library sees it.
type owner struct {
	account.Snapshot
	passkeys []webauthn.Credential
	factors  []string // their ids, in the same order
}

var _ webauthn.User = owner{}

// WebAuthnID implements webauthn.User.
func (o owner) WebAuthnID() []byte { return []byte(o.ID) }

// WebAuthnName implements webauthn.User.
func (o owner) WebAuthnName() string { return string(o.Email) }

// WebAuthnDisplayName implements webauthn.User.
func (o owner) WebAuthnDisplayName() string { return o.Name }

// WebAuthnCredentials implements webauthn.User.
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.passkeys }

// owner opens the passkeys of an account.
func (v *Verifier) owner(a *account.Account) (owner, error) {
	o := owner{Snapshot: a.Snapshot()}
	for _, f := range a.Factors().Of(factor.Passkey) {
		data, err := v.Vault.Open(a.ID(), f)
		if err != nil {
			return o, err
		}
		var passkey webauthn.Credential
		if err := json.Unmarshal(data, &passkey); err != nil {
			return o, fmt.Errorf("passkey %s: %w", f.ID, err)
		}
		o.passkeys, o.factors = append(o.passkeys, passkey), append(o.factors, f.ID)
	}
	return o, nil
}

// Options are options for a browser's navigator.credentials, in the JSON form of Web Authentication.
type Options = map[string]any

// asOptions returns the JSON form of the library's options.
func asOptions(options any) (o Options, err error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	return o, json.Unmarshal(text, &o)
}

// beginCreation returns the options to create a passkey, and the state of the ceremony.
func (v *Verifier) beginCreation(a *account.Account) (o Options, state []byte, err error) {
	user, err := v.owner(a)
	if err != nil {
		return nil, nil, err
	}
	exclude := webauthn.Credentials(user.passkeys).CredentialDescriptors()
	creation, ceremony, err := v.relyingParty.BeginRegistration(user, webauthn.WithExclusions(exclude))
	if err != nil {
		return nil, nil, err
	}
	if state, err = json.Marshal(ceremony); err != nil {
		return nil, nil, err
	}
	o, err = asOptions(creation.Response)
	return o, state, err
}

// finishCreation checks the passkey that a browser has created, and returns what verifies its signatures.
func (v *Verifier) finishCreation(a *account.Account, state []byte, created map[string]any) ([]byte, error) {
	var ceremony webauthn.SessionData
	if err := json.Unmarshal(state, &ceremony); err != nil {
		return nil, err
	}
	user, err := v.owner(a)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(created)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotProven, err)
	}
	passkey, err := v.relyingParty.CreateCredential(user, ceremony, parsed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotProven, err)
	}
	for _, known := range user.passkeys {
		if string(known.ID) == string(passkey.ID) {
			return nil, fmt.Errorf("%w: the account has this passkey", errNotProven)
		}
	}
	passkey.Attestation = webauthn.CredentialAttestation{} // describes the device, and is not needed
	return encode(passkey)
}

// maxPasskey bounds what is stored of a passkey in bytes: an account's document has all of them.
const maxPasskey = 8 << 10

// errTooLarge refuses a passkey that is larger than those of any authenticator.
var errTooLarge = fault.BadField("passkey", "is too large")

// transports are the ways to reach an authenticator that browsers know (Web Authentication, section 5.8.4).
var transports = []protocol.AuthenticatorTransport{protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard,
	protocol.Hybrid, protocol.Internal}

// encode returns the stored form of a passkey. The client chooses its transports, so only known ones are stored. Error:
// invalid-request (422) if it is too large.
func encode(passkey *webauthn.Credential) ([]byte, error) {
	var known []protocol.AuthenticatorTransport
	for _, t := range transports {
		if slices.Contains(passkey.Transport, t) {
			known = append(known, t)
		}
	}
	passkey.Transport = known
	data, err := json.Marshal(passkey)
	if err == nil && len(data) > maxPasskey {
		err = errTooLarge
	}
	return data, err
}

// beginAssertion returns the options to sign with a passkey, and the state of the ceremony.
func (v *Verifier) beginAssertion(a *account.Account) (o Options, state []byte, err error) {
	user, err := v.owner(a)
	if err != nil {
		return nil, nil, err
	}
	assertion, ceremony, err := v.relyingParty.BeginLogin(user)
	if err != nil {
		return nil, nil, err
	}
	if state, err = json.Marshal(ceremony); err != nil {
		return nil, nil, err
	}
	o, err = asOptions(assertion.Response)
	return o, state, err
}

var errNotProven = errors.New("not proven")

// finishAssertion checks the signature of a passkey, and returns the factor with what verifies the next one. A counter
// that has not grown means that the passkey was copied.
func (v *Verifier) finishAssertion(a *account.Account, state []byte, asserted map[string]any) (id string, data []byte,
	err error) {
	var ceremony webauthn.SessionData
	if err := json.Unmarshal(state, &ceremony); err != nil {
		return "", nil, err
	}
	user, err := v.owner(a)
	if err != nil {
		return "", nil, err
	}
	text, err := json.Marshal(asserted)
	if err != nil {
		return "", nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(text)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errNotProven, err)
	}
	passkey, err := v.relyingParty.ValidateLogin(user, ceremony, parsed)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errNotProven, err)
	}
	if passkey.Authenticator.CloneWarning {
		return "", nil, fmt.Errorf("%w: the counter of the passkey has not grown", errNotProven)
	}
	for i, known := range user.passkeys {
		if string(known.ID) == string(passkey.ID) {
			id = user.factors[i]
		}
	}
	data, err = encode(passkey)
	return id, data, err
}

// members are those of the JSON form of a browser's PublicKeyCredential.
var members = []string{"id", "rawId", "type", "response", "authenticatorAttachment", "clientExtensionResults"}

// CheckMembers refuses other members of what a browser has made: invalid-request (422).
func CheckMembers(passkey map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(passkey)) {
		if !slices.Contains(members, name) {
			return fault.BadField("passkey."+name, "unexpected property")
		}
	}
	return nil
}

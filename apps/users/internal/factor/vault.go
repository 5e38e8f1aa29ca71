package factor

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"haberdash/internal/seal"
)

// Vault seals factors and tickets, and derives recovery codes and their digests. Its keys are derived from a secret, so
// that neither can be read from the store. It is safe for concurrent use.
type Vault struct {
	factors, tickets seal.Box
	codes            []byte
}

// NewVault derives the keys from a secret of any length. It fails only for an empty secret.
func NewVault(secret string) (*Vault, error) {
	factors, err := seal.FromSecret(secret, "haberdash users second factors 1")
	if err != nil {
		return nil, fmt.Errorf("the secret for second factors: %w", err)
	}
	tickets, err := seal.FromSecret(secret, "haberdash users second factor tickets 1")
	if err != nil {
		return nil, err
	}
	codes, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users recovery codes 1", 32)
	return &Vault{factors, tickets, codes}, err
}

// name is the name that a factor is sealed under, so that it works for its account only.
func name(user, id string) string { return "factor/" + user + "/" + id }

// Seal encrypts what verifies a factor of a user.
func (v *Vault) Seal(user, id string, data []byte) []byte {
	return v.factors.Seal(data, name(user, id))
}

// Open decrypts what verifies a factor. It fails if the factor was sealed with another secret or for another user.
func (v *Vault) Open(user string, f Factor) ([]byte, error) {
	data, err := v.factors.Open(f.Sealed, name(user, f.ID))
	if err != nil {
		return nil, fmt.Errorf("second factor %s of user %s: %w", f.ID, user, err)
	}
	return data, nil
}

// FirstCodes returns the recovery codes that a user gets with a first factor. A repeated request gets the same ones.
func (v *Vault) FirstCodes(user, id string) []string {
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		text := v.hash(fmt.Sprintf("code/%s/%s/%d", user, id, i))
		codes[i] = Format(base32.StdEncoding.EncodeToString(text))
	}
	return codes
}

// codeLength is the length of a recovery code without hyphens: 80 bits.
const codeLength = 16

// Format writes a recovery code as users see it, such as ABCD-EFGH-IJKL-MNOP. It takes the code from random letters and
// digits, of which there are at least 16.
func Format(letters string) string {
	return letters[:4] + "-" + letters[4:8] + "-" + letters[8:12] + "-" + letters[12:codeLength]
}

// Digest returns the form in which a recovery code of a user is stored, whatever the case and the hyphens are.
func (v *Vault) Digest(user, code string) string {
	normal := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	return hex.EncodeToString(v.hash("digest/" + user + "/" + normal))
}

// Digests returns the digests of several codes.
func (v *Vault) Digests(user string, codes []string) []string {
	digests := make([]string, len(codes))
	for i, code := range codes {
		digests[i] = v.Digest(user, code)
	}
	return digests
}

func (v *Vault) hash(text string) []byte {
	h := hmac.New(sha256.New, v.codes)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Purposes of tickets.
const (
	SignIn        = "sign-in"        // the password was right, and a second factor is to be proven
	EnrolTOTP     = "enrol-totp"     // an authenticator app is to show that it has the secret
	EnrolPasskey  = "enrol-passkey"  // a passkey is to be created
	TicketLife    = 5 * time.Minute  // of a sign-in
	EnrolmentLife = 10 * time.Minute // of an enrolment
)

// Ticket is what the service must know in the second step of a sign-in or an enrolment. The client keeps it in between,
// sealed, so that a first step that is not continued leaves nothing in the store.
type Ticket struct {
	ID        string    `json:"id"` // and of the factor that is enrolled
	Purpose   string    `json:"purpose"`
	UserID    string    `json:"userId"`
	Session   string    `json:"session,omitempty"` // that enrols
	Epoch     int       `json:"epoch"`             // of the account: a new password makes the ticket void
	Data      []byte    `json:"data,omitempty"`    // the secret of the app, or the state of the passkey's ceremony
	ExpiresAt time.Time `json:"expiresAt"`
}

// Issue seals a ticket.
func (v *Vault) Issue(t Ticket) (string, error) {
	text, err := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(v.tickets.Seal(text, t.Purpose)), err
}

// Read opens a ticket for a purpose. ok is false if it is not valid, for another purpose, or expired.
func (v *Vault) Read(text, purpose string, now time.Time) (t Ticket, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return t, false
	}
	opened, err := v.tickets.Open(sealed, purpose)
	if err != nil || json.Unmarshal(opened, &t) != nil {
		return t, false
	}
	return t, t.Purpose == purpose && now.Before(t.ExpiresAt)
}

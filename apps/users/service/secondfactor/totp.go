package secondfactor

import (
	"net/url"
	"strconv"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
)

// shopName is what authenticator apps and browsers call the shop.
const shopName = "Haberdash"

// newSecret returns a secret for an authenticator app, and the address that the app reads as a QR code.
func newSecret(email account.Email) (secret, uri string, err error) {
	// The address of a mailbox may have a colon, which separates the issuer from the account in the URI.
	key, err := totp.Generate(totp.GenerateOpts{Issuer: shopName, AccountName: url.QueryEscape(string(email))})
	if err != nil {
		return "", "", err
	}
	return key.Secret(), key.URL(), nil
}

// matchCode returns the time step of a code of an authenticator app with the secret.
func matchCode(secret, code string, now time.Time) (step string, ok bool, err error) {
	matched, ok, err := factor.Match(code, now, func(step uint64) (string, error) {
		return hotp.GenerateCodeCustom(secret, step, hotp.ValidateOpts{
			Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) // what all apps support
	})
	return strconv.FormatUint(matched, 10), ok, err
}

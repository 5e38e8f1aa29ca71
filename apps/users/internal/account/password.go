package account

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"haberdash/internal/fault"
)

// Limits of passwords in characters.
const (
	MinPassword = 8
	MaxPassword = 128
)

// shopName is refused as a password, because guesses begin with it.
const shopName = "haberdash"

//go:embed passwords/common.txt
var commonPasswords string

var sortedPasswords = sync.OnceValue(func() []string { return strings.Fields(commonPasswords) })

// CheckLength checks the first half of rule 2. The error has the location, and never the password: invalid-request
// (422).
func CheckLength(location, password string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword || !utf8.ValidString(password) {
		return fault.BadField(location, "must have 8 to 128 characters")
	}
	return nil
}

// CheckPassword checks rule 2 for a new password. own are texts about its user that everybody may know: the e-mail
// address and the name. The error has the location, and never the password: invalid-request (422).
func CheckPassword(location, password string, own ...string) error {
	if err := CheckLength(location, password); err != nil {
		return err
	}
	lower := strings.ToLower(norm.NFKC.String(password))
	if isCommon(lower) || isCommon(strings.TrimRightFunc(lower, notLetterOrDigit)) {
		return fault.BadField(location, "is one of the passwords that are guessed first")
	}
	guess := letters(password)
	for _, text := range append(own, shopName) {
		local, _, _ := strings.Cut(text, "@")
		if resembles(guess, letters(text)) || resembles(guess, letters(local)) {
			return fault.BadField(location, "must not be the email address, the name or the name of the shop")
		}
	}
	return nil
}

func isCommon(lower string) bool {
	_, found := slices.BinarySearch(sortedPasswords(), lower)
	return found
}

// resembles reports whether a guess is a word, or a word of at least four letters with digits before or behind it.
func resembles(guess, word string) bool {
	trimmed := strings.TrimFunc(word, unicode.IsDigit)
	return word != "" && guess == word ||
		utf8.RuneCountInString(trimmed) >= 4 && strings.TrimFunc(guess, unicode.IsDigit) == trimmed
}

// letters returns the letters and digits of a text, in lower case.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if notLetterOrDigit(r) {
			return -1
		}
		return r
	}, strings.ToLower(norm.NFKC.String(text)))
}

func notLetterOrDigit(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

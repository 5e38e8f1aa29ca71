package account

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"haberdash/internal/fault"
)

// MaxEmail is the longest address in bytes (RFC 5321, section 4.5.3.1, as corrected by erratum 1690).
const MaxEmail = 254

// maxLocal is the longest part before the @ in bytes.
const maxLocal = 64

// Email is the address of a mailbox in the form in which it is compared and stored: lower case, no display name.
type Email string

// ParseEmail checks an address that a person has typed. Error: invalid-request (422), with the location, for everything
// but one plain address.
func ParseEmail(location, typed string) (Email, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" || len(typed) > MaxEmail || !utf8.ValidString(typed) {
		return "", fault.BadField(location, "must be an email address of at most 254 bytes")
	}
	parsed, err := mail.ParseAddress(typed)
	// The parser also accepts display names, comments and folded lines. An input that it has stripped is refused.
	if err != nil || parsed.Name != "" || parsed.Address != typed || strings.IndexFunc(typed, unsafeRune) >= 0 {
		return "", fault.BadField(location, "must be one email address, without a name")
	}
	if strings.LastIndexByte(typed, '@') > maxLocal {
		return "", fault.BadField(location, "must have at most 64 bytes before the @")
	}
	lower := strings.ToLower(typed)
	if len(lower) > MaxEmail {
		return "", fault.BadField(location, "must be an email address of at most 254 bytes")
	}
	return Email(lower), nil
}

// unsafeRune reports whether a character is harmful in a header, a log or a page: control characters, line and
// paragraph separators, and format characters that reverse or hide text.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) ||
		r == '\uFEFF' || r == utf8.RuneError
}

// checkText trims a line of text that a person has typed and checks its length in characters. Error: invalid-request
// (422), with the location.
func checkText(location, typed string, minLength, maxLength int) (string, error) {
	s := strings.TrimSpace(typed)
	n := utf8.RuneCountInString(s)
	switch {
	case n < minLength:
		return "", fault.BadField(location, "must not be empty")
	case n > maxLength:
		return "", fault.BadField(location, "is too long")
	case strings.IndexFunc(s, unsafeRune) >= 0:
		return "", fault.BadField(location, "must be one line of plain text")
	}
	return s, nil
}

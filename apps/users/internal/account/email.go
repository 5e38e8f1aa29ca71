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

// Email is one mailbox in the one form under which it is compared and stored: lower case, no display name.
type Email string

// ParseEmail makes an Email of what a person typed. What is not one plain address is an invalid-request
// that blames location.
func ParseEmail(location, typed string) (Email, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" || len(typed) > MaxEmail || !utf8.ValidString(typed) {
		return "", fault.BadField(location, "must be an email address of at most 254 bytes")
	}
	parsed, err := mail.ParseAddress(typed)
	// The parser also takes display names, comments and folded lines: whatever it had to strip is refused.
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

// unsafeRune is what no header, log or page should carry: controls, line and paragraph separators, and
// the format characters that turn or hide text.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\uFEFF' || r == utf8.RuneError
}

// text trims a line of text that a person typed and checks its length in characters.
func text(location, typed string, least, most int) (string, error) {
	s := strings.TrimSpace(typed)
	n := utf8.RuneCountInString(s)
	switch {
	case n < least:
		return "", fault.BadField(location, "must not be empty")
	case n > most:
		return "", fault.BadField(location, "is too long")
	case strings.IndexFunc(s, unsafeRune) >= 0:
		return "", fault.BadField(location, "must be one line of plain text")
	}
	return s, nil
}

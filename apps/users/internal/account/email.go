package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"haberdash/internal/emailaddress"
	"haberdash/internal/fault"
)

// Email is the address of a mailbox in the form in which it is compared and stored: see emailaddress.Normal.
type Email string

// ParseEmail checks an address that a person has typed. Error: invalid-request (422), with the location, for everything
// but one plain address.
func ParseEmail(location, typed string) (Email, error) {
	normal, err := emailaddress.Parse(typed)
	if err != nil {
		return "", fault.BadField(location, err.Error())
	}
	return Email(normal), nil
}

// ParseNewEmail is ParseEmail for an address that gets mail for the first time. It also refuses, with the same error,
// what mail does not reach: see emailaddress.Deliverable.
func ParseNewEmail(location, typed string) (Email, error) {
	if _, err := emailaddress.Deliverable(typed); err != nil {
		return "", fault.BadField(location, err.Error())
	}
	return ParseEmail(location, typed)
}

// StoredEmail returns the address of a document, which may have the form of an earlier release.
func StoredEmail(stored string) Email { return Email(emailaddress.Normal(stored)) }

// Spellings returns the other forms that earlier releases may have made keys of.
func (e Email) Spellings() []string { return emailaddress.Spellings(string(e)) }

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

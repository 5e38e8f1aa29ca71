// Package emailaddress reads e-mail addresses that people have typed. Addresses of one mailbox have one form, so that
// services compare addresses, and make keys of them, by that form.
package emailaddress

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Max is the longest address in bytes (RFC 5321, section 4.5.3.1, as corrected by erratum 1690).
const Max = 254

// maxLocal is the longest part before the @ in bytes.
const maxLocal = 64

// The errors of Parse. Their texts complete a sentence that begins with the name of the field.
var (
	ErrSize  = errors.New("must be an email address of at most 254 bytes")
	ErrForm  = errors.New("must be one email address, without a name")
	ErrLocal = errors.New("must have at most 64 bytes before the @")
	// ErrUndeliverable is an error of Deliverable only.
	ErrUndeliverable = errors.New("must be an address that mail can reach: ASCII before the @, a full domain after it")
)

// Parse checks that a text is one plain address, without a display name or a comment, and returns its normal form: see
// Normal. Errors: ErrSize, ErrForm, ErrLocal.
func Parse(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	if typed == "" || len(typed) > Max || !utf8.ValidString(typed) {
		return "", ErrSize
	}
	if !plain(typed) {
		return "", ErrForm
	}
	if strings.LastIndexByte(typed, '@') > maxLocal {
		return "", ErrLocal
	}
	normal, err := normal(typed)
	if err != nil || !plain(normal) { // the normal form of a character may be empty, or several characters
		return "", ErrForm
	}
	if strings.LastIndexByte(normal, '@') > maxLocal {
		return "", ErrLocal
	}
	if len(normal) > Max {
		return "", ErrSize
	}
	return normal, nil
}

// Deliverable checks that a mail server accepts an address, and returns the form for that server: the part before the @
// as it was typed, because its case may matter there, and the domain as DNS has it. Errors: those of Parse, and
// ErrUndeliverable. Callers use it for new addresses and Parse for those that may exist already.
//
// Dapr's SMTP binding encodes an address that is not ASCII like a subject, which makes another address of it. Literals
// such as [127.0.0.1] would let strangers choose a host in the network of the mail server.
func Deliverable(typed string) (string, error) {
	normal, err := Parse(typed)
	if err != nil {
		return "", err
	}
	typed = strings.TrimSpace(typed)
	local := typed[:strings.LastIndexByte(typed, '@')]
	domain := normal[strings.LastIndexByte(normal, '@')+1:]
	if strings.IndexFunc(local, notASCII) >= 0 || !isFullDomain(domain) || len(local)+1+len(domain) > Max {
		return "", ErrUndeliverable
	}
	return local + "@" + domain, nil
}

// isFullDomain reports whether a domain is a sequence of two or more labels (RFC 5321, sections 2.3.5 and 4.1.2; RFC
// 1035, section 2.3.4), and not an IP address.
func isFullDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// Mailbox returns the address that mails to a mailbox are counted by. Many servers put mail to ada+anything@example.com
// into the mailbox of ada@example.com, and Gmail ignores dots. The result may be the address of somebody else on other
// servers, so it is for counting only.
func Mailbox(address string) string {
	normal := Normal(address)
	at := strings.LastIndexByte(normal, '@')
	if at < 0 {
		return normal
	}
	local, domain := normal[:at], normal[at+1:]
	if before, _, tagged := strings.Cut(local, "+"); tagged && before != "" {
		local = before
	}
	if domain == "gmail.com" || domain == "googlemail.com" {
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	return local + "@" + domain
}

// plain reports whether a text is an address and nothing else. The parser also accepts display names, comments and
// folded lines, which it strips.
func plain(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Name == "" && parsed.Address == text && strings.IndexFunc(text, unsafeRune) < 0
}

// Normal returns the one form of the addresses of a mailbox: the part before the @ in lower case and in NFC, and the
// domain as DNS has it (RFC 5891, A-labels). So x@exämple.test is x@xn--exmple-cua.test. A text that is no address
// stays as it is.
func Normal(address string) string {
	if n, err := normal(address); err == nil {
		return n
	}
	return address
}

func normal(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", ErrForm
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		// Mail also goes to names that are no host names, such as a_b.test and [192.0.2.1].
		if domain = strings.ToLower(address[at+1:]); strings.IndexFunc(domain, notASCII) >= 0 {
			return "", ErrForm
		}
	}
	return normalLocal(address[:at]) + "@" + domain, nil
}

// normalLocal returns the form of the part before the @. A lower-case letter may have another canonical composition.
func normalLocal(local string) string {
	return norm.NFC.String(strings.ToLower(norm.NFC.String(local)))
}

// Spellings returns the other forms that an address may have where it was stored in lower case only, as it was before
// Normal. There are none for an address in ASCII whose domain has only ASCII labels. Callers look them up when there is
// nothing under the normal form.
func Spellings(normal string) (others []string) {
	at := strings.LastIndexByte(normal, '@')
	if at < 0 {
		return nil
	}
	unicodeDomain, err := idna.Lookup.ToUnicode(normal[at+1:])
	if err != nil {
		unicodeDomain = normal[at+1:]
	}
	seen := map[string]bool{normal: true}
	for _, local := range []string{normal[:at], norm.NFD.String(normal[:at])} {
		for _, domain := range []string{normal[at+1:], unicodeDomain, norm.NFD.String(unicodeDomain)} {
			if a := local + "@" + domain; !seen[a] {
				seen[a] = true
				others = append(others, a)
			}
		}
	}
	return others
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }

// unsafeRune reports whether a character is harmful in a header, a log or a page: control characters, line and
// paragraph separators, and format characters that reverse or hide text.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) ||
		r == '\uFEFF' || r == utf8.RuneError
}

// Package mail composes messages (RFC 5322, MIME) and sends them through the output binding "mail".
package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"haberdash/internal/emailaddress"
)

// Message is a mail to one recipient. Text and HTML have the same content.
type Message struct {
	ID      string    // of the event that the mail is about: the same event always makes the same bytes
	At      time.Time // of that event
	To      string    // the recipient's address
	Subject string
	Text    string
	HTML    string
}

// ErrUnsendable means that a message can never be sent as it is.
var ErrUnsendable = errors.New("mail: the message cannot be sent")

// Compose encodes the message as RFC 5322 text with CRLF line ends: multipart/alternative, UTF-8, quoted-printable. No
// text in the message can add a header or a recipient. Error: ErrUnsendable if the recipient's address is not valid, or
// the message has no id or time.
func Compose(from mail.Address, m Message) ([]byte, error) {
	to, err := m.recipient()
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP),
		gomail.WithBoundary(m.boundary()))
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&mail.Address{Address: to}) // without a name, because a stranger may have written it
	msg.Subject(oneLine(m.Subject, 200))
	msg.SetDateWithValue(m.At.UTC())
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(m.digest() + "@" + domain)
	// These prevent vacation replies: RFC 3834, section 5, and Exchange's header.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	return b.Bytes(), nil
}

// recipient returns the recipient's address for a mail server. Error: ErrUnsendable, see Compose. It does not quote the
// address, because errors are logged.
func (m Message) recipient() (string, error) {
	if m.ID == "" || m.At.IsZero() {
		return "", fmt.Errorf("%w: no id or time", ErrUnsendable)
	}
	to, err := emailaddress.Deliverable(m.To)
	if err != nil || strings.TrimSpace(m.To) != m.To {
		return "", fmt.Errorf("%w: the recipient's address is not valid", ErrUnsendable)
	}
	return to, nil
}

// boundary is derived from the parts that it separates, so that nobody can write a text that contains it.
func (m Message) boundary() string {
	sum := sha256.Sum256([]byte(m.ID + "\x00" + m.Text + "\x00" + m.HTML))
	return "part-" + hex.EncodeToString(sum[:16])
}

// digest identifies the message in headers and file names.
func (m Message) digest() string {
	sum := sha256.Sum256([]byte(m.ID))
	return hex.EncodeToString(sum[:16])
}

// FileName is the name of the message as a file. It sorts by time. All attempts to send a message use the same name, so
// that a repeated one replaces the file.
func (m Message) FileName() string {
	safe := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, m.ID)
	return m.At.UTC().Format("20060102T150405Z") + "-" + safe[:min(len(safe), 80)] + "-" + m.digest()[:8] + ".eml"
}

// oneLine makes text safe for a header: no control characters, single spaces, at most limit runes.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	runes := []rune(strings.Join(strings.Fields(s), " "))
	return string(runes[:min(len(runes), limit)])
}

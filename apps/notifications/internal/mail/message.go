// Package mail composes messages (RFC 5322, MIME) and hands them to the output binding "mail".
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
)

// Message is a mail to one person, as text and as HTML with the same content.
type Message struct {
	ID      string    // of the event that it tells of: the same event always makes the same bytes
	At      time.Time // of that event
	Name    string    // of the receiver, may be empty
	To      string    // the receiver's address
	Subject string
	Text    string
	HTML    string
}

// ErrUnsendable says that a message can never be sent as it is, whoever tries.
var ErrUnsendable = errors.New("mail: unsendable")

// Compose writes the message as RFC 5322 text with CRLF line ends: multipart/alternative, UTF-8, quoted
// printable. Nothing in the message can add a header or a receiver. It fails with ErrUnsendable when the
// receiver's address is none, or the message has no id or time.
func Compose(from mail.Address, m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP), gomail.WithBoundary(m.boundary()))
	msg.FromMailAddress(&from)
	// Without backslashes: net/mail lets them stand in an encoded word, where readers refuse them.
	msg.ToMailAddress(&mail.Address{Name: oneLine(strings.ReplaceAll(m.Name, `\`, ""), 100), Address: m.To})
	msg.Subject(oneLine(m.Subject, 200))
	msg.SetDateWithValue(m.At.UTC())
	_, domain, _ := strings.Cut(from.Address, "@")
	msg.SetMessageIDWithValue(m.digest() + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5: no vacation replies
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	return b.Bytes(), nil
}

func (m Message) check() error {
	if m.ID == "" || m.At.IsZero() {
		return fmt.Errorf("%w: no id or time", ErrUnsendable)
	}
	return checkAddress(m.To)
}

// checkAddress takes plain addresses only: no display name, no list, no quoted or commented parts. The
// error does not repeat the address, since it goes to the log.
func checkAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > 254 || strings.ContainsAny(address, " \t\r\n\"<>()[],;:\\") {
		return fmt.Errorf("%w: the receiver's address is not one", ErrUnsendable)
	}
	return nil
}

// boundary depends on what it separates, so that no text can be made to contain it.
func (m Message) boundary() string {
	sum := sha256.Sum256([]byte(m.ID + "\x00" + m.Text + "\x00" + m.HTML))
	return "part-" + hex.EncodeToString(sum[:16])
}

// digest names the message in headers and file names.
func (m Message) digest() string {
	sum := sha256.Sum256([]byte(m.ID))
	return hex.EncodeToString(sum[:16])
}

// FileName is where the message goes as a file: the same for every attempt, so that one more attempt
// writes the same file again. It sorts by time.
func (m Message) FileName() string {
	safe := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, m.ID)
	return m.At.UTC().Format("20060102T150405Z") + "-" + safe[:min(len(safe), 80)] + "-" + m.digest()[:8] + ".eml"
}

// oneLine makes text fit for a header: no control characters, single spaces, at most so many runes.
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

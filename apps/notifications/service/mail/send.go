package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"sync"

	"haberdash/internal/emailaddress"
	"haberdash/internal/sidecar"
)

// Binding is the name of the output binding. All components in components/mail have it.
const Binding = "mail"

// Sender sends mails. It is safe for concurrent use.
type Sender interface {
	// Send sends a message. Error: ErrUnsendable if a repetition cannot succeed. Errors do not name the recipient.
	Send(ctx context.Context, m Message) error
}

// NewSender makes the sender for a component of components/mail: "files" or "smtp". Its errors name the environment
// variables.
func NewSender(component, from string, b sidecar.Binder) (Sender, error) {
	sender, err := mail.ParseAddress(from)
	if err == nil {
		_, err = emailaddress.Parse(sender.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("MAIL_FROM is not a mail address: %q", from)
	}
	switch component {
	case "files":
		return &files{b, *sender}, nil
	case "smtp":
		return &smtp{bind: b, from: *sender}, nil
	}
	return nil, fmt.Errorf("MAIL is %q: expected files or smtp", component)
}

// files writes each message as an .eml file (bindings.localstorage).
type files struct {
	bind sidecar.Binder
	from mail.Address
}

func (f *files) Send(ctx context.Context, m Message) error {
	data, err := Compose(f.from, m)
	if err != nil {
		return err
	}
	return hideRecipient(f.bind.Bind(ctx, Binding, "create", data, map[string]string{"fileName": m.FileName()}), m)
}

// smtp sends through bindings.smtp, which composes the message itself. It accepts HTML only, and no header besides the
// subject and the addresses: these mails have no text part, no Auto-Submitted and no Message-ID of ours.
type smtp struct {
	bind sidecar.Binder
	from mail.Address

	// bindings.smtp (components-contrib 1.18.0, mergeWithRequestMetadata) writes the recipient of a request into
	// metadata that all requests share, so two requests at the same time may go to one recipient. The lock prevents
	// that, because the sidecar serves this process only.
	mu sync.Mutex
}

func (s *smtp) Send(ctx context.Context, m Message) error {
	to, err := m.recipient()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = hideRecipient(s.bind.Bind(ctx, Binding, "create", []byte(m.HTML), map[string]string{
		"emailFrom": s.from.String(), "emailTo": to, "subject": oneLine(m.Subject, 200),
	}), m)
	if err != nil && refused.MatchString(err.Error()) {
		return fmt.Errorf("%w: %w", ErrUnsendable, err)
	}
	return err
}

// refused matches the answer of a mail server that will never accept mail for a recipient (RFC 5321, section 4.2.3;
// RFC 7504 for 556). Other permanent errors, such as a failed sign-in, concern all mails: their cause is a setting, and
// the mails wait for its correction. bindings.smtp passes the error of its library on as text.
var refused = regexp.MustCompile(`could not send email 1: (550|551|553|556)[ -]`)

// hideRecipient removes the recipient's address from an error: mail servers often quote it.
func hideRecipient(err error, m Message) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), m.To, "(receiver)")
	if to, err := m.recipient(); err == nil {
		text = strings.ReplaceAll(text, to, "(receiver)")
	}
	return errors.New(text)
}

package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"sync"
)

// Binding is the name of the output binding, in every choice of components/mail.
const Binding = "mail"

// Binder uses an output binding.
type Binder interface {
	Bind(ctx context.Context, binding, operation string, data []byte, metadata map[string]string) error
}

// Sender sends a message, or fails: with ErrUnsendable when there is no use in trying again. Errors do
// not name the receiver.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// NewSender makes the sender for a choice of components/mail: "files" or "smtp".
func NewSender(way, from string, b Binder) (Sender, error) {
	sender, err := mail.ParseAddress(from)
	if err == nil {
		err = checkAddress(sender.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("MAIL_FROM is not a mail address: %q", from)
	}
	switch way {
	case "files":
		return &files{b, *sender}, nil
	case "smtp":
		return &smtp{bind: b, from: *sender}, nil
	}
	return nil, fmt.Errorf("MAIL is %q; it may be files or smtp", way)
}

// files writes each message as an .eml file (bindings.localstorage).
type files struct {
	bind Binder
	from mail.Address
}

func (f *files) Send(ctx context.Context, m Message) error {
	data, err := Compose(f.from, m)
	if err != nil {
		return err
	}
	return discreet(f.bind.Bind(ctx, Binding, "create", data, map[string]string{"fileName": m.FileName()}), m)
}

// smtp sends through bindings.smtp, which composes for itself: it takes the HTML, and a message of its
// own making around it.
type smtp struct {
	bind Binder
	from mail.Address

	// bindings.smtp (components-contrib 1.18.0, mergeWithRequestMetadata) writes each request's receiver
	// into metadata that all requests share: two at once may go to one receiver. So one at a time; the
	// sidecar serves this process alone.
	mu sync.Mutex
}

func (s *smtp) Send(ctx context.Context, m Message) error {
	if err := m.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return discreet(s.bind.Bind(ctx, Binding, "create", []byte(m.HTML), map[string]string{
		"emailFrom": s.from.String(), "emailTo": m.To, "subject": oneLine(m.Subject, 200),
	}), m)
}

// discreet takes the receiver out of an error: mail servers like to quote the address.
func discreet(err error, m Message) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), m.To, "(receiver)"))
}

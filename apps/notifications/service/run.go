package service

import (
	"context"
	"fmt"
	"time"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/host"
)

// Config are the settings of the service from its environment.
type Config struct {
	Mail string `env:"MAIL" envDefault:"files"` // files or smtp, as in components/mail
	From string `env:"MAIL_FROM" envDefault:"Haberdash <shop@haberdash.test>"`
	Shop string `env:"SHOP_URL"` // the address that links in mails begin with
}

// Check implements the check of host.Configure.
func (c Config) Check() error { return host.CheckShopURL(c.Shop) }

// Run wires the notifications service, which has no routes of its own. Its marks of sent mails are not exported: the
// exported cursors are past the events of these mails. Nor are the allowances of mailboxes, which are whole again soon.
func Run(_ context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	sender, err := mail.NewSender(config.Mail, config.From, h.Sidecar)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	writer, err := letters.NewWriter(config.Shop)
	if err != nil {
		return err
	}
	s := New(Deps{State: h.State(), Invoker: h.Sidecar, Sender: sender, Letters: writer, Now: time.Now,
		Metrics: h.Registry})
	h.Consume(s.consumer)
	return nil
}

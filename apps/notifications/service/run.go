package service

import (
	"context"
	"time"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/host"
)

// Config is what the service reads from its environment.
type Config struct {
	Mail string `env:"MAIL" envDefault:"files"` // files or smtp, as in components/mail
	From string `env:"MAIL_FROM" envDefault:"Haberdash <shop@haberdash.test>"`
	Shop string `env:"SHOP_URL" envDefault:"http://localhost:8080"` // the address that links in mails begin with
}

// Run wires the notifications service. It has no routes of its own. The marks of mails that were sent are not exported:
// the cursor has passed their events.
func Run(_ context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	sender, err := mail.NewSender(config.Mail, config.From, h.Sidecar)
	if err != nil {
		return err
	}
	writer, err := letters.NewWriter(config.Shop)
	if err != nil {
		return err
	}
	s := New(Deps{State: h.State(), Invoker: h.Sidecar, Sender: sender, Letters: writer, Now: time.Now})
	h.Registry.MustRegister(s.voided)
	h.Consume(s.consumer)
	return nil
}

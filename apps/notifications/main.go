// Command notifications writes to customers by mail. It lives on events; its only API is its operators'.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/apps/notifications/service"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

type config struct {
	Way  string `env:"MAIL" envDefault:"files"` // files or smtp, as components/mail
	From string `env:"MAIL_FROM" envDefault:"Haberdash <shop@haberdash.test>"`
	Shop string `env:"SHOP_URL" envDefault:"http://localhost:8080"` // where links in mails lead
}

func main() {
	host.Main("notifications", func(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
		c, err := env.ParseAs[config]()
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		sender, err := mail.NewSender(c.Way, c.From, h.Sidecar)
		if err != nil {
			return nil, err
		}
		writer, err := letters.NewWriter(c.Shop)
		if err != nil {
			return nil, err
		}
		s := service.New(service.Deps{
			State: h.Sidecar.State(daprd.StateStore), Invoker: h.Sidecar, Sender: sender, Letters: writer, Now: time.Now,
		})
		s.Mount(h.API)
		s.Measure(h.Registry)
		s.Listen(h.Events)
		work, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		done.Go(func() { s.Run(work) })
		return func(context.Context) error {
			stop()
			done.Wait()
			return nil
		}, nil
	})
}

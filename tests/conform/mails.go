package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func tryMails(ctx context.Context, s *subject) error {
	s.gate.set(drop)
	lost, err := s.buy(ctx)
	if err != nil {
		return err
	}
	s.gate.set(hold)
	late, err := s.buy(ctx)
	s.gate.release()
	if err != nil {
		return err
	}
	if err := s.repeat(ctx); err != nil {
		return err
	}
	if _, err := s.caughtUp(ctx); err != nil {
		return err
	}
	for _, p := range []purchase{lost, late} {
		err := s.eventually(ctx, func() error {
			n, err := s.mailsAbout(p.order.Number)
			if err == nil && n != 1 {
				err = fmt.Errorf("%d mails are about the order %s", n, p.order.Number)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mailsAbout counts the mails with an order's number that say that it was received.
func (s *subject) mailsAbout(number string) (n int, err error) {
	files, err := filepath.Glob(filepath.Join(s.shop.MailDir(), "*"))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		head, _, _ := strings.Cut(string(text), "\r\n\r\n")
		if strings.Contains(head, number) {
			n++
		}
	}
	return n, nil
}

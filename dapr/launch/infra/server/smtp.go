package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"haberdash/dapr/launch/toolchain"
)

// MailDir is the directory below Settings.Dir in which the SMTP server writes each message as an .eml file.
func MailDir(dir string) string { return filepath.Join(dir, "mail") }

// smtp prepares a server that accepts every message from everybody, except to the mailbox "nobody", and forwards none.
func smtp(ctx context.Context, s Settings) (Server, error) {
	bin, err := toolchain.BuildProgram(ctx, s.Root, "./dapr/mailbox", s.Log)
	if err != nil {
		return Server{}, err
	}
	mails := MailDir(s.Dir)
	if err := os.MkdirAll(mails, 0o700); err != nil {
		return Server{}, err
	}
	port, address := s.port(portSMTP), s.address(portSMTP)
	return Server{
		Args:    []string{bin, "-listen=" + address, "-dir=" + mails},
		Ports:   map[string]int{"smtp": port},
		Healthy: func(ctx context.Context) bool { return smtpAnswers(ctx, address) },
		// The server asks for no password: Go's clients refuse to send one without TLS.
		Vars: map[string]string{
			"SMTP_HOST": s.Address, "SMTP_PORT": strconv.Itoa(port), "SMTP_USER": "", "SMTP_PASSWORD": "",
		},
	}, nil
}

// smtpAnswers reports whether an SMTP server sends its greeting (RFC 5321, section 3.1).
func smtpAnswers(ctx context.Context, address string) bool {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	fmt.Fprint(c, "QUIT\r\n")
	return err == nil && strings.HasPrefix(line, "220 ")
}

package launch

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// MailDir is where the SMTP server puts one .eml file a message.
func (i *Infra) MailDir() string { return filepath.Join(i.opts.Dir, "mail") }

// smtp takes every message, from everybody, and sends none on.
func (i *Infra) smtp(ctx context.Context) (service, map[string]string, error) {
	if err := buildInto(ctx, i.opts.Root, binDir(i.opts.Root), "smtp", i.opts.Log, "./dapr/mailbox"); err != nil {
		return service{}, nil, err
	}
	if err := os.MkdirAll(i.MailDir(), 0o700); err != nil {
		return service{}, nil, err
	}
	port := i.block.base + portSMTP
	return service{
		name:    "smtp",
		args:    []string{filepath.Join(binDir(i.opts.Root), "mailbox"), "-listen=" + i.at(portSMTP), "-dir=" + i.MailDir()},
		ports:   map[string]int{"smtp": port},
		healthy: func(ctx context.Context) bool { return greets(ctx, i.at(portSMTP)) },
		// It asks for no password: Go's clients refuse to send one without TLS.
	}, map[string]string{"SMTP_HOST": i.opts.Address, "SMTP_PORT": fmt.Sprint(port), "SMTP_USER": "", "SMTP_PASSWORD": ""}, nil
}

// greets reports whether an SMTP server answers (RFC 5321, section 3.1).
func greets(ctx context.Context, address string) bool {
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

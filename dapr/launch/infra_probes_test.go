package launch

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"haberdash/internal/contract"
)

// A probe stores a value in a server and reads what is there, as a client would.
type probe struct {
	put func(context.Context, *Infra, string) error
	get func(context.Context, *Infra) ([]string, error)
}

var probes = map[string]probe{
	"redis": {
		put: func(_ context.Context, i *Infra, value string) error {
			_, err := redisSay(i, "SADD probe "+value)
			return err
		},
		get: func(_ context.Context, i *Infra) ([]string, error) { return redisSay(i, "SMEMBERS probe") },
	},
	"postgres": {
		put: func(ctx context.Context, i *Infra, value string) error {
			_, err := psql(ctx, i, "CREATE TABLE IF NOT EXISTS probe (value text); INSERT INTO probe VALUES ('"+value+"')")
			return err
		},
		get: func(ctx context.Context, i *Infra) ([]string, error) { return psql(ctx, i, "SELECT value FROM probe") },
	},
	"kafka": {put: produce, get: consume},
	"smtp": {
		put: func(_ context.Context, i *Infra, value string) error {
			return smtp.SendMail(net.JoinHostPort(i.Vars()["SMTP_HOST"], i.Vars()["SMTP_PORT"]), nil, "shop@example.com",
				[]string{"buyer@example.com"}, []byte("Subject: "+value+"\r\n\r\nbody\r\n"))
		},
		get: func(_ context.Context, i *Infra) ([]string, error) { return subjects(i.MailDir()) },
	},
}

// redisSay sends an inline command and returns the strings of the answer.
func redisSay(i *Infra, command string) ([]string, error) {
	c, err := net.Dial("tcp", i.Vars()["REDIS_HOST"])
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "AUTH %s\r\n%s\r\nQUIT\r\n", i.Vars()["REDIS_PASSWORD"], command)
	var said []string
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch l := lines.Text(); {
		case strings.HasPrefix(l, "-"):
			return nil, fmt.Errorf("redis: %s", l)
		case !strings.ContainsAny(l[:1], "+:*$"):
			said = append(said, l)
		}
	}
	return said, lines.Err()
}

func psql(ctx context.Context, i *Infra, sql string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", i.Vars()["POSTGRES_CONNECTION"], "-c", sql).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("psql: %w\n%s", err, out)
	}
	return strings.Fields(string(out)), nil
}

func produce(ctx context.Context, i *Infra, value string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // it would try for ever
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(i.Vars()["KAFKA_BROKERS"]))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{Topic: contract.TopicOrders, Value: []byte(value)}).FirstErr()
}

// consume reads a topic from its beginning to where it ends now.
func consume(ctx context.Context, i *Infra) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(i.Vars()["KAFKA_BROKERS"]), kgo.ConsumeTopics(contract.TopicOrders))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, contract.TopicOrders)
	if err != nil {
		return nil, err
	}
	end, _ := ends.Lookup(contract.TopicOrders, 0)
	var values []string
	for len(values) < int(end.Offset) {
		got := client.PollFetches(ctx)
		if err := got.Err(); err != nil {
			return values, err
		}
		got.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values, nil
}

// subjects reads the mails of a directory, which must all be for one buyer.
func subjects(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	var list []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		m, err := mail.ReadMessage(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if to := m.Header.Get("Delivered-To"); to != "buyer@example.com" {
			return nil, fmt.Errorf("delivered to %q", to)
		}
		list = append(list, m.Header.Get("Subject"))
	}
	return list, err
}

package infra

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"haberdash/internal/contract"
)

// probe stores a value in a server and reads all that are there, as a client would.
type probe struct {
	put func(context.Context, *Servers, string) error
	get func(context.Context, *Servers) ([]string, error)
}

var probes = map[string]probe{
	"redis": {
		put: func(_ context.Context, i *Servers, value string) error {
			_, err := redisCommand(i, "SADD probe "+value)
			return err
		},
		get: func(_ context.Context, i *Servers) ([]string, error) { return redisCommand(i, "SMEMBERS probe") },
	},
	"postgres": {
		put: func(ctx context.Context, i *Servers, value string) error {
			_, err := psql(ctx, i, "CREATE TABLE IF NOT EXISTS probe (value text); INSERT INTO probe VALUES ('"+value+"')")
			return err
		},
		get: func(ctx context.Context, i *Servers) ([]string, error) {
			return psql(ctx, i, "SELECT value FROM probe")
		},
	},
	"mysql": {
		put: func(ctx context.Context, i *Servers, value string) error {
			_, err := mysql(ctx, i, "CREATE TABLE IF NOT EXISTS probe (value TEXT); INSERT INTO probe VALUES ('"+value+"')")
			return err
		},
		get: func(ctx context.Context, i *Servers) ([]string, error) {
			return mysql(ctx, i, "SELECT value FROM probe")
		},
	},
	"kafka":    {put: produce, get: consume},
	"rabbitmq": {put: publish, get: browse},
	"nats":     {put: send, get: fetch},
	"smtp": {
		put: func(_ context.Context, i *Servers, value string) error {
			return smtp.SendMail(net.JoinHostPort(i.Vars()["SMTP_HOST"], i.Vars()["SMTP_PORT"]), nil, "shop@example.com",
				[]string{"buyer@example.com"}, []byte("Subject: "+value+"\r\n\r\nbody\r\n"))
		},
		get: func(_ context.Context, i *Servers) ([]string, error) { return subjects(i.MailDir()) },
	},
}

// redisCommand sends an inline command and returns the strings of the answer.
func redisCommand(i *Servers, command string) ([]string, error) {
	c, err := net.Dial("tcp", i.Vars()["REDIS_HOST"])
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "AUTH %s\r\n%s\r\nQUIT\r\n", i.Vars()["REDIS_PASSWORD"], command)
	var values []string
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch l := lines.Text(); {
		case strings.HasPrefix(l, "-"):
			return nil, fmt.Errorf("redis: %s", l)
		case !strings.ContainsAny(l[:1], "+:*$"):
			values = append(values, l)
		}
	}
	return values, lines.Err()
}

func psql(ctx context.Context, i *Servers, sql string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
		i.Vars()["POSTGRES_CONNECTION"], "-c", sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("psql: %w\n%s", err, out)
	}
	return strings.Fields(string(out)), nil
}

func mysql(ctx context.Context, i *Servers, sql string) ([]string, error) {
	m := regexp.MustCompile(`^haberdash:(\w+)@tcp\(([\d.]+):(\d+)\)`).FindStringSubmatch(i.Vars()["MYSQL_CONNECTION"])
	if m == nil {
		return nil, errors.New("mysql: MYSQL_CONNECTION has another form")
	}
	cmd := exec.CommandContext(ctx, "mariadb", "--no-defaults", "--protocol=tcp", "--host="+m[2], "--port="+m[3],
		"--user=haberdash", "--skip-column-names", "--execute="+sql, "haberdash")
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+m[1])
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("mariadb: %w\n%s", err, out)
	}
	return strings.Fields(string(out)), nil
}

func produce(ctx context.Context, i *Servers, value string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // the client would retry forever
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(i.Vars()["KAFKA_BROKERS"]))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{Topic: contract.TopicOrders, Value: []byte(value)}).FirstErr()
}

// consume reads a topic from its beginning to where it ends now.
func consume(ctx context.Context, i *Servers) ([]string, error) {
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

// publish returns when the server has stored the message.
func publish(ctx context.Context, i *Servers, value string) error {
	return onRabbitMQ(i, func(c *amqp.Channel) error {
		if err := c.Confirm(false); err != nil {
			return err
		}
		stored, err := c.PublishWithDeferredConfirmWithContext(ctx, contract.TopicOrders, "", false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(value)})
		if err != nil {
			return err
		}
		if ok, err := stored.WaitContext(ctx); err != nil || !ok {
			return fmt.Errorf("not confirmed: %w", err)
		}
		return nil
	})
}

// browse reads the messages of a queue. They return to it, because they are not acknowledged.
func browse(_ context.Context, i *Servers) (values []string, err error) {
	err = onRabbitMQ(i, func(c *amqp.Channel) error {
		for {
			m, ok, err := c.Get("cart-"+contract.TopicOrders, false)
			if err != nil || !ok {
				return err
			}
			values = append(values, string(m.Body))
		}
	})
	return values, err
}

func onRabbitMQ(i *Servers, do func(*amqp.Channel) error) error {
	connection, err := amqp.Dial(i.Vars()["RABBITMQ_CONNECTION"])
	if err != nil {
		return err
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	return do(channel)
}

// send returns when the server has stored the message.
func send(ctx context.Context, i *Servers, value string) error {
	return onNATS(i, func(js jetstream.JetStream) error {
		_, err := js.Publish(ctx, contract.TopicOrders, []byte(value))
		return err
	})
}

// fetch reads the messages of a stream.
func fetch(ctx context.Context, i *Servers) (values []string, err error) {
	err = onNATS(i, func(js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, contract.TopicOrders)
		if err != nil {
			return err
		}
		for n := range stream.CachedInfo().State.LastSeq {
			m, err := stream.GetMsg(ctx, n+1)
			if err != nil {
				return err
			}
			values = append(values, string(m.Data))
		}
		return nil
	})
	return values, err
}

func onNATS(i *Servers, do func(jetstream.JetStream) error) error {
	connection, err := nats.Connect(i.Vars()["NATS_URL"], nats.NoReconnect())
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	return do(js)
}

// subjects reads the subjects of the messages in a directory, all of which must be for buyer@example.com.
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

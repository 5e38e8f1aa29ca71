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

// redis keeps what it has acknowledged: each write is on disk before the answer, and nothing is evicted.
func (i *Infra) redis(context.Context) (service, map[string]string, error) {
	bin, err := installed("redis-server", "redis-server")
	if err != nil {
		return service{}, nil, err
	}
	data := filepath.Join(i.opts.Dir, "redis")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return service{}, nil, err
	}
	port, password := i.block.base+portRedis, i.settings["REDIS_PASSWORD"]
	config := filepath.Join(i.opts.Dir, "redis.conf") // not arguments: everybody can read those
	if err := os.WriteFile(config, []byte(redisConfig(i.opts.Address, port, password, data)), 0o600); err != nil {
		return service{}, nil, err
	}
	address := i.at(portRedis)
	return service{
		name: "redis", args: []string{bin, config},
		ports:   map[string]int{"redis": port},
		healthy: func(ctx context.Context) bool { return redisAnswers(ctx, address, password) },
	}, map[string]string{"REDIS_HOST": address, "REDIS_PASSWORD": password}, nil
}

func redisConfig(address string, port int, password, data string) string {
	return strings.Join([]string{
		"bind " + address,
		fmt.Sprintf("port %d", port),
		"requirepass " + password,
		fmt.Sprintf("dir %q", data),
		"daemonize no",
		`logfile ""`, // stdout
		// The shop's log and its acknowledged orders are here: the default, a sync each second, would lose the
		// last second of them with the machine's power.
		"appendonly yes",
		"appendfsync always",
		`save ""`, // the append-only file has all; snapshots would only be work
		// A full store must refuse, not forget.
		"maxmemory-policy noeviction",
		"",
	}, "\n")
}

// redisAnswers reports whether the server has read its data and takes the password.
func redisAnswers(ctx context.Context, address, password string) bool {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(c, "AUTH %s\r\nPING\r\n", password)
	lines := bufio.NewScanner(c)
	for _, want := range []string{"+OK", "+PONG"} {
		if !lines.Scan() || lines.Text() != want {
			return false
		}
	}
	return true
}

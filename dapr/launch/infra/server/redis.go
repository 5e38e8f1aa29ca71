package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"haberdash/dapr/launch/toolchain"
)

// redis prepares a server that keeps what it has acknowledged: each write is on disk before its answer, and nothing is
// evicted.
func redis(s Settings) (Server, error) {
	bin, err := toolchain.Installed("redis-server", "redis-server")
	if err != nil {
		return Server{}, err
	}
	data := filepath.Join(s.Dir, "redis")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return Server{}, err
	}
	// In a file and not as arguments, which every user of the machine can read.
	config := filepath.Join(s.Dir, "redis.conf")
	text := redisConfig(s.Address, s.port(portRedis), s.RedisPassword, data)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return Server{}, err
	}
	address := s.address(portRedis)
	return Server{
		Args:    []string{bin, config},
		Ports:   map[string]int{"redis": s.port(portRedis)},
		Healthy: func(ctx context.Context) bool { return redisAnswers(ctx, address, s.RedisPassword) },
		Vars:    map[string]string{"REDIS_HOST": address, "REDIS_PASSWORD": s.RedisPassword},
	}, nil
}

func redisConfig(address string, port int, password, data string) string {
	return strings.Join([]string{
		"bind " + address,
		fmt.Sprintf("port %d", port),
		"requirepass " + password,
		fmt.Sprintf("dir %q", data),
		"daemonize no",
		`logfile ""`, // stdout
		// The shop's log and its acknowledged orders are in this store. With the default, a sync each second, a power
		// failure would lose the last second of them.
		"appendonly yes",
		"appendfsync always",
		`save ""`, // the append-only file has everything, so snapshots are not needed
		// A full store must refuse writes and not delete data.
		"maxmemory-policy noeviction",
		"",
	}, "\n")
}

// redisAnswers reports whether the server has loaded its data and accepts the password.
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

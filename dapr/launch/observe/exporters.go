package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// Names of the exporters, which ask a server of the shop for its metrics.
const (
	redisExporter    = "redis-exporter"
	postgresExporter = "postgres-exporter"
	kafkaExporter    = "kafka-exporter"
)

var (
	redisExporterProgram    = program{"prometheus-redis-exporter", "prometheus-redis-exporter"}
	postgresExporterProgram = program{"prometheus-postgres-exporter", "prometheus-postgres-exporter"}
)

// exporter is an exporter that a shop needs.
type exporter struct {
	name   string
	server string            // at which it looks: the label app of its target
	kind   string            // what the shop uses the server for
	env    map[string]string // with the address and the credentials, which other users of the machine must not see
}

// exporters lists the exporters for the servers that the shop uses; none for SQLite and the embedded broker. It reads
// the choices of the shop, and what its sidecars were given to reach the servers.
func (o Options) exporters() (list []exporter, err error) {
	shop, err := rundir.ReadState(o.RunDir)
	if err != nil {
		return nil, err
	}
	if len(shop.Processes) == 0 { // the files of the sidecars may be those of the shop before
		return nil, nil
	}
	vars, err := sidecarVariables(o.RunDir)
	if err != nil {
		return nil, err
	}
	state, pubsub := shop.Choices["STATE"], shop.Choices["PUBSUB"]
	if host := vars["REDIS_HOST"]; host != "" && (state == "redis" || pubsub == "redis") {
		kind := kindStore
		if state != "redis" {
			kind = kindBroker
		}
		list = append(list, exporter{redisExporter, "redis", kind, map[string]string{
			"REDIS_ADDR": "redis://" + host, "REDIS_PASSWORD": vars["REDIS_PASSWORD"],
		}})
	}
	if address := vars["POSTGRES_CONNECTION"]; address != "" && state == "postgres" {
		list = append(list, exporter{postgresExporter, "postgres", kindStore, map[string]string{
			"DATA_SOURCE_NAME": dataSource(address),
		}})
	}
	if brokers := vars["KAFKA_BROKERS"]; brokers != "" && pubsub == "kafka" {
		list = append(list, exporter{kafkaExporter, "kafka", kindBroker, map[string]string{"KAFKA_BROKERS": brokers}})
	}
	return list, nil
}

// sidecarVariables returns the variables of all sidecars of a shop: of its own processes, or by hand of its shell. Of
// two files, the younger one is right.
func sidecarVariables(runDir string) (map[string]string, error) {
	type file struct {
		path string
		at   int64
	}
	var files []file
	for _, pattern := range []string{"sidecars/*.env", "env"} {
		found, err := filepath.Glob(filepath.Join(runDir, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if info, err := os.Stat(path); err == nil {
				files = append(files, file{path, info.ModTime().UnixNano()})
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.at, b.at) })
	all := map[string]string{}
	for _, f := range files {
		vars, err := secrets.ReadShellFile(f.path)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, vars)
	}
	return all, nil
}

// dataSource is the URL of PostgreSQL for its exporter. The exporter waits three seconds for a server that hangs, which
// is less than Prometheus waits for the exporter, and it does not know the settings of the sidecars' pool.
func dataSource(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	for name := range q {
		if strings.HasPrefix(name, "pool_") {
			q.Del(name)
		}
	}
	q.Set("connect_timeout", "3")
	u.RawQuery = q.Encode()
	return u.String()
}

// exporterProgram returns the path of an exporter.
func (o Options) exporterProgram(ctx context.Context, name string, log io.Writer) (string, error) {
	switch name {
	case redisExporter:
		return redisExporterProgram.path()
	case postgresExporter:
		return postgresExporterProgram.path()
	}
	return toolchain.BuildProgram(ctx, o.Root, "./dapr/kafkaexporter", log)
}

func (o Options) exporter(ctx context.Context, name string, s server.Settings) (server.Server, error) {
	bin, err := o.exporterProgram(ctx, name, s.Log)
	if err != nil {
		return server.Server{}, err
	}
	shown, err := o.exporters()
	if err != nil {
		return server.Server{}, err
	}
	i := slices.IndexFunc(shown, func(e exporter) bool { return e.name == name })
	if i < 0 {
		return server.Server{}, fmt.Errorf("%s: the shop does not use its server any more", name)
	}
	var offset int
	var args []string
	switch name {
	case redisExporter:
		offset = offsetRedisExporter
		args = []string{bin, "-connection-timeout=3s", "-web.listen-address=" + address(s, offset)}
	case postgresExporter:
		offset = offsetPostgresExporter
		args = []string{bin, "--log.level=warn", "--web.listen-address=" + address(s, offset)}
	case kafkaExporter:
		offset = offsetKafkaExporter
		args = []string{bin, "-listen=" + address(s, offset)}
	}
	port := s.PortBase + offset
	return server.Server{
		Args: args, Env: shown[i].env,
		Ports:   map[string]int{portMetrics: port},
		Healthy: supervisor.HTTPCheck(port, "/"), // /metrics would wait for a server that is down
	}, nil
}

// followExporters starts the exporters that the shop needs by now, and restarts those whose server has another address
// or password. One that does not start stops no other.
func (s *Servers) followExporters(ctx context.Context, shown []exporter) (failed error) {
	for _, e := range shown {
		before, known := s.looks[e.name]
		if known && maps.Equal(before.env, e.env) {
			continue
		}
		var err error
		if known {
			if err = s.Terminate(e.name); err == nil {
				err = s.RestartWith(e.name, e.env)
			}
		} else {
			err = s.StartServer(ctx, e.name)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		s.looks[e.name] = e
	}
	return failed
}

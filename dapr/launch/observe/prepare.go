package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// Names of ports in the state.
const (
	portHTTP    = "http"
	portOTLP    = "otlp"
	portMetrics = "metrics"
)

// Offsets of ports in the block of the servers.
const (
	offsetPrometheus = iota
	offsetAlertmanager
	offsetBoard
	offsetOpenSearch
	offsetOpenSearchTransport
	offsetJaeger
	offsetJaegerGRPC
	offsetJaegerHealth
	offsetJaegerMetrics
	offsetOTLP
	offsetOTLPGRPC
	offsetNodeExporter
	offsetRedisExporter
	offsetPostgresExporter
	offsetKafkaExporter
)

// program is a program of the system and the Debian package that has it.
type program struct{ name, debianPackage string }

// path fails if the program is missing. Debian has some programs in a directory that is not on everybody's PATH.
func (p program) path() (string, error) {
	path, err := toolchain.Installed(p.name, p.debianPackage)
	if err == nil {
		return path, nil
	}
	if path := filepath.Join("/usr/sbin", p.name); isFile(path) {
		return path, nil
	}
	return "", err
}

var (
	prometheusProgram   = program{"prometheus", "prometheus"}
	alertmanagerProgram = program{"prometheus-alertmanager", "prometheus-alertmanager"}
	nodeExporterProgram = program{"prometheus-node-exporter", "prometheus-node-exporter"}
	javaProgram         = program{"java", "default-jdk-headless"}
	rsyslogProgram      = program{"rsyslogd", "rsyslog"}

	systemPrograms = []program{
		prometheusProgram, alertmanagerProgram, nodeExporterProgram, javaProgram, rsyslogProgram,
	}
)

func hasBoard(root string) bool {
	return isFile(filepath.Join(configDir(root), "cmd", "board", "main.go"))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// configDir is the directory of the configurations in a checkout.
func configDir(root string) string { return filepath.Join(root, "deploy", "observability") }

// prepare prepares the server of a name.
func (o Options) prepare(ctx context.Context, name string, s server.Settings) (server.Server, error) {
	switch name {
	case prometheus:
		return o.prometheus(s)
	case alertmanager:
		return o.alertmanager(s)
	case nodeExporter:
		return o.nodeExporter(s)
	case jaeger:
		return o.jaeger(ctx, s)
	case openSearch:
		return o.openSearch(ctx, s)
	case shipper:
		return o.shipper(s)
	case board:
		return o.board(ctx, s)
	case redisExporter, postgresExporter, kafkaExporter:
		return o.exporter(ctx, name, s)
	}
	return server.Server{}, fmt.Errorf("there is no server %q", name)
}

func address(s server.Settings, offset int) string {
	return net.JoinHostPort(s.Address, strconv.Itoa(s.PortBase+offset))
}

// prometheus renders the one configuration of Prometheus for this machine.
func (o Options) prometheus(s server.Settings) (server.Server, error) {
	bin, err := prometheusProgram.path()
	if err != nil {
		return server.Server{}, err
	}
	source, dir := filepath.Join(configDir(o.Root), "prometheus"), filepath.Join(s.Dir, "prometheus")
	text, err := os.ReadFile(filepath.Join(source, "prometheus.yaml"))
	if err != nil {
		return server.Server{}, err
	}
	rendered := strings.NewReplacer(
		"ALERTMANAGER", address(s, offsetAlertmanager), "TARGETS_DIR", targetsDir(o.RunDir),
	).Replace(string(text))
	for _, d := range []string{dir, targetsDir(o.RunDir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return server.Server{}, err
		}
	}
	config := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(config, []byte(rendered), 0o600); err != nil {
		return server.Server{}, err
	}
	// Prometheus reads the files of rules relative to its configuration.
	if err := link(cmp.Or(o.Rules, filepath.Join(source, "rules")), filepath.Join(dir, "rules")); err != nil {
		return server.Server{}, err
	}
	port := s.PortBase + offsetPrometheus
	return server.Server{
		Args: []string{
			bin, "--config.file=" + config, "--web.listen-address=" + address(s, offsetPrometheus),
			"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--storage.tsdb.retention.time=7d",
			"--enable-feature=exemplar-storage", // the ids of traces beside the numbers
			"--log.level=warn",
		},
		Ports:   map[string]int{portHTTP: port},
		Healthy: supervisor.HTTPCheck(port, "/-/ready"),
	}, nil
}

// link makes path a symbolic link to target.
func link(target, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

func (o Options) alertmanager(s server.Settings) (server.Server, error) {
	bin, err := alertmanagerProgram.path()
	if err != nil {
		return server.Server{}, err
	}
	port := s.PortBase + offsetAlertmanager
	return server.Server{
		Args: []string{
			bin, "--config.file=" + filepath.Join(configDir(o.Root), "alertmanager", "alertmanager.yaml"),
			"--web.listen-address=" + address(s, offsetAlertmanager),
			"--storage.path=" + filepath.Join(s.Dir, "alertmanager"),
			"--cluster.listen-address=", // one instance needs no port for others
			"--log.level=warn",
		},
		Ports:   map[string]int{portHTTP: port},
		Healthy: supervisor.HTTPCheck(port, "/-/ready"),
	}, nil
}

// nodeExporter prepares the metrics of the machine, above all of its disks.
func (o Options) nodeExporter(s server.Settings) (server.Server, error) {
	bin, err := nodeExporterProgram.path()
	if err != nil {
		return server.Server{}, err
	}
	port := s.PortBase + offsetNodeExporter
	return server.Server{
		Args: []string{
			bin, "--web.listen-address=" + address(s, offsetNodeExporter), "--log.level=warn", "--collector.disable-defaults",
			"--collector.filesystem", "--collector.cpu", "--collector.meminfo", "--collector.loadavg", "--collector.diskstats",
		},
		Ports:   map[string]int{portMetrics: port},
		Healthy: supervisor.HTTPCheck(port, "/"),
	}, nil
}

func (o Options) jaeger(ctx context.Context, s server.Settings) (server.Server, error) {
	bin, err := toolchain.EnsureJaeger(ctx, o.Root, s.Log)
	if err != nil {
		return server.Server{}, err
	}
	port := func(offset int) string { return strconv.Itoa(s.PortBase + offset) }
	return server.Server{
		Args: []string{bin, "--config=file:" + filepath.Join(configDir(o.Root), "jaeger", "jaeger.yaml")},
		Env: map[string]string{
			"LISTEN_HOST": s.Address, "OTLP_HTTP_PORT": port(offsetOTLP), "OTLP_GRPC_PORT": port(offsetOTLPGRPC),
			"QUERY_PORT": port(offsetJaeger), "QUERY_GRPC_PORT": port(offsetJaegerGRPC),
			"HEALTH_PORT": port(offsetJaegerHealth), "METRICS_PORT": port(offsetJaegerMetrics),
			"GOMEMLIMIT": "400MiB",
		},
		Ports: map[string]int{
			portHTTP: s.PortBase + offsetJaeger, portOTLP: s.PortBase + offsetOTLP,
			portMetrics: s.PortBase + offsetJaegerMetrics, "otlp-grpc": s.PortBase + offsetOTLPGRPC,
			"grpc": s.PortBase + offsetJaegerGRPC, "health": s.PortBase + offsetJaegerHealth,
		},
		Healthy: supervisor.HTTPCheck(s.PortBase+offsetJaegerHealth, "/status"),
		Setup:   func(context.Context) error { return o.writeTracing(s.PortBase + offsetOTLP) },
	}, nil
}

func (o Options) board(ctx context.Context, s server.Settings) (server.Server, error) {
	bin, err := toolchain.BuildBoard(ctx, o.Root, s.Log)
	if err != nil {
		return server.Server{}, err
	}
	port := s.PortBase + offsetBoard
	return server.Server{
		Args: []string{
			bin, "-prometheus=http://" + address(s, offsetPrometheus), "-listen=" + address(s, offsetBoard),
		},
		Ports:   map[string]int{portHTTP: port},
		Healthy: supervisor.HTTPCheck(port, "/"),
	}, nil
}

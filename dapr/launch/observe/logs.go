package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// openSearch prepares one node with the templates of the indexes.
func (o Options) openSearch(ctx context.Context, s server.Settings) (server.Server, error) {
	java, err := javaProgram.path()
	if err != nil {
		return server.Server{}, err
	}
	program, err := toolchain.EnsureOpenSearch(ctx, o.Root, s.Log)
	if err != nil {
		return server.Server{}, err
	}
	home := filepath.Join(s.Dir, "opensearch")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return server.Server{}, err
	}
	templates, err := readTemplates(o.Root)
	if err != nil {
		return server.Server{}, err
	}
	port, transport := s.PortBase+offsetOpenSearch, s.PortBase+offsetOpenSearchTransport
	url := "http://" + address(s, offsetOpenSearch)
	return server.Server{
		Args: []string{
			java, "-Xmx512m", "-Xms128m",
			// As for Kafka: the machine does other work too.
			"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
			"-cp", program + string(os.PathListSeparator) + filepath.Join(program, "*"),
			"Node", home, s.Address, strconv.Itoa(port), strconv.Itoa(transport),
		},
		Ports:   map[string]int{portHTTP: port, "transport": transport},
		Healthy: supervisor.HTTPCheck(port, "/_cluster/health?wait_for_status=yellow&timeout=2s"),
		// Before the first document, which decides for good how the fields of its index are kept.
		Setup: func(ctx context.Context) error {
			for _, t := range templates {
				if err := t.put(ctx, url); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

// index is the data stream of the log lines. The index template applies to its name.
const index = "logs-haberdash-local"

// part is the part of the index template with the mappings. Elasticsearch has another part, with its management of an
// index's life (ILM), which OpenSearch does not know.
const part = "haberdash-logs-mappings"

// template is a document that tells OpenSearch how to keep the lines: its path in the API, and its text.
type template struct {
	path string
	text []byte
}

// readTemplates reads the templates that Elasticsearch gets, too.
func readTemplates(root string) ([]template, error) {
	dir := filepath.Join(configDir(root), "elasticsearch")
	mappings, err := os.ReadFile(filepath.Join(dir, "mappings.json"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "index-template.json"))
	if err != nil {
		return nil, err
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, fmt.Errorf("index-template.json: %w", err)
	}
	whole["composed_of"] = []string{part}
	if text, err = json.Marshal(whole); err != nil {
		return nil, err
	}
	return []template{{"/_component_template/" + part, mappings}, {"/_index_template/haberdash-logs", text}}, nil
}

func (t template) put(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+t.path, bytes.NewReader(t.text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		why, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
		return fmt.Errorf("OpenSearch refuses %s: %s", t.path, why)
	}
	return nil
}

// shipper prepares rsyslog, which sends the lines of the shop's log files to OpenSearch. It needs no port and no
// privileges: its configuration, its state and its files are its own.
func (o Options) shipper(s server.Settings) (server.Server, error) {
	bin, err := rsyslogProgram.path()
	if err != nil {
		return server.Server{}, err
	}
	if err := checkModule(bin); err != nil {
		return server.Server{}, err
	}
	dir := filepath.Join(s.Dir, "rsyslog")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return server.Server{}, err
	}
	pidFile := filepath.Join(dir, "rsyslogd.pid")
	if err := os.RemoveAll(pidFile); err != nil { // of one that was killed
		return server.Server{}, err
	}
	return server.Server{
		After: openSearch,
		Args: []string{
			bin, "-n", "-i", pidFile, "-f", filepath.Join(configDir(o.Root), "rsyslog", "rsyslog.conf"),
		},
		Env: map[string]string{
			"STATE_DIR": dir, "OPENSEARCH_HOST": s.Address, "OPENSEARCH_PORT": strconv.Itoa(s.PortBase + offsetOpenSearch),
			"INDEX": index, "REFUSED_FILE": filepath.Join(s.Dir, "logs", "refused.log"),
			"LOG_FILES_OF_APPS": filepath.Join(o.RunDir, ".dapr", "logs", "*.log"),
			"OTHER_LOG_FILES":   filepath.Join(o.RunDir, "logs", "*.log"),
		},
		Healthy: func(context.Context) bool { return isFile(pidFile) }, // written when the configuration is read
	}, nil
}

// checkModule fails if the rsyslog of a system lacks the module for Elasticsearch, which has a package of its own.
func checkModule(bin string) error {
	for _, dir := range moduleDirs {
		if found, _ := filepath.Glob(filepath.Join(dir, "omelasticsearch.so")); len(found) > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s lacks the module omelasticsearch: install it (on Debian: apt-get install rsyslog-elasticsearch)",
		bin)
}

// moduleDirs are the directories of rsyslog's modules in the distributions; a variable for tests.
var moduleDirs = []string{"/usr/lib/*/rsyslog", "/usr/lib64/rsyslog", "/usr/lib/rsyslog"}

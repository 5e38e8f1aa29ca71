package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// forward is a way from here to a port of a pod.
type forward struct {
	cmd     *exec.Cmd
	address string // here, host:port
	token   *http.Server
}

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) `)

// forward opens a way to a port of one pod of an app.
func (c *cluster) forward(ctx context.Context, app, port string) (*forward, error) {
	cmd := c.exec(context.WithoutCancel(ctx), "--namespace", namespace, "port-forward", "deployment/"+app, ":"+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &forward{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := forwarding.FindStringSubmatch(lines.Text()); m != nil {
			f.address = m[1]
			go func() {
				for lines.Scan() { // or it would wait for a reader
				}
			}()
			return f, nil
		}
	}
	f.close()
	return nil, fmt.Errorf("no way to port %s of %s", port, app)
}

// withToken puts the sidecar's token on what goes through, as the app beside it does.
func (f *forward) withToken(token string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f.token = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: f.address})
		p.Out.Header.Set("dapr-api-token", token)
	}}}
	go func() { _ = f.token.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

func (f *forward) close() error {
	var err error
	if f.token != nil {
		err = f.token.Close()
	}
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait() // of a signal
	return err
}

// connect opens the ways that the end-to-end suite looks behind the gateway by, and tells it in a file.
func (s *shopOn) connect(ctx context.Context) error {
	if err := s.close(); err != nil {
		return err
	}
	gateway, err := s.gatewayURL(ctx)
	if err != nil {
		return err
	}
	own, sidecars, secrets := map[string]string{}, map[string]string{}, map[string]string{}
	for _, app := range apps {
		side, err := s.forward(ctx, app, "3500")
		if err != nil {
			return err
		}
		s.forwards = append(s.forwards, side)
		if sidecars[app], err = side.withToken(s.secrets["dapr-token"]["token"]); err != nil {
			return err
		}
		way, err := s.forward(ctx, app, "http")
		if err != nil {
			return err
		}
		s.forwards = append(s.forwards, way)
		own[app] = "http://" + way.address
	}
	for _, values := range s.secrets {
		for key, value := range values {
			secrets[key] = value
		}
	}
	text, err := json.Marshal(map[string]any{
		"gateway": gateway, "mail": s.servers.MailDir(), "apps": own, "sidecars": sidecars, "secrets": secrets,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "shop.json"), text, 0o600)
}

func (s *shopOn) close() (err error) {
	for _, f := range s.forwards {
		err = errors.Join(err, f.close())
	}
	s.forwards = nil
	return err
}

// elsewhere are tests that start shops or sidecars of their own on this machine.
const elsewhere = "^(TestShopSurvivesRestartsAndKills|TestADeletionIsCarriedOutLater|TestSidecarsRefuseStrangers)$"

// endToEnd runs the whole suite.
func (s *shopOn) endToEnd(ctx context.Context) error { return s.suite(ctx, "-skip", elsewhere) }

// audit holds consumers and documents against the logs, of whichever replicas answer.
func (s *shopOn) audit(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.suite(ctx, "-run", "^TestConsumersAndDocumentsFollowTheLogs$")
}

func (s *shopOn) suite(ctx context.Context, which ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-timeout=20m", "./tests/e2e"}, which...)...)
	cmd.Env = append(os.Environ(), "E2E_SHOP="+filepath.Join(s.dir, "shop.json"))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

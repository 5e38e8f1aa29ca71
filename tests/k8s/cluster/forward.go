package cluster

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// Forward is a running kubectl port-forward to a port of a pod.
type Forward struct {
	Address string // on this machine, as host:port

	cmd   *exec.Cmd
	proxy *http.Server // of WithToken
}

var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) `)

// Forward forwards a local port to a port of one pod of an app. The caller closes it.
func (c *Cluster) Forward(ctx context.Context, app, port string) (*Forward, error) {
	cmd := c.exec(context.WithoutCancel(ctx), "--namespace", Namespace, "port-forward", "deployment/"+app, ":"+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &Forward{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := forwarding.FindStringSubmatch(lines.Text()); m != nil {
			f.Address = m[1]
			go func() {
				for lines.Scan() { // kubectl would block on a full pipe
				}
			}()
			return f, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("kubectl cannot forward to port %s of %s", port, app)
}

// WithToken starts a proxy that adds the token of the sidecar to each request, as the app does. It returns the URL of
// the proxy.
func (f *Forward) WithToken(token string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addToken := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: f.Address})
		if p.In.Header.Get("dapr-api-token") == "" { // a test may play a stranger with another token
			p.Out.Header.Set("dapr-api-token", token)
		}
	}}
	f.proxy = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: addToken}
	go func() { _ = f.proxy.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// Close ends the proxy and the port-forward.
func (f *Forward) Close() error {
	var err error
	if f.proxy != nil {
		err = f.proxy.Close()
	}
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait() // reports the kill
	return err
}

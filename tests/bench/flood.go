package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"haberdash/dapr/launch"
)

// floodCase is the name of the case with hostile requests. It needs the rate limits, which all other cases turn off, so
// it is measured only if CASES names it: CASES=flood. Its baseline is the same flood, sent to another program: what the
// sender takes from the processors of the shop is in both.
const (
	floodCase     = "place an order, during a flood of 4,000 hostile requests a second"
	floodBaseline = "place an order, the same flood sent to another program"
)

const sidecarSuffix = "-daprd" // of the name of a sidecar's process

const (
	floodPerSecond = 4000
	floodTick      = 10 * time.Millisecond
	maxHeld        = 1000 // connections of the flood that are open at a time
)

// floodAddress is the address that the flood comes from. The other cases come from 127.0.0.1, as if that were a proxy.
var floodAddress = net.IPv4(127, 0, 0, 66)

func withFlood() bool { return strings.Contains(os.Getenv("CASES"), "flood") }

// spread gives each request a client's address of its own, so that the rate limits count its customers apart.
type spread struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s spread) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(rand.IntN(256)), byte(rand.IntN(256)), 1}).String())
	return s.RoundTripper.RoundTrip(r)
}

// hostile returns the texts of the requests. Those that end in half a body are held open.
func hostile() []string {
	const from = " HTTP/1.1\r\nHost: shop\r\n"
	var names strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&names, "&x%d=1", i)
	}
	members := `{"m` + strings.ReplaceAll(strings.TrimPrefix(names.String(), "&"), "=1&", `":1,"m`) + `":1}`
	return []string{
		"INVENTED" + strconv.Itoa(rand.IntN(1e9)) + " /api/v1/products" + from + "\r\n",
		"GET /api/v1/products?q=hat" + names.String() + from + "\r\n",
		"POST /api/v1/carts" + from + "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(members)) +
			"\r\n\r\n" + members,
		"POST /api/v1/products/import" + from + "Content-Type: text/csv\r\nContent-Length: 99999\r\n\r\nHandle,Title\n",
		"PUT /api/v1/carts/c/items/s" + from + "Content-Type: application/json\r\nContent-Length: 99999\r\n\r\n" +
			"{\"quantity\":",
		"GET /api/v1/orders/o/stream" + from + "\r\n",
	}
}

// floodElsewhere runs a process that sends hostile requests to this program until ctx ends.
func floodElsewhere(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go resetAll(listener)
	stop, err := startFlood(listener.Addr().String())
	if err != nil {
		return err
	}
	<-ctx.Done()
	return stop()
}

// flood runs a process that sends hostile requests until ctx ends, and then fails if a process of the shop has used
// more memory than Kubernetes would give it.
func flood(s *launch.Shop) func(context.Context) error {
	address := strings.TrimPrefix(s.GatewayURL(), "http://")
	return func(ctx context.Context) (err error) {
		limits, err := memoryLimits()
		if err != nil {
			return err
		}
		stop, err := startFlood(address)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		most := map[string]uint64{}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return exceeded(most, limits)
			case <-tick.C:
			}
			for name, bytes := range resident(s) {
				most[name] = max(most[name], bytes)
			}
		}
	}
}

// floodVariable is an environment variable that makes this program send the flood to the address that it names.
const floodVariable = "BENCH_FLOOD"

// startFlood starts a process that sends hostile requests. A stranger has processors of its own, so the process has the
// lowest priority on those of the shop: it gets what the shop leaves.
//
// stop ends it, and returns an error if it did not send the flood.
func startFlood(address string) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("nice", "-n", "19", self)
	cmd.Env, cmd.Stderr = append(os.Environ(), floodVariable+"="+address), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("flood: %w", err)
	}
	return func() error {
		in.Close() // ends the process, see sendFlood
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("flood: %w", err)
		}
		return nil
	}, nil
}

// sendFlood sends hostile requests to an address until standard input ends.
func sendFlood(address string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var requests sync.WaitGroup
	defer requests.Wait()
	held := make(chan struct{}, maxHeld)
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	began, sent := time.Now(), 0
	var arrived atomic.Int64
	for {
		select {
		case <-ctx.Done():
			perSecond := float64(arrived.Load()) / time.Since(began).Seconds()
			fmt.Fprintf(os.Stderr, "flood: %.0f requests a second arrived, %d of %d did not\n", perSecond,
				int64(sent)-arrived.Load(), sent)
			if perSecond < floodPerSecond/10 {
				return errors.New("the flood was no flood: the machine is too slow, or the shop takes no connections")
			}
			return nil
		case <-tick.C:
		}
		kinds := hostile()
		for due := int(time.Since(began).Seconds() * floodPerSecond); sent < due; sent++ {
			text := kinds[sent%len(kinds)]
			select {
			case held <- struct{}{}:
				requests.Go(func() {
					defer func() { <-held }()
					if sendRaw(ctx, address, text) {
						arrived.Add(1)
					}
				})
			default: // all connections of the flood are open
			}
		}
	}
}

// resetAll resets the connections to a listener until it is closed.
func resetAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// sendRaw sends a request and waits until the shop closes the connection or has answered. It reports whether the shop
// has accepted or reset the connection.
func sendRaw(ctx context.Context, address, text string) (arrived bool) {
	conn, err := (&net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: floodAddress}}).
		DialContext(ctx, "tcp", address)
	if err != nil {
		return errors.Is(err, syscall.ECONNRESET)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, text); err == nil {
		_, _ = conn.Read(make([]byte, 1024))
	}
	return true
}

// resident returns the resident memory of each process of the shop, in bytes.
func resident(s *launch.Shop) map[string]uint64 {
	used := map[string]uint64{}
	for _, p := range s.State().Processes {
		if ps, err := gopsutil.NewProcess(int32(p.PID)); err == nil {
			if m, err := ps.MemoryInfo(); err == nil {
				used[p.Name] = m.RSS
			}
		}
	}
	return used
}

// limits are the memory that Kubernetes gives an app and a sidecar, in bytes.
type limits struct{ app, sidecar uint64 }

// memoryLimits reads the limits that all apps have in common.
func memoryLimits() (l limits, err error) {
	text, err := os.ReadFile("deploy/base/app/app.yaml")
	if err != nil {
		return l, err
	}
	for pattern, to := range map[string]*uint64{
		`limits: \{memory: (\d+)Mi\}`: &l.app, `sidecar-memory-limit: (\d+)Mi`: &l.sidecar,
	} {
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		if found == nil {
			return l, fmt.Errorf("deploy/base/app/app.yaml has no %s", pattern)
		}
		n, err := strconv.ParseUint(string(found[1]), 10, 64)
		if err != nil {
			return l, err
		}
		*to = n << 20
	}
	return l, nil
}

// exceeded prints the most memory of each app and sidecar, and returns an error for those above their limit.
func exceeded(most map[string]uint64, l limits) (err error) {
	apps := map[string]bool{}
	for name := range most {
		if app, ok := strings.CutSuffix(name, sidecarSuffix); ok {
			apps[app] = true
		}
	}
	if len(apps) == 0 {
		return errors.New("the memory of no app was measured")
	}
	for name, bytes := range most {
		limit := uint64(0)
		if strings.HasSuffix(name, sidecarSuffix) {
			limit = l.sidecar
		} else if apps[name] {
			limit = l.app
		}
		if limit == 0 {
			continue // a program that runs only locally
		}
		fmt.Fprintf(os.Stderr, "%s: %d MB of %d MB\n", name, bytes>>20, limit>>20)
		if bytes > limit {
			err = errors.Join(err, fmt.Errorf("%s has used %d MB, its limit is %d MB", name, bytes>>20, limit>>20))
		}
	}
	return err
}

package psp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/psp"
)

// serveDir is the variable that makes this test program serve a provider from a directory: see TestMain.
const serveDir = "PSP_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveDir); dir != "" {
		if err := serveFrom(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serveFrom(dir string) error {
	p, err := psp.New(psp.Options{Dir: dir, SecretKey: key})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, p)
}

// startProcess starts a provider as a separate process, and returns a function that kills it.
func startProcess(t *testing.T, dir string) (c client, kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return client{t: t, ctx: t.Context(), url: "http://" + strings.TrimSpace(address)}, func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
}

func (c client) ledger() psp.Ledger {
	c.t.Helper()
	res, err := http.Get(c.url + "/ledger")
	require.NoError(c.t, err)
	defer res.Body.Close()
	var l psp.Ledger
	require.NoError(c.t, json.NewDecoder(res.Body).Decode(&l))
	return l
}

// The provider is killed with SIGKILL while it handles requests. Afterwards it has every change that it had answered,
// and its idempotency keys still give the same answers.
func TestKilledProviderKeepsAcknowledgedChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, kill := startProcess(t, dir)
	const params = "amount=1000&currency=eur&capture_method=manual&metadata[order]="
	var mu sync.Mutex
	answers := map[string]string{} // order → the answer to its creation
	confirmed := map[string]bool{} // order → whether its confirmation was answered
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				order := fmt.Sprintf("%d-%d", worker, n)
				r, err := c.try(http.MethodPost, intents, params+order, "create "+order)
				if err != nil {
					return
				}
				mu.Lock()
				answers[order] = r.raw
				enough := len(answers) == 100
				mu.Unlock()
				if enough {
					kill()
				}
				confirm := intents + "/" + r.body.ID + "/confirm"
				_, err = c.try(http.MethodPost, confirm, "payment_method=pm_card_visa", "confirm "+order)
				if err != nil {
					return
				}
				mu.Lock()
				confirmed[order] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	// A crash may leave an incomplete last line. The test adds one, so that there certainly is one.
	file, err := os.OpenFile(filepath.Join(dir, "journal.ndjson"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"intent":{"id":"pi_torn`)
	require.NoError(t, err)
	require.NoError(t, file.Close())

	for range 2 {
		c, kill = startProcess(t, dir)
		found := map[string]int64{}
		for _, a := range c.ledger().Intents {
			_, twice := found[a.Order]
			assert.False(t, twice, a.Order)
			found[a.Order] = a.Reserved
		}
		for order, answer := range answers {
			assert.Contains(t, found, order)
			if confirmed[order] {
				assert.EqualValues(t, 1000, found[order], order)
			}
			r := c.post(intents, params+order, "create "+order)
			assert.Equal(t, answer, r.raw)
		}
		kill()
	}
}

func TestDamagedJournalIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "journal.ndjson"), []byte("{}\nrubbish\n"), 0o600))
	_, err := psp.New(psp.Options{Dir: dir, SecretKey: key})
	require.ErrorContains(t, err, "at byte 3")
}

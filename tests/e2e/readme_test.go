package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var runBlock = regexp.MustCompile("(?s)<!-- tests/e2e runs this block -->\n```sh\n(.*?)```")

// shellBlock returns the block of a page that readers paste into a shell.
func shellBlock(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	require.NoError(t, err)
	found := runBlock.FindAllStringSubmatch(string(text), -1)
	require.Len(t, found, 1, "%s: the comment before the block is missing", page)
	return found[0][1]
}

// The shell block of the README and that of the tour, which continues it, work unchanged but for the shop's address.
func TestReadmePurchase(t *testing.T) {
	c := guest(t)
	const address = "SHOP=http://localhost:8080\n"
	purchase, tour := shellBlock(t, "README.md"), shellBlock(t, filepath.Join("docs", "tour.md"))
	require.True(t, strings.HasPrefix(purchase, address))
	script := "SHOP=" + c.BaseURL + "\n" + strings.TrimPrefix(purchase, address) + "\necho\n" + tour

	sh := exec.CommandContext(t.Context(), "sh", "-eu")
	sh.Stdin = strings.NewReader(script)
	sh.Dir = t.TempDir()
	out, err := sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Contains(t, string(out), `"status":"confirmed"`)
	require.Contains(t, string(out), `"status":"fulfilled"`)
	require.Contains(t, string(out), `"status":"returned"`)
	require.Contains(t, lines[len(lines)-1], "return.settled", "%s", out)
}

package architecture

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/security.md names the tests that show what it claims.
func TestTestsNamedInTheSecurityDocumentExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	doc, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t `)
	tests := map[string]bool{}
	for _, folder := range []string{"apps", "dapr", "internal", "tests"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, found := range declaration.FindAllSubmatch(source, -1) {
				tests[string(found[1])] = true
			}
			return err
		}))
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(doc, -1)
	require.Greater(t, len(named), 30)
	for _, name := range named {
		require.True(t, tests[string(name[1])], "there is no %s", name[1])
	}
	for n := 1; n <= 10; n++ {
		require.Contains(t, string(doc), fmt.Sprintf("| API%d ", n))
	}
}

package guides

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxPlaces is how many places adding a service may touch.
const maxPlaces = 15

// checkout is a copy of the checkout in which a page is followed.
type checkout struct {
	t    *testing.T
	root string
}

// followed copies the checkout and follows a page in it.
func followed(t *testing.T, page string) checkout {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	c := checkout{t, t.TempDir()}
	require.NoError(t, copyRepository(filepath.Join("..", ".."), c.root))
	steps, err := readSteps(filepath.Join(c.root, "docs", page))
	require.NoError(t, err)
	require.NotEmpty(t, steps)
	for _, s := range steps {
		require.NoError(t, s.apply(c.root), page)
	}
	return c
}

// run runs a command in the checkout. Its shop has free ports and a run directory of its own.
func (c checkout) run(args ...string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), args[0], args[1:]...)
	cmd.Dir = c.root
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains([]string{"STATE", "PUBSUB", "SECURE"}, name) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "%s\n%s", strings.Join(args, " "), out)
}

// gofmt fails if the page's code is not formatted.
func (c checkout) gofmt(folders ...string) {
	c.t.Helper()
	args := append([]string{"-l"}, c.paths(folders)...)
	out, err := exec.CommandContext(c.t.Context(), "gofmt", args...).CombinedOutput()
	require.NoError(c.t, err, "%s", out)
	require.Empty(c.t, string(out))
}

func (c checkout) paths(names []string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(c.root, name))
	}
	return paths
}

// placesOf counts the numbered places in the table of a page.
func placesOf(t *testing.T, page string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	require.NoError(t, err)
	return len(regexp.MustCompile(`(?m)^\| \d+ \|`).FindAll(text, -1))
}

// The page names every place: in the copy nothing but these places is touched, and everything that compares the apps
// with YAML, routes and tables passes.
func TestAddingAService(t *testing.T) {
	places := placesOf(t, "adding-a-service.md")
	require.Greater(t, places, 8)
	require.LessOrEqual(t, places, maxPlaces)
	c := followed(t, "adding-a-service.md")
	c.gofmt("apps", "internal/roster", "tests/e2e")
	c.run("go", "run", "./dapr/roster")
	c.run("go", "vet", "./apps/wishlist/...", "./internal/roster", "./tests/e2e")
	c.run("go", "test", "./apps/wishlist/...", "./internal/roster", "./dapr/roster", "./dapr/launch/runfile",
		"./tests/architecture")
	c.run("go", "test", "./tests/e2e", "-run", describes, "-update")
	c.run("go", "test", "./tests/e2e", "-run", "^(TestCustomersHaveAWishlist|TestAccess|TestEveryRoute.*|TestOpenAPI.*)$")
	c.run("go", "-C", "deploy/observability", "run", ".")
	c.run("go", "-C", "deploy/observability", "test", ".", "./boards")
	c.run("go", "-C", "tests/deploy", "test", "./...")
}

// describes are the tests that write the descriptions of the operations.
const describes = "^TestOpenAPI(OfInternalOperations)?Matches"

func TestAddingAField(t *testing.T) {
	c := followed(t, "adding-a-field.md")
	c.gofmt("apps", "internal/contract", "tests/e2e")
	c.run("go", "test", "./apps/catalog/...")
	c.run("go", "test", "./internal/contract", "-update")
	c.run("go", "test", "./internal/contract/asyncapi", "-update")
	c.run("go", "test", "./tests/e2e", "-run", describes, "-update")
	c.run("go", "test", "./tests/e2e", "-run", "^(TestProductsHaveAMaterial|TestOpenAPI.*)$")
}

func TestStepsThatFitNowhereFail(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "f"), []byte("a\nb\nlist {\n\t1\n}\na\n"), 0o644))
	insert := step{action: "insert", path: "f", where: "after", anchor: "a", block: "x\n"}
	require.ErrorContains(t, insert.apply(root), "2 times instead of once")
	insert.anchor = "c"
	require.ErrorContains(t, insert.apply(root), "0 times instead of once")
	insert.anchor = "b"
	require.NoError(t, insert.apply(root))
	insert.where, insert.anchor, insert.block = "at the end of", "list {", "\t2\n"
	require.NoError(t, insert.apply(root))
	text, err := os.ReadFile(filepath.Join(root, "f"))
	require.NoError(t, err)
	require.Equal(t, "a\nb\nx\nlist {\n\t1\n\t2\n}\na\n", string(text))
}

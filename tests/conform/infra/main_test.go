package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// event is a line of go test -json.
func event(action, test, output string) string {
	return `{"Action":"` + action + `","Test":"` + test + `","Output":"` + output + `"}` + "\n"
}

const said = `    state_test.go:7: \n        \tError Trace:\tstate.go:7\n` +
	`        \tError:      \tExpected value not to be nil.\n` +
	`        \tTest:       \tTestState/create_if_absent\n` +
	`        \tMessages:   \tthe second one\n`

func TestVerdictsSayWhatBrokeWhatIsKeptAndWhatWasNotTried(t *testing.T) {
	t.Parallel()
	r, err := read(strings.NewReader(event("output", "TestState/create_if_absent", said) +
		event("fail", "TestState/create_if_absent", "") + event("fail", "TestState", "") +
		event("pass", "TestState/similar_keys_are_different_keys", "") +
		event("output", "TestWorkflows/one", "panic: no store\\n") + event("fail", "TestWorkflows/one", "") +
		event("fail", "TestWorkflows", "")))
	require.NoError(t, err)
	var sentences []string
	var broken int
	for _, p := range stateSuite.promises {
		sentence, kept := p.verdict(r, true)
		sentences = append(sentences, sentence)
		if !kept {
			broken++
		}
	}
	require.Equal(t, len(stateSuite.promises)-1, broken)
	require.Contains(t, sentences[0], "BROKEN: A key is created once")
	require.Contains(t, sentences[0], "TestState/create_if_absent: Expected value not to be nil. the second one")
	require.Equal(t, "kept: Keys are compared byte by byte.", sentences[1])
	require.Contains(t, sentences[2], "NOT TRIED: ")
	require.Contains(t, sentences[8], "panic: no store")

	unordered, kept := brokerSuite.promises[1].verdict(r, false)
	require.True(t, kept)
	require.Contains(t, unordered, "left out: ")
}

// Each promise has tests that exist, so that a renamed test is not "not tried" for every store.
func TestPromisesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	for _, s := range []suite{stateSuite, brokerSuite} {
		var source strings.Builder
		for _, pkg := range append(s.packages, "./internal/sidecar/sidecartest/statetest",
			"./internal/sidecar/sidecartest/messagetest") {
			files, err := filepath.Glob(filepath.Join("..", "..", "..", pkg, "*.go"))
			require.NoError(t, err)
			for _, path := range files {
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				source.Write(text)
			}
		}
		for _, p := range s.promises {
			for _, test := range p.tests {
				name, sub, hasSub := strings.Cut(test, "/")
				require.Contains(t, source.String(), "func "+name+"(t *testing.T)")
				if hasSub {
					require.Contains(t, source.String(), `"`+strings.ReplaceAll(sub, "_", " ")+`"`)
				}
			}
			require.Regexp(t, regexp.MustCompile(s.tests()), strings.Split(p.tests[0], "/")[0])
		}
	}
}

func TestStateStoresGetAPrefixOfKeysAndOtherComponentsNone(t *testing.T) {
	t.Parallel()
	text, err := withPrefix([]byte("kind: Component\nspec:\n  type: state.redis\n  metadata: [{name: a, value: b}]\n---\n"+
		"kind: Component\nspec: {type: bindings.cron}\n"), "conform-x")
	require.NoError(t, err)
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var first, second struct {
		Spec struct {
			Metadata []struct{ Name, Value string }
		}
	}
	require.NoError(t, decoder.Decode(&first))
	require.NoError(t, decoder.Decode(&second))
	require.Equal(t, "conform-x", first.Spec.Metadata[1].Value)
	require.Empty(t, second.Spec.Metadata)
}

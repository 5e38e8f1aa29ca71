package architecture

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/internal/contract"
)

// The broker of a cluster without Kafka makes no topic but those that it is told.
func TestTheBrokerInAPodHasAllTopics(t *testing.T) {
	file, err := os.Open(filepath.Join("..", "..", "deploy", "servers", "broker", "broker.yaml"))
	require.NoError(t, err)
	defer file.Close()
	var args []string
	for docs := yaml.NewDecoder(file); ; {
		var doc struct {
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct{ Args []string }
					}
				}
			}
		}
		err := docs.Decode(&doc)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		for _, c := range doc.Spec.Template.Spec.Containers {
			args = append(args, c.Args...)
		}
	}
	require.Contains(t, args, "-topics="+strings.Join(contract.Topics(), ","))
}

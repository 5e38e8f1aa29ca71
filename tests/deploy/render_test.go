// Package deploy tests the manifests in deploy/ without a cluster: against the APIs of Kubernetes, Dapr, the Gateway
// API, KEDA and Prometheus' operator, against Dapr's injector, and against the rest of the repository.
package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	resiliency "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	subscriptions "github.com/dapr/dapr/pkg/apis/subscriptions/v2alpha1"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// A checkout is an in-memory copy of the YAML and JSON files in deploy/, components/ and dapr/, and of tye.yaml. Tests
// may change it.
type checkout struct{ filesys.FileSystem }

func newCheckout(t *testing.T) checkout {
	t.Helper()
	root := filepath.Join("..", "..")
	c := checkout{filesys.MakeFsInMemory()}
	for _, dir := range []string{"deploy", "components", "dapr", "tye.yaml"} {
		from := filepath.Join(root, dir)
		require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".yaml", ".json"}, filepath.Ext(path)) &&
				d.Name() != "Kustomization" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			return c.WriteFile("/"+filepath.ToSlash(name), text)
		}))
	}
	return c
}

// render returns what `kubectl apply -k` applies. Like kubectl, it refuses files outside the folder of a kustomization.
func (c checkout) render(dir string) ([]runtime.Object, error) {
	o := krusty.MakeDefaultOptions()
	o.Reorder, o.LoadRestrictions = krusty.ReorderOptionUnspecified, types.LoadRestrictionsRootOnly
	found, err := krusty.MakeKustomizer(o).Run(c, dir)
	if err != nil {
		return nil, err
	}
	text, err := found.AsYaml()
	if err != nil {
		return nil, err
	}
	var list []runtime.Object
	for _, doc := range strings.Split(string(text), "\n---\n") {
		object, err := decode([]byte(doc))
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, doc)
		}
		list = append(list, object)
	}
	return list, nil
}

// knownKinds are the kinds that deploy/ may use: those of Kubernetes, Dapr, the Gateway API, KEDA and
// Prometheus' operator.
var knownKinds = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		monitoring.AddToScheme, scheme.AddToScheme, components.AddToScheme, configuration.AddToScheme, resiliency.AddToScheme,
		subscriptions.AddToScheme, gateway.Install, keda.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()

// decode decodes a resource. It refuses fields that the API does not have, and repeated fields.
func decode(text []byte) (runtime.Object, error) {
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, knownKinds, knownKinds,
		json.SerializerOptions{Yaml: true, Strict: true})
	object, _, err := strict.Decode(text, nil, nil)
	return object, err
}

// objects returns the resources of one kind.
func objects[T runtime.Object](all []runtime.Object) (list []T) {
	for _, o := range all {
		if o, ok := o.(T); ok {
			list = append(list, o)
		}
	}
	return list
}

// overlays returns the folders in deploy/overlays. It adds an overlay for every other choice of state store and broker,
// written as docs/kubernetes.md describes.
func (c checkout) overlays(t *testing.T) (dirs []string) {
	t.Helper()
	names, err := c.ReadDir("/deploy/overlays")
	require.NoError(t, err)
	for _, name := range names {
		dirs = append(dirs, "/deploy/overlays/"+name)
	}
	servers := map[string]string{
		"redis": "redis-pubsub", "kafka": "kafka", "embedded": "kafka", "rabbitmq": "rabbitmq", "nats": "nats",
	}
	for _, state := range []string{"redis", "postgres"} {
		for _, pubsub := range []string{"redis", "kafka", "embedded", "rabbitmq", "nats"} {
			name := state + "-" + pubsub
			if slices.Contains(names, name) {
				continue
			}
			text := "namespace: elsewhere\nresources: [../../base, ../../../components/state/" + state +
				", ../../../components/pubsub/" + pubsub + ", ../../../components/mail/files]\n" +
				"components: [../../components/mail-files, ../../components/stripe, ../../components/ingress, " +
				"../../components/gateway-api, ../../components/restricted, ../../components/watcher, " +
				"../../components/observability, ../../components/monitors, ../../components/" + state
			if state != pubsub {
				text += ", ../../components/" + servers[pubsub]
			}
			if pubsub == "kafka" {
				text += ", ../../components/keda-kafka"
			}
			text += "]\n"
			dir := "/deploy/overlays/" + name
			require.NoError(t, c.WriteFile(dir+"/kustomization.yaml", []byte(text)))
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// forEachOverlay renders every overlay and runs a test with it.
func forEachOverlay(t *testing.T, test func(t *testing.T, c checkout, all []runtime.Object)) {
	c := newCheckout(t)
	dirs := c.overlays(t)
	require.Greater(t, len(dirs), 6)
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			all, err := c.render(dir)
			require.NoError(t, err)
			test(t, c, all)
		})
	}
}

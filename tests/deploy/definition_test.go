package deploy

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Three descriptions of the apps exist: dapr/apps.yaml for a laptop, tye.yaml for Tye, and deploy/ for Kubernetes. They
// must agree, except for these differences.
var (
	// laptopOnly are the members of apps.yaml that only `dapr run` needs.
	laptopOnly = []string{"configFilePath", "resourcesPaths", "placementHostAddress", "schedulerHostAddress",
		"apiListenAddresses", "daprdLogDestination", "appLogDestination", "appID", "appDirPath", "appPort",
		"daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort", "command", "env"}
	// annotations maps the settings of a sidecar in apps.yaml to the annotations of a pod.
	annotations = map[string]string{"appProtocol": "app-protocol", "enableAppHealthCheck": "enable-app-health-check",
		"appHealthCheckPath": "app-health-check-path", "appHealthProbeInterval": "app-health-probe-interval",
		"appHealthProbeTimeout": "app-health-probe-timeout", "maxBodySize": "max-body-size",
		"readBufferSize": "read-buffer-size", "logLevel": "log-level"}
	// clusterValues are variables with another value on a cluster. An overlay decides about the demo catalogue. The
	// administrator comes from a Secret, because everybody knows the local one, and the operator says where the shop is. Registrations are open on a laptop only.
	clusterValues = map[string]string{"DEMO_CATALOGUE": "off", "LOCAL_DEFAULTS": "off", "REGISTRATION": "verified",
		"ADMIN_EMAIL": "secret administrator:ADMIN_EMAIL", "ADMIN_PASSWORD": "secret administrator:ADMIN_PASSWORD",
		"SHOP_URL": "config map shop:SHOP_URL"}
	// clusterOnly are variables that apps need on a cluster only: the port (on a laptop `dapr run` sets it), probes,
	// memory, tokens (on a laptop the launcher sets them), and the time that clients need to find another replica.
	clusterOnly = []string{"APP_PORT", "LISTEN_INTERFACE", "GOMEMLIMIT", "APP_API_TOKEN", "DAPR_API_TOKEN",
		"LEAVE_TIME"}
)

// differences compares the three descriptions, and returns a sentence for each difference.
func (c checkout) differences() ([]string, error) {
	file, err := readMap(c, "/dapr/apps.yaml")
	if err != nil {
		return nil, err
	}
	tye, err := readMap(c, "/tye.yaml")
	if err != nil {
		return nil, err
	}
	all, err := c.renderAll()
	if err != nil {
		return nil, err
	}
	var d report
	var ids []string
	common := file["common"].(map[string]any)
	for _, a := range file["apps"].([]any) {
		app := maps.Clone(a.(map[string]any))
		env := map[string]any{}
		maps.Copy(env, common["env"].(map[string]any))
		maps.Copy(env, app["env"].(map[string]any))
		for k, v := range common {
			if _, own := app[k]; !own {
				app[k] = v
			}
		}
		app["env"] = env
		ids = append(ids, app["appID"].(string))
		d.deployment(app, all)
		d.tye(app, tye)
	}
	for _, o := range objects[*apps.Deployment](all) {
		d.check(slices.Contains(ids, o.Name), "deploy has an app %s", o.Name)
	}
	d.check(len(tye["services"].([]any)) == len(ids), "tye.yaml has %d services", len(tye["services"].([]any)))
	d.scopes(c, ids)
	return d, nil
}

// renderAll renders the base with the optional apps.
func (c checkout) renderAll() ([]runtime.Object, error) {
	const dir = "/deploy/overlays/all"
	text := "resources: [../../base]\ncomponents: [../../components/watcher]\n"
	if err := c.WriteFile(dir+"/kustomization.yaml", []byte(text)); err != nil {
		return nil, err
	}
	defer c.RemoveAll(dir)
	return c.render(dir)
}

// A report is a list of differences.
type report []string

// check adds a difference unless ok.
func (d *report) check(ok bool, format string, args ...any) {
	if !ok {
		*d = append(*d, fmt.Sprintf(format, args...))
	}
}

// deployment compares an app in apps.yaml with its Deployment.
func (d *report) deployment(app map[string]any, all []runtime.Object) {
	id := app["appID"].(string)
	i := slices.IndexFunc(objects[*apps.Deployment](all), func(o *apps.Deployment) bool { return o.Name == id })
	if i < 0 {
		d.check(false, "deploy has no app %s", id)
		return
	}
	pod := objects[*apps.Deployment](all)[i].Spec.Template
	c, port := pod.Spec.Containers[0], text(app["appPort"])
	annotation := func(name string) string { return pod.Annotations["dapr.io/"+name] }
	d.check(annotation("app-id") == id, "%s: its id in deploy is %s", id, annotation("app-id"))
	d.check(annotation("app-port") == port, "%s: its sidecar in deploy calls port %s", id, annotation("app-port"))
	want := []string{port}
	if env, _ := app["env"].(map[string]any); env["OPERATIONS_PORT"] != nil {
		want = append(want, text(env["OPERATIONS_PORT"]))
	}
	var listening []string
	for _, p := range c.Ports {
		listening = append(listening, strconv.Itoa(int(p.ContainerPort)))
	}
	d.check(slices.Equal(listening, want), "%s: its container's ports in deploy are %v", id, c.Ports)
	d.check(annotation("config") == id, "%s: its Configuration in deploy is %s", id, annotation("config"))
	program := filepath.Base(text(app["command"].([]any)[0]))
	d.check(strings.HasSuffix(c.Image, "/"+program+":dev"), "%s: its image is %s", id, c.Image)
	for k, v := range app {
		if name, ok := annotations[k]; ok {
			d.check(annotation(name) == text(v), "%s: %s is %s, in deploy %q", id, k, text(v), annotation(name))
		} else {
			d.check(slices.Contains(laptopOnly, k), "%s: this test does not know what %s is in deploy", id, k)
		}
	}
	env := app["env"].(map[string]any)
	for k, v := range env {
		want, got := text(v), valueOf(c, k)
		if other, ok := clusterValues[k]; ok {
			want = other
		}
		if got == "field metadata.labels['app.kubernetes.io/name']" {
			got = pod.Labels["app.kubernetes.io/name"]
		}
		d.check(got == want, "%s: %s is %q, in deploy %q", id, k, want, got)
	}
	for _, e := range c.Env {
		_, known := env[e.Name]
		d.check(known || slices.Contains(clusterOnly, e.Name), "%s: only deploy has the variable %s", id, e.Name)
	}
	d.check(valueOf(c, "APP_PORT") == "field metadata.annotations['dapr.io/app-port']",
		"%s: APP_PORT is %s", id, valueOf(c, "APP_PORT"))
}

// tye compares an app in apps.yaml with its service in tye.yaml.
func (d *report) tye(app, tye map[string]any) {
	id := app["appID"].(string)
	for _, s := range tye["services"].([]any) {
		if s := s.(map[string]any); s["name"] == id {
			port := s["bindings"].([]any)[0].(map[string]any)["port"]
			d.check(text(port) == text(app["appPort"]), "%s: its port in tye.yaml is %s", id, text(port))
			program := s["executable"]
			want := filepath.Join(".run", text(app["command"].([]any)[0]))
			d.check(program == want, "%s: its program in tye.yaml is %s", id, program)
			env, _ := s["env"].([]any)
			for _, e := range env {
				name, value := e.(map[string]any)["name"].(string), e.(map[string]any)["value"]
				want := app["env"].(map[string]any)[name]
				if name == "APP_PORT" {
					want = text(app["appPort"])
				}
				d.check(value == want, "%s: %s in tye.yaml is %v, in apps.yaml %v", id, name, value, want)
			}
			for name := range s {
				known := []string{"name", "executable", "workingDirectory", "bindings", "env"}
				d.check(slices.Contains(known, name), "%s: only tye.yaml has %s", id, name)
			}
			return
		}
	}
	d.check(false, "tye.yaml has no service %s", id)
}

// scopes checks that the scopes of components are apps, and that a kind of component has the same scopes and names in
// every choice of infrastructure.
func (d *report) scopes(c checkout, ids []string) {
	files, err := c.Glob("/components/*/*/*.yaml")
	d.check(err == nil && len(files) > 10, "components: %v", err)
	first := map[string]map[string]any{}
	for _, path := range files {
		m, err := readMap(c, path)
		d.check(err == nil, "%s: %v", path, err)
		for _, s := range m["scopes"].([]any) {
			d.check(slices.Contains(ids, s.(string)), "%s: there is no app %s", path, s)
		}
		kind := strings.Split(path, "/")[2] + " " + filepath.Base(path)
		if other := first[kind]; other != nil {
			d.check(reflect.DeepEqual(m["scopes"], other["scopes"]),
				"%s: scopes %v, elsewhere %v", path, m["scopes"], other["scopes"])
			name, otherName := nameOf(m), nameOf(other)
			d.check(name == otherName, "%s: named %v, elsewhere %v", path, name, otherName)
		} else {
			first[kind] = m
		}
	}
}

func nameOf(component map[string]any) any {
	metadata, _ := component["metadata"].(map[string]any)
	return metadata["name"]
}

func readMap(c checkout, path string) (map[string]any, error) {
	b, err := c.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// text formats a value of YAML, whose numbers are float64.
func text(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func TestDescriptionsOfTheAppsAgree(t *testing.T) {
	found, err := newCheckout(t).differences()
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestEachDifferenceBetweenTheDescriptionsIsReported(t *testing.T) {
	for _, m := range []struct{ file, old, new, found string }{
		{"/dapr/apps.yaml", "appPort: 23130", "appPort: 23139", "cart: its sidecar in deploy calls port 23130"},
		{"/dapr/apps.yaml", "appID: users", "appID: accounts", "deploy has no app accounts"},
		{"/dapr/apps.yaml", "LOG_LEVEL: info", "LOG_LEVEL: debug", `orders: LOG_LEVEL is "debug", in deploy "info"`},
		{"/dapr/apps.yaml", `RATE_LIMIT: "on"`, "RATE_LIMIT: \"on\"\n      NEW: x",
			`gateway: NEW is "x", in deploy ""`},
		{"/dapr/apps.yaml", "maxBodySize: 4Mi", "maxBodySize: 8Mi", "cart: maxBodySize is 8Mi"},
		{"/dapr/apps.yaml", "appHealthProbeInterval: 3", "appHealthProbeInterval: 5",
			"catalog: appHealthProbeInterval is 5"},
		{"/dapr/apps.yaml", "appProtocol: http", "appProtocol: h2c", "users: appProtocol is h2c"},
		{"/dapr/apps.yaml", "logLevel: warn", "logLevel: warn\n  appMaxConcurrency: 3",
			"this test does not know what appMaxConcurrency is"},
		{"/dapr/apps.yaml", "./bin/cart", "./bin/basket", "cart: its image is"},
		{"/tye.yaml", " port: 23140", " port: 23149", "orders: its port in tye.yaml is 23149"},
		{"/tye.yaml", "value: http://localhost:8080", "value: http://localhost:80",
			"users: SHOP_URL in tye.yaml is http://localhost:80, in apps.yaml http://localhost:8080"},
		{"/tye.yaml", "name: users", "name: accounts", "tye.yaml has no service users"},
		{"/tye.yaml", "executable: .run/bin/cart", "executable: .run/bin/basket",
			"cart: its program in tye.yaml is .run/bin/basket"},
		{"/tye.yaml", "  - name: cart",
			"  - name: till\n    executable: x\n    bindings: [{port: 1}]\n  - name: cart",
			fmt.Sprintf("tye.yaml has %d services", appCount(t)+1)},
		{"/deploy/base/orders.yaml", "containerPort: 23140", "containerPort: 23141", "orders: its container's ports"},
		{"/deploy/base/orders.yaml", `dapr.io/app-port: "23140"`, `dapr.io/app-port: "23141"`,
			"orders: its sidecar in deploy calls port 23141"},
		{"/deploy/base/orders.yaml", "dapr.io/app-id: orders", "dapr.io/app-id: order",
			"orders: its id in deploy is order"},
		{"/deploy/base/orders.yaml", "dapr.io/config: orders", "dapr.io/config: cart",
			"orders: its Configuration in deploy is cart"},
		{"/deploy/base/orders.yaml", "haberdash/orders:dev", "haberdash/cart:dev", "orders: its image is"},
		{"/deploy/base/kustomization.yaml", "  - cart.yaml\n", "", "deploy has no app cart"},
		{"/deploy/base/app/app.yaml", "{name: LOG_LEVEL, value: info}", "{name: LOG_LEVEL, value: debug}",
			`cart: LOG_LEVEL is "info", in deploy "debug"`},
		{"/deploy/base/app/app.yaml", "- {name: REBUILD", "- {name: FAST, value: \"1\"}\n            - {name: REBUILD",
			"only deploy has the variable FAST"},
		{"/deploy/base/app/app.yaml", `app-health-probe-timeout: "2500"`, `app-health-probe-timeout: "500"`,
			"appHealthProbeTimeout is 2500"},
		{"/deploy/base/gateway.yaml", "max-body-size: 64Mi", "max-body-size: 4Mi", "gateway: maxBodySize is 64Mi"},
		{"/deploy/base/users.yaml", `LOCAL_DEFAULTS, value: "off"`, `LOCAL_DEFAULTS, value: "on"`,
			`users: LOCAL_DEFAULTS is "off", in deploy "on"`},
		{"/components/state/redis/state.yaml", "  - cart\n", "  - basket\n", "there is no app basket"},
		{"/components/state/postgres/workflow.yaml", "  - orders", "  - users", "workflow.yaml: scopes"},
		{"/components/pubsub/kafka/pubsub.yaml", "  - cart\n", "", "pubsub.yaml: scopes"},
		{"/components/pubsub/redis/pubsub.yaml", "name: pubsub\n", "name: messages\n", "pubsub.yaml: named"},
	} {
		t.Run(m.file+" "+m.new, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			b, err := c.ReadFile(m.file)
			require.NoError(t, err)
			require.Contains(t, string(b), m.old, "the file does not contain the text to change")
			require.NoError(t, c.WriteFile(m.file, []byte(strings.Replace(string(b), m.old, m.new, 1))))
			found, err := c.differences()
			require.NoError(t, err)
			require.Contains(t, strings.Join(found, "\n"), m.found)
		})
	}
}

package deploy

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	"github.com/dapr/dapr/pkg/injector/patcher"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// inject adds the sidecar to a pod as Dapr's injector does when its chart is installed with the default values
// (pkg/injector/service/pod_patch.go). dropCapabilities is the value sidecarDropALLCapabilities of the chart.
func inject(t *testing.T, namespace string, template core.PodTemplateSpec, dropCapabilities bool) *core.Pod {
	t.Helper()
	pod := &core.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	c := patcher.NewSidecarConfig(pod)
	c.Namespace, c.Identity, c.MTLSEnabled = namespace, namespace+":"+pod.Spec.ServiceAccountName, true
	c.ControlPlaneNamespace, c.ControlPlaneTrustDomain = "dapr-system", "cluster.local"
	c.KubeClusterDomain = "cluster.local"
	c.OperatorAddress = patcher.ServiceAPI.Address("dapr-system", "cluster.local")
	c.SentryAddress = patcher.ServiceSentry.Address("dapr-system", "cluster.local")
	c.PlacementAddress = patcher.ServicePlacement.Address("dapr-system", "cluster.local")
	c.SchedulerEnabled, c.RunAsNonRoot, c.ReadOnlyRootFilesystem = true, true, true
	c.SidecarDropALLCapabilities = dropCapabilities
	c.SidecarImage, c.CurrentTrustAnchors = "ghcr.io/dapr/daprd:1.18.1", []byte("anchors")
	c.SetFromPodAnnotations()
	patch, err := c.GetPatch()
	require.NoError(t, err)
	text, err := json.Marshal(pod)
	require.NoError(t, err)
	text, err = patch.Apply(text)
	require.NoError(t, err)
	var out core.Pod
	require.NoError(t, json.Unmarshal(text, &out))
	return &out
}

func TestInjectedSidecarsHaveTheirSettings(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, c checkout, all []runtime.Object) {
		namespace := objects[*core.Namespace](all)[0].Name
		for _, d := range objects[*apps.Deployment](all) {
			pod := inject(t, namespace, d.Spec.Template, true)
			require.Len(t, pod.Spec.Containers, 1)
			require.Len(t, pod.Spec.InitContainers, 1)
			daprd, app := pod.Spec.InitContainers[0], pod.Spec.Containers[0]
			require.Equal(t, "daprd", daprd.Name)
			require.Equal(t, core.ContainerRestartPolicyAlways, *daprd.RestartPolicy,
				"the sidecar starts before the app and ends after it")

			args := strings.Join(daprd.Args, " ") + " "
			for _, want := range []string{"--app-id " + d.Name, "--config " + d.Name, "--app-port " + port(app),
				"--app-protocol http", "--enable-app-health-check", "--app-health-check-path /healthz",
				"--app-health-probe-interval 3", "--app-health-probe-timeout 2500", "--read-buffer-size 16Ki",
				"--log-as-json", "--log-level warn", "--enable-mtls", "--disable-builtin-k8s-secret-store",
				"--dapr-graceful-shutdown-seconds 10", "--mode kubernetes", "--dapr-internal-grpc-port 50002",
				"--enable-metrics"} {
				require.Contains(t, args, want+" ", d.Name)
			}
			require.Contains(t, app.Env, core.EnvVar{Name: "DAPR_HTTP_PORT", Value: "3500"})
			require.Contains(t, app.Env, core.EnvVar{Name: "DAPR_GRPC_PORT", Value: "50001"})
			for _, token := range []string{"APP_API_TOKEN", "DAPR_API_TOKEN"} {
				require.NotEmpty(t, valueOf(app, token), "%s: %s", d.Name, token)
				require.Equal(t, valueOf(app, token), valueOf(daprd, token), "%s: both have the same %s", d.Name, token)
			}
			require.True(t, slices.ContainsFunc(daprd.VolumeMounts, func(m core.VolumeMount) bool {
				return strings.HasPrefix(m.MountPath, "/var/run/secrets/dapr.io")
			}), "the token for Sentry is mounted")
			require.False(t, *pod.Spec.AutomountServiceAccountToken)
			require.False(t, daprd.Resources.Requests.Cpu().IsZero() || daprd.Resources.Limits.Memory().IsZero())
			require.False(t, app.Resources.Requests.Cpu().IsZero() || app.Resources.Limits.Memory().IsZero())
			require.Greater(t, *pod.Spec.TerminationGracePeriodSeconds, app.Lifecycle.PreStop.Sleep.Seconds+10+10+10,
				"the pause before the drain, the drain and the end of the app (internal/host), the end of the sidecar")
			require.NotNil(t, config(all, d.Name), "%s: no Configuration", d.Name)
		}
	})
}

// A sidecar has the secrets that its components refer to and those that its app reads, and no others.
func TestSidecarsHaveTheirSecretsAndNoOthers(t *testing.T) {
	readByApp := map[string][]string{"orders": {"ID_KEY"}, "users": {"KEY_ENCRYPTION_KEY"}}
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		for _, d := range objects[*apps.Deployment](all) {
			want := slices.Clone(readByApp[d.Name])
			for _, c := range objects[*components.Component](all) {
				for _, m := range c.Spec.Metadata {
					name := m.SecretKeyRef.Name
					if name != "" && slices.Contains(c.Scopes, d.Name) && !slices.Contains(want, name) {
						want = append(want, name)
					}
				}
			}
			if valueOf(d.Spec.Template.Spec.Containers[0], "PAYMENT_PROVIDER") == "stripe" {
				want = append(want, "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
			}
			var got []string
			for _, e := range inject(t, "x", d.Spec.Template, true).Spec.InitContainers[0].Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && !strings.HasSuffix(e.Name, "_API_TOKEN") {
					require.Equal(t, e.Name, e.ValueFrom.SecretKeyRef.Key)
					got = append(got, e.Name)
				}
			}
			require.ElementsMatch(t, want, got, d.Name)
		}
	})
}

// Only the operator knows where the shop is, so only the overlay that is reached by a port-forward says it. In the
// others the pod of notifications waits for the ConfigMap, and names it.
func TestLinksInMailsLeadToTheShopOfTheOperator(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		i := slices.IndexFunc(objects[*apps.Deployment](all), func(d *apps.Deployment) bool {
			return d.Name == "notifications"
		})
		app := objects[*apps.Deployment](all)[i].Spec.Template.Spec.Containers[0]
		maps := slices.DeleteFunc(objects[*core.ConfigMap](all), func(m *core.ConfigMap) bool {
			return m.Data["SHOP_URL"] == ""
		})
		if filepath.Base(t.Name()) != "demo" {
			require.Equal(t, "config map shop:SHOP_URL", valueOf(app, "SHOP_URL"))
			require.Empty(t, maps)
			return
		}
		require.Len(t, maps, 1)
		require.Equal(t, "config map "+maps[0].Name+":SHOP_URL", valueOf(app, "SHOP_URL"))
		require.Equal(t, map[string]string{"SHOP_URL": "http://localhost:8080"}, maps[0].Data)
	})
}

// An overlay that generates secrets generates all that its pods refer to.
func TestGeneratedSecretsAreThoseThatPodsReferTo(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		jobs := objects[*batch.Job](all)
		if len(jobs) == 0 {
			return
		}
		generated := map[string]bool{}
		for _, a := range jobs[0].Spec.Template.Spec.Containers[0].Args {
			a, _, _ = strings.Cut(a, "=")
			generated[a] = true
		}
		referredTo := map[string]bool{}
		var templates []core.PodTemplateSpec
		for _, d := range objects[*apps.Deployment](all) {
			templates = append(templates, d.Spec.Template)
		}
		for _, s := range objects[*apps.StatefulSet](all) {
			templates = append(templates, s.Spec.Template)
		}
		for _, template := range templates {
			pod := &core.Pod{Spec: template.Spec}
			if template.Annotations["dapr.io/enabled"] == "true" {
				pod = inject(t, "x", template, true)
			}
			for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
				for _, e := range c.Env {
					if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
						referredTo[e.ValueFrom.SecretKeyRef.Name+":"+e.ValueFrom.SecretKeyRef.Key] = true
					}
				}
			}
		}
		require.Equal(t, referredTo, generated)
	})
}

// By default Dapr does not drop the capabilities of the sidecar. Pods meet the restricted standard except for that.
func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	evaluate := func(pod *core.Pod, level api.Level) []string {
		var forbidden []string
		version := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		for _, r := range checks.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec) {
			if !r.Allowed {
				forbidden = append(forbidden, r.ForbiddenReason+": "+r.ForbiddenDetail)
			}
		}
		return forbidden
	}
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		var withoutSidecar []core.PodTemplateSpec
		for _, s := range objects[*apps.StatefulSet](all) {
			withoutSidecar = append(withoutSidecar, s.Spec.Template)
		}
		for _, j := range objects[*batch.Job](all) {
			withoutSidecar = append(withoutSidecar, j.Spec.Template)
		}
		for _, template := range withoutSidecar {
			pod := &core.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
			require.Empty(t, evaluate(pod, api.LevelRestricted))
			requireReadOnly(t, template.Spec.Containers[0])
		}
		for _, d := range objects[*apps.Deployment](all) {
			require.Empty(t, evaluate(inject(t, "x", d.Spec.Template, true), api.LevelRestricted), d.Name)
			pod := inject(t, "x", d.Spec.Template, false)
			require.Empty(t, evaluate(pod, api.LevelBaseline), d.Name)
			capabilities := `container "daprd" must set securityContext.capabilities.drop=["ALL"]`
			require.Equal(t, []string{"unrestricted capabilities: " + capabilities}, evaluate(pod, api.LevelRestricted))
			requireReadOnly(t, pod.Spec.Containers[0])
			requireReadOnly(t, pod.Spec.InitContainers[0])
			privileged := d.Spec.Template.DeepCopy()
			privileged.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true)
			require.NotEmpty(t, evaluate(inject(t, "x", *privileged, true), api.LevelRestricted),
				"the evaluator finds a violation")
		}
	})
}

func requireReadOnly(t *testing.T, c core.Container) {
	t.Helper()
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
}

func port(app core.Container) string { return strconv.Itoa(int(app.Ports[0].ContainerPort)) }

// valueOf describes the value of a container's variable: the value itself, or the secret or field that it comes from.
func valueOf(c core.Container, name string) string {
	for _, e := range c.Env {
		if e.Name != name {
			continue
		}
		if e.ValueFrom == nil {
			return e.Value
		}
		if s := e.ValueFrom.SecretKeyRef; s != nil {
			return "secret " + s.Name + ":" + s.Key
		}
		if c := e.ValueFrom.ConfigMapKeyRef; c != nil {
			return "config map " + c.Name + ":" + c.Key
		}
		if f := e.ValueFrom.FieldRef; f != nil {
			return "field " + f.FieldPath
		}
	}
	return ""
}

// config finds a Configuration by name.
func config(all []runtime.Object, name string) *configuration.Configuration {
	for _, c := range objects[*configuration.Configuration](all) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

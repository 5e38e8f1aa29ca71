package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	object "k8s.io/apimachinery/pkg/api/meta"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// appCount is how many apps there are.
func appCount(t *testing.T) int {
	t.Helper()
	folders, err := os.ReadDir(filepath.Join("..", "..", "apps"))
	require.NoError(t, err)
	return len(folders)
}

func TestOverlaysRenderAndDecodeStrictly(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		deployed := objects[*apps.Deployment](all)
		optional := slices.ContainsFunc(deployed, func(d *apps.Deployment) bool { return d.Name == "watcher" })
		if optional {
			require.Len(t, deployed, appCount(t))
		} else {
			require.Len(t, deployed, appCount(t)-1)
		}
		seen := map[string]bool{}
		for _, o := range all {
			m, err := object.Accessor(o)
			require.NoError(t, err)
			what := o.GetObjectKind().GroupVersionKind().Kind + " " + m.GetName()
			require.False(t, seen[what], "%s is defined twice", what)
			seen[what] = true
		}
	})
}

func TestDecodingRefusesUnknownAndRepeatedFields(t *testing.T) {
	for _, test := range []struct{ version, resource, want string }{
		{"v1", "kind: Service\nmetadata: {name: x}\nspec: {port: 80}", `unknown field "spec.port"`},
		{"v1", "kind: Service\nmetadata: {name: one, name: two}", `already set`},
		{"apps/v2", "kind: Deployment\nmetadata: {name: x}", "no kind"},
		{"dapr.io/v1alpha1", "kind: Component\nmetadata: {name: x}\nspec: {type: t, version: v1, metdata: []}",
			`unknown field "spec.metdata"`},
		{"dapr.io/v1alpha1", "kind: Configuration\nmetadata: {name: x}\nspec: {accessControl: {defaultActions: x}}",
			`unknown field "spec.accessControl.defaultActions"`},
	} {
		_, err := decode([]byte("apiVersion: " + test.version + "\n" + test.resource))
		require.ErrorContains(t, err, test.want)
	}
}

// A sidecar that starts before its Configuration exists fails, and a sidecar that starts before a component exists
// never loads that component.
func TestDaprResourcesAreAppliedBeforeThePods(t *testing.T) {
	c := newCheckout(t)
	names, err := c.ReadDir("/deploy/overlays")
	require.NoError(t, err)
	for _, name := range names {
		all, err := c.render("/deploy/overlays/" + name)
		require.NoError(t, err)
		workloads := false
		for i, o := range all {
			switch o.(type) {
			case *core.Namespace:
				require.Zero(t, i, "%s: the namespace comes first", name)
			case *apps.Deployment, *apps.StatefulSet:
				workloads = true
			default:
				if strings.HasPrefix(o.GetObjectKind().GroupVersionKind().Group, "dapr.io") {
					kind := o.GetObjectKind().GroupVersionKind().Kind
					require.False(t, workloads, "%s: %s comes after the pods", name, kind)
				}
			}
		}
	}
}

// A Deployment has an autoscaler of KEDA or of Kubernetes, but not both, because they would work against each other.
func TestEachDeploymentHasOneAutoscaler(t *testing.T) {
	scaledByKEDA := 0
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		autoscalers := map[string]int{} // by Deployment
		for _, h := range objects[*autoscaling.HorizontalPodAutoscaler](all) {
			autoscalers[h.Spec.ScaleTargetRef.Name]++
		}
		for _, k := range objects[*keda.ScaledObject](all) {
			autoscalers[k.Spec.ScaleTargetRef.Name]++
			for _, trigger := range k.Spec.Triggers {
				if group := trigger.Metadata["consumerGroup"]; group != "" {
					require.Equal(t, k.Name, group)
					require.Equal(t, "orders", trigger.Metadata["topic"])
				}
			}
			scaledByKEDA++
		}
		for _, d := range objects[*apps.Deployment](all) {
			want := 1
			if d.Spec.Replicas != nil { // always so many pods, such as the watcher
				want = 0
			}
			require.Equal(t, want, autoscalers[d.Name], d.Name)
		}
	})
	require.Positive(t, scaledByKEDA)
}

func TestSelectorsSelectTheirPods(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		pods := map[string]core.PodTemplateSpec{}
		for _, d := range objects[*apps.Deployment](all) {
			pods[d.Name] = d.Spec.Template
			selector, err := meta.LabelSelectorAsSelector(d.Spec.Selector)
			require.NoError(t, err)
			own := map[string]core.PodTemplateSpec{d.Name: d.Spec.Template}
			require.Equal(t, []string{d.Name}, selected(selector, own))
		}
		for _, s := range objects[*apps.StatefulSet](all) {
			pods[s.Name] = s.Spec.Template
		}
		for _, s := range objects[*core.Service](all) {
			require.Equal(t, []string{s.Name}, selected(labels.SelectorFromSet(s.Spec.Selector), pods))
			for _, p := range s.Spec.Ports {
				port := p.TargetPort.StrVal
				require.True(t, hasPort(pods[s.Name], port), "service %s: its pods have no port %s", s.Name, port)
			}
		}
		scaled := map[string]bool{}
		for _, h := range objects[*autoscaling.HorizontalPodAutoscaler](all) {
			require.Equal(t, h.Name, h.Spec.ScaleTargetRef.Name)
			scaled[h.Name] = true
		}
		for _, k := range objects[*keda.ScaledObject](all) {
			require.Equal(t, k.Name, k.Spec.ScaleTargetRef.Name)
			scaled[k.Name] = true
		}
		for _, p := range objects[*policy.PodDisruptionBudget](all) {
			selector, err := meta.LabelSelectorAsSelector(p.Spec.Selector)
			require.NoError(t, err)
			require.Equal(t, []string{p.Name}, selected(selector, pods))
			require.True(t, scaled[p.Name])
			delete(scaled, p.Name)
		}
		require.Empty(t, scaled, "these apps have no PodDisruptionBudget")
		denied := false
		for _, p := range objects[*network.NetworkPolicy](all) {
			selector, err := meta.LabelSelectorAsSelector(&p.Spec.PodSelector)
			require.NoError(t, err)
			if p.Name != "secrets" { // it selects the pod of a Job
				require.NotEmpty(t, selected(selector, pods), "policy %s selects no pod", p.Name)
			}
			allowsNothing := len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
			denied = denied || selector.Empty() && len(p.Spec.PolicyTypes) == 2 && allowsNothing
		}
		require.True(t, denied, "one policy denies everything that no other policy allows")
	})
}

// selected lists the pods that a selector selects.
func selected(s labels.Selector, pods map[string]core.PodTemplateSpec) (names []string) {
	for name, pod := range pods {
		if s.Matches(labels.Set(pod.Labels)) {
			names = append(names, name)
		}
	}
	return names
}

func hasPort(pod core.PodTemplateSpec, name string) bool {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return true
			}
		}
	}
	return false
}

// The access rules name the namespace of the callers. With another namespace than that of the overlay, they would
// refuse every call.
func TestAccessRulesNameTheNamespaceOfTheOverlay(t *testing.T) {
	forEachOverlay(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		namespace := objects[*core.Namespace](all)[0].Name
		rules := 0
		for _, o := range all {
			m, err := object.Accessor(o)
			require.NoError(t, err)
			if _, is := o.(*core.Namespace); !is {
				kind := o.GetObjectKind().GroupVersionKind().Kind
				require.Equal(t, namespace, m.GetNamespace(), "%s %s", kind, m.GetName())
			}
		}
		for _, c := range objects[*configuration.Configuration](all) {
			require.Equal(t, "deny", c.Spec.AccessControlSpec.DefaultAction)
			for _, p := range c.Spec.AccessControlSpec.AppPolicies {
				require.Equal(t, namespace, p.Namespace, "%s's rules for %s", c.Name, p.AppName)
				rules++
			}
		}
		require.Greater(t, rules, 10)
	})
}

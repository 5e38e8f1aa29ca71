package deploy

import (
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

func TestOverlaysRenderAndDecodeStrictly(t *testing.T) {
	each(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		require.Len(t, objects[*apps.Deployment](all), 6)
		seen := map[string]bool{}
		for _, o := range all {
			m, err := object.Accessor(o)
			require.NoError(t, err)
			what := o.GetObjectKind().GroupVersionKind().Kind + " " + m.GetName()
			require.False(t, seen[what], "%s is there twice", what)
			seen[what] = true
		}
	})
}

// The decoder is no friend who overlooks things.
func TestDecodingIsStrict(t *testing.T) {
	for bad, want := range map[string]string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 80}":                                               `unknown field "spec.port"`,
		"apiVersion: v1\nkind: Service\nmetadata: {name: one, name: two}":                                                    `already set`,
		"apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: x}":                                                         "no kind",
		"apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {type: t, version: v1, metdata: []}":      `unknown field "spec.metdata"`,
		"apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: x}\nspec: {accessControl: {defaultActions: x}}": `unknown field "spec.accessControl.defaultActions"`,
	} {
		_, err := decode([]byte(bad))
		require.ErrorContains(t, err, want)
	}
}

// A sidecar that starts before its Configuration is there does not come up, and one that starts before a component does
// without it for ever.
func TestSidecarsFindWhatIsTheirs(t *testing.T) {
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
					require.False(t, workloads, "%s: %s comes after the pods", name, o.GetObjectKind().GroupVersionKind().Kind)
				}
			}
		}
	}
}

// Pods have one master: an autoscaler of KEDA's is beside none of Kubernetes's.
func TestOneAutoscalerADeployment(t *testing.T) {
	scaled := 0
	each(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		by := map[string]int{}
		for _, h := range objects[*autoscaling.HorizontalPodAutoscaler](all) {
			by[h.Spec.ScaleTargetRef.Name]++
		}
		for _, k := range objects[*keda.ScaledObject](all) {
			by[k.Spec.ScaleTargetRef.Name]++
			for _, trigger := range k.Spec.Triggers {
				if group := trigger.Metadata["consumerGroup"]; group != "" {
					require.Equal(t, k.Name, group)
					require.Equal(t, "orders", trigger.Metadata["topic"])
				}
			}
			scaled++
		}
		for _, d := range objects[*apps.Deployment](all) {
			require.Equal(t, 1, by[d.Name], d.Name)
		}
	})
	require.Positive(t, scaled)
}

// What selects pods by labels selects the pods that it is about.
func TestSelectorsSelect(t *testing.T) {
	each(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		pods := map[string]core.PodTemplateSpec{}
		for _, d := range objects[*apps.Deployment](all) {
			pods[d.Name] = d.Spec.Template
			selector, err := meta.LabelSelectorAsSelector(d.Spec.Selector)
			require.NoError(t, err)
			require.Equal(t, []string{d.Name}, selected(selector, map[string]core.PodTemplateSpec{d.Name: d.Spec.Template}))
		}
		for _, s := range objects[*apps.StatefulSet](all) {
			pods[s.Name] = s.Spec.Template
		}
		for _, s := range objects[*core.Service](all) {
			require.Equal(t, []string{s.Name}, selected(labels.SelectorFromSet(s.Spec.Selector), pods))
			for _, p := range s.Spec.Ports {
				require.True(t, hasPort(pods[s.Name], p.TargetPort.StrVal), "service %s: no port %s", s.Name, p.TargetPort.StrVal)
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
		require.Empty(t, scaled, "each app has its budget")
		denied := false
		for _, p := range objects[*network.NetworkPolicy](all) {
			selector, err := meta.LabelSelectorAsSelector(&p.Spec.PodSelector)
			require.NoError(t, err)
			if p.Name != "secrets" { // a Job's
				require.NotEmpty(t, selected(selector, pods), "policy %s is about no pod", p.Name)
			}
			denied = denied || selector.Empty() && len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
		}
		require.True(t, denied, "what no policy allows must be denied")
	})
}

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

// The namespace of an overlay is that of callers in the access rules, too: in another one, nobody could call.
func TestAccessRulesKnowTheNamespace(t *testing.T) {
	each(t, func(t *testing.T, _ checkout, all []runtime.Object) {
		namespace := objects[*core.Namespace](all)[0].Name
		rules := 0
		for _, o := range all {
			m, err := object.Accessor(o)
			require.NoError(t, err)
			if _, is := o.(*core.Namespace); !is {
				require.Equal(t, namespace, m.GetNamespace(), "%s %s", o.GetObjectKind().GroupVersionKind().Kind, m.GetName())
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

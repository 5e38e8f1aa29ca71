package deployment

import "fmt"

// kustomization returns a kustomization file with the overlay and what only the tests need: images of the first
// version, one replica until a test scales up, a port of the gateway on the nodes, no rate limit (all customers have
// the same address), and the administrator that the tests know. overlay is a path relative to the file. sidecarImage
// may be empty.
func kustomization(overlay, sidecarImage string) []byte {
	var images, patches string
	for _, app := range Apps {
		images += fmt.Sprintf("  - {name: localhost/haberdash/%s, newTag: %s}\n", app, FirstVersion)
	}
	if sidecarImage != "" {
		patches = fmt.Sprintf(sidecarPatch, sidecarImage)
	}
	return fmt.Appendf(nil, kustomizationFormat, overlay, images, patches)
}

const kustomizationFormat = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: haberdash
resources: [%s]
images:
%ssortOptions: # repeated from the overlays, because only those of the outermost file count
  order: legacy
  legacySortOptions:
    orderFirst: [Namespace, Configuration, Resiliency, Component, Subscription]
    orderLast: [StatefulSet, Deployment]
patches:
%s  - target: {kind: HorizontalPodAutoscaler}
    patch: |
      $patch: delete
      apiVersion: autoscaling/v2
      kind: HorizontalPodAutoscaler
      metadata: {name: any}
  - target: {kind: Service, name: gateway}
    patch: |
      - {op: add, path: /spec/type, value: NodePort}
  - target: {kind: Deployment, name: gateway}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: gateway}
      spec: {template: {spec: {containers: [{name: app, env: [{name: RATE_LIMIT, value: "off"}]}]}}}
  - target: {kind: Deployment, name: users}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: users}
      spec: {template: {spec: {containers: [{name: app, env: [
        {name: LOCAL_DEFAULTS, value: "on"}, {name: REGISTRATION, value: open}]}]}}}
  - target: {kind: Deployment, name: catalog}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: catalog}
      spec: {template: {spec: {containers: [{name: app, env: [{name: DEMO_CATALOGUE, value: "on"}]}]}}}
`

const sidecarPatch = `  - target: {kind: Deployment}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: any}
      spec: {template: {metadata: {annotations: {dapr.io/sidecar-image: %q}}}}
`

package main

import (
	"strings"
	"text/template"

	"haberdash/internal/roster"
)

var functions = template.FuncMap{"deadLetterTopic": roster.DeadLetterTopic, "serving": roster.Serving}

func parse(text string) *template.Template {
	return template.Must(template.New("").Funcs(functions).Parse(strings.TrimPrefix(text, "\n")))
}

var subscriptions = parse(`
# Which app receives which topic: one subscription for each topic and app.
# Written by 'make roster' from internal/roster.
#
# Bulk delivery saves a request for each event under load; a single event waits at most maxAwaitDurationMs. A delivery
# that the app refuses again and again (see resiliency.yaml) goes to the app's own dead-letter topic. There it gets one
# more attempt and then becomes a dead letter (internal/consumer), so that it does not block its partition for ever.
# Other faults of the broker do no harm: an app fetches what it misses from the source's feed.
{{- range $app := .}}{{range .Topics}}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: {{.}}-{{$app.ID}}
spec:
  pubsubname: pubsub
  topic: {{.}}
  routes:
    default: /events/{{.}}
  deadLetterTopic: {{deadLetterTopic $app.ID}}
  bulkSubscribe:
    enabled: true
    maxMessagesCount: 100
    maxAwaitDurationMs: 20
scopes:
  - {{$app.ID}}
{{- end}}{{end}}
# Dead-letter topics have no dead-letter topic themselves: an app refuses their deliveries only while it cannot store
# dead letters, and then they wait.
{{- range .}}{{if .Follows}}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: {{deadLetterTopic .ID}}
spec:
  pubsubname: pubsub
  topic: {{deadLetterTopic .ID}}
  routes:
    default: /events/{{deadLetterTopic .ID}}
scopes:
  - {{.ID}}
{{- end}}{{end}}
`)

var kustomization = parse(`
# What all sidecars are configured with, for Kubernetes: see deploy/base/dapr.
# Written by 'make roster' from internal/roster.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - config.yaml
  - resources/resiliency.yaml
  - resources/subscriptions.yaml
{{- range .}}
  - secure/{{.ID}}.yaml
{{- end}}
`)

// tyeHead is the begin of tye.yaml; File.Tye is the rest.
const tyeHead = `# The apps of dapr/apps.yaml for Tye (https://github.com/dotnet/tye), which is archived since 2023.
# 'make backing' starts and writes what it needs: docs/operations.md, "With Tye".
#
# For each app, Tye runs 'dapr run' with the flags that it makes of this file. Two of them are not what Dapr 1.18 calls
# for: --components-path is an old name of --resources-path, which still works, and --dapr-http-max-request-size
# (http-max-request-size) does not exist any more; --max-body-size replaces it. Tye has no setting for that, for
# --read-buffer-size, for the app's health check and for --scheduler-host-address: the daprd of 'make backing' adds
# them.
# Written by 'make roster' from dapr/apps.yaml.
`

// installedHead is the begin of the configuration of a sidecar in dapr/init.
const installedHead = `# The sidecar of %s with the Dapr that 'dapr init' has installed: dapr/config.yaml without
# nameResolution, so that sidecars find each other by mDNS, and with the secrets that the app may read.
# Written by 'make roster' from dapr/config.yaml and the source code.
`

var settings = parse(`
# The variables that each app reads. The launcher gives an app these from its own environment, and no others.
# Written by 'make roster' from the source code.
{{- range $app, $names := .}}
{{$app}}:
{{- range $names}}
  - {{.}}
{{- end}}
{{- end}}
`)

// accessRules is the configuration of one app's sidecar: .App, .Secrets, and .Policies.
var accessRules = parse(`
# Which secrets {{.App}} may read: those that its code reads. Its sidecar refuses all others with 403.
#
# Which apps may call which operations of {{.App}} when the sidecars know each other (SECURE=1); every other call
# is refused with 403. In Dapr's rules a name also covers what lies below it, and a wildcard has an effect only at its
# end (dapr/dapr, pkg/config/acl_trie.go).
# Written by 'make roster' from the calls in the source code.
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: {{.App}}
spec:
  secrets:
    scopes:
      - storeName: secrets
        defaultAccess: deny
        allowedSecrets: [{{.Secrets}}]
      - storeName: kubernetes # Dapr's own store on Kubernetes, if it is enabled
        defaultAccess: deny
  accessControl:
    defaultAction: deny
    trustDomain: public
    policies:{{if not .Policies}} []{{end}}
{{- range .Policies}}
      - appId: {{.Caller}}
        trustDomain: public
        namespace: default
        defaultAction: deny
        operations:
{{- range .Operations}}
          - name: {{.Name}}
            httpVerb: {{.Verbs}}
            action: allow
{{- end}}
{{- end}}
`)

// dashboards is for a module of its own, which cannot read the roster.
var dashboards = parse(`[
{{- range $i, $app := .}}{{if $i}},{{end}}
  {"id": "{{.ID}}", "logs": {{ne (len .Logs) 0}}, "follows": {{ne (len .Follows) 0}}, "optional": {{.Optional}}}
{{- end}}
]
`)

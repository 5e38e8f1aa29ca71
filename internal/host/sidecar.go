package host

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"haberdash/internal/faultflag"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/metered"
)

// Sidecar is the connection of a service to its sidecar. Its calls are measured, and have the faults that are switched
// on.
type Sidecar struct {
	sidecar.Invoker
	sidecar.Publisher
	sidecar.Binder
	sidecar.Secrets

	client *daprd.Client
	calls  *metered.Calls
	state  sidecar.State
}

// newSidecar measures the calls of a client. The apps and the components are closed sets, and so are the labels.
func newSidecar(app string, client *daprd.Client, faults *faultflag.Flags, reg prometheus.Registerer) *Sidecar {
	calls, state := metered.New(reg), faults.State(client.State(daprd.StateStore))
	return &Sidecar{
		Invoker:   calls.Invoker(client, roster.IDs()),
		Publisher: calls.Publisher(faults.Publisher(client), daprd.PubSub),
		Binder:    calls.Binder(client, roster.Get(app).Components...),
		Secrets:   calls.Secrets(client, daprd.SecretStore),
		client:    client, calls: calls, state: calls.State(state, daprd.StateStore),
	}
}

// Healthy returns an error unless the sidecar can serve this app.
func (s *Sidecar) Healthy(ctx context.Context) error { return s.client.Healthy(ctx) }

// Conn returns the connection to the workflow engine of the sidecar.
func (s *Sidecar) Conn() grpc.ClientConnInterface { return s.client.Conn() }

// Measured measures the calls of a workflow engine.
func (s *Sidecar) Measured(engine sidecar.Workflows) sidecar.Workflows {
	return s.calls.Workflows(engine)
}

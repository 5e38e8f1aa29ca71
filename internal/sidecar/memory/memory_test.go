package memory_test

import (
	"net/http"
	"testing"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/sidecar/sidecartest"
	"haberdash/internal/sidecar/sidecartest/invoketest"
	"haberdash/internal/sidecar/sidecartest/messagetest"
	"haberdash/internal/sidecar/sidecartest/statetest"
)

func TestState(t *testing.T) {
	t.Parallel()
	statetest.TestState(t, func(*testing.T) sidecar.State { return memory.NewState() })
}

func TestMessages(t *testing.T) {
	t.Parallel()
	messagetest.TestMessages(t, true, func(_ *testing.T, subscribe func(sidecar.Subscriber)) sidecar.Publisher {
		m := memory.NewMesh()
		subscribe(m)
		return m
	})
}

func TestInvoker(t *testing.T) {
	t.Parallel()
	invoketest.TestInvoker(t, func(_ *testing.T, app http.Handler) sidecar.Invoker {
		m := memory.NewMesh()
		m.Join(invoketest.App, app)
		return m
	})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	sidecartest.TestSecrets(t, func(*testing.T) sidecar.Secrets {
		return memory.Secrets{sidecartest.SecretName: sidecartest.SecretValue}
	})
}

func TestBinder(t *testing.T) {
	t.Parallel()
	sidecartest.TestBinder(t, func(*testing.T) (sidecar.Binder, func(string) []byte) {
		m := memory.NewMesh()
		return m, func(file string) []byte {
			for _, b := range m.Bindings() {
				if b.Metadata["fileName"] == file {
					return b.Data
				}
			}
			return nil
		}
	})
}

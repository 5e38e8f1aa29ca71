package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"
)

// fault is something that a new pod of cart lacks, and the message that explains it.
type fault struct {
	name    string
	create  func(context.Context) error
	repair  func(context.Context) error
	message string   // or a part of it
	command []string // of kubectl; its output has the message
}

// explainFaults creates one fault after another in new pods of cart. Each time the new pod must report what is wrong
// and not become ready. The old pods must go on serving, so that no request of a customer fails. After the repair the
// new pod must become ready.
func (t test) explainFaults(ctx context.Context) error {
	if err := t.Scale(ctx, map[string]int{"cart": 2}); err != nil {
		return err
	}
	c, err := t.customers(ctx, manyItems, false)
	if err != nil {
		return err
	}
	for _, f := range t.faults() {
		if err := c.During(ctx, func(ctx context.Context) error { return t.explain(ctx, f) }); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Printf("%s: explained, %d requests so far\n", f.name, c.Requests())
	}
	return errors.Join(c.Failed(), c.Check(ctx))
}

func (t test) faults() []fault {
	store, wrong := t.wrongPassword()
	restart := func(ctx context.Context) error { return t.InNamespace(ctx, "rollout", "restart", "deployment/cart") }
	deleteSecret := func(ctx context.Context) error { return t.InNamespace(ctx, "delete", "secret", store) }
	logs := func(container string) []string {
		return []string{"logs", "--selector=app.kubernetes.io/name=cart", "--container=" + container, "--tail=100"}
	}
	return []fault{
		{
			name: "a missing secret",
			create: func(ctx context.Context) error {
				return errors.Join(deleteSecret(ctx), restart(ctx))
			},
			repair:  func(ctx context.Context) error { return t.CreateSecret(ctx, store, t.Secrets[store]) },
			message: fmt.Sprintf("secret %q not found", store),
			command: []string{"get", "events", "--output=jsonpath={.items[*].message}"},
		},
		{
			name: "a wrong password",
			create: func(ctx context.Context) error {
				return errors.Join(deleteSecret(ctx), t.CreateSecret(ctx, store, wrong), restart(ctx))
			},
			repair: func(ctx context.Context) error {
				return errors.Join(deleteSecret(ctx), t.CreateSecret(ctx, store, t.Secrets[store]), restart(ctx))
			},
			// Several components may use the store: the sidecar reports the one that fails first.
			message: "INIT_COMPONENT_FAILURE]: initialization error occurred for ",
			command: logs("daprd"),
		},
		{
			name: "a missing sidecar",
			create: func(ctx context.Context) error {
				return t.InNamespace(ctx, "patch", "deployment", "cart", "--patch",
					`{"spec":{"template":{"metadata":{"annotations":{"dapr.io/enabled":"false"}}}}}`)
			},
			repair: func(ctx context.Context) error {
				return t.InNamespace(ctx, "rollout", "undo", "deployment/cart")
			},
			message: "waiting for the sidecar",
			command: logs("app"),
		},
	}
}

// wrongPassword returns the name of the state store's secret, and its values with a wrong password.
func (t test) wrongPassword() (store string, wrong map[string]string) {
	store = "redis"
	if t.Secrets["postgres"] != nil {
		store = "postgres"
	}
	wrong = maps.Clone(t.Secrets[store])
	if u, err := url.Parse(wrong["POSTGRES_CONNECTION"]); err == nil && u.User != nil {
		u.User = url.UserPassword(u.User.Username(), "wrong")
		wrong["POSTGRES_CONNECTION"] = u.String()
	} else {
		wrong["REDIS_PASSWORD"] = "wrong"
	}
	return store, wrong
}

// explain creates a fault, waits for its message, checks that the pod is not ready, repairs the fault and waits until
// the pod is ready.
func (t test) explain(ctx context.Context, f fault) error {
	if err := f.create(ctx); err != nil {
		return err
	}
	for start := time.Now(); ; time.Sleep(time.Second) {
		out, err := t.OutputInNamespace(ctx, f.command...)
		if bytes.Contains(out, []byte(f.message)) {
			break
		}
		if time.Since(start) > 2*time.Minute { // an error may mean that there are no logs yet
			return errors.Join(fmt.Errorf("no output has %q", f.message), err)
		}
	}
	if t.InNamespace(ctx, "rollout", "status", "deployment/cart", "--timeout=3s") == nil {
		return errors.New("the new pod is ready despite the fault")
	}
	if err := f.repair(ctx); err != nil {
		return err
	}
	return t.WaitForRollout(ctx)
}

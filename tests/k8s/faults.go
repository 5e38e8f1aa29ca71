package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A fault is something about cart's new pods that does not work, and where they say so.
type fault struct {
	name string
	make func(context.Context) error
	mend func(context.Context) error
	said string   // a part of it
	by   []string // a kubectl command
}

// explained breaks what a new pod of cart needs, one thing after the other. Each time the pod must say what is wrong and
// not be ready, the pods before it must serve on, so that no customer notices, and once it is mended the pod must come up.
func (s *shopOn) explained(ctx context.Context) error {
	if err := s.in(ctx, "scale", "deployment/cart", "--replicas=2"); err != nil {
		return err
	}
	if err := s.whole(ctx); err != nil {
		return err
	}
	c, err := s.customers(ctx, 100_000, false)
	if err != nil {
		return err
	}
	for _, f := range s.faults() {
		if err := c.during(ctx, func(ctx context.Context) error { return s.show(ctx, f) }); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Printf("%s: said, %d requests so far\n", f.name, c.soFar())
	}
	if len(c.failed) > 0 {
		err = fmt.Errorf("%d of %d requests failed: %s", len(c.failed), c.requests, strings.Join(c.failed[:min(5, len(c.failed))], "; "))
	}
	return errors.Join(err, c.check(ctx))
}

func (s *shopOn) faults() []fault {
	store, wrong := s.wrongPassword()
	restart := func(ctx context.Context) error { return s.in(ctx, "rollout", "restart", "deployment/cart") }
	logs := func(container string) []string {
		return []string{"logs", "--selector=app.kubernetes.io/name=cart", "--container=" + container, "--tail=100"}
	}
	return []fault{
		{
			name: "a secret that is missing",
			make: func(ctx context.Context) error {
				return errors.Join(s.in(ctx, "delete", "secret", store), restart(ctx))
			},
			mend: func(ctx context.Context) error { return s.makeSecret(ctx, store, s.secrets[store]) },
			said: fmt.Sprintf("secret %q not found", store),
			by:   []string{"get", "events", "--output=jsonpath={.items[*].message}"},
		},
		{
			name: "a password that is wrong",
			make: func(ctx context.Context) error {
				return errors.Join(s.in(ctx, "delete", "secret", store), s.makeSecret(ctx, store, wrong), restart(ctx))
			},
			mend: func(ctx context.Context) error {
				return errors.Join(s.in(ctx, "delete", "secret", store), s.makeSecret(ctx, store, s.secrets[store]), restart(ctx))
			},
			said: "INIT_COMPONENT_FAILURE]: initialization error occurred for ", // Redis may be behind several: whichever comes first
			by:   logs("daprd"),
		},
		{
			name: "a sidecar that is missing",
			make: func(ctx context.Context) error {
				return s.in(ctx, "patch", "deployment", "cart", "--patch", `{"spec":{"template":{"metadata":{"annotations":{"dapr.io/enabled":"false"}}}}}`)
			},
			mend: func(ctx context.Context) error { return s.in(ctx, "rollout", "undo", "deployment/cart") },
			said: "waiting for the sidecar",
			by:   logs("app"),
		},
	}
}

// wrongPassword gives the name of the store's secret, and what is in it with another password.
func (s *shopOn) wrongPassword() (store string, wrong map[string]string) {
	store = "redis"
	if s.secrets["postgres"] != nil {
		store = "postgres"
	}
	wrong = maps.Clone(s.secrets[store])
	if u, err := url.Parse(wrong["POSTGRES_CONNECTION"]); err == nil && u.User != nil {
		u.User = url.UserPassword(u.User.Username(), "wrong")
		wrong["POSTGRES_CONNECTION"] = u.String()
	} else {
		wrong["REDIS_PASSWORD"] = "wrong"
	}
	return store, wrong
}

// show makes a fault, waits until it is said, sees that the pod is not ready, mends it and waits until the pod is.
func (s *shopOn) show(ctx context.Context, f fault) error {
	if err := f.make(ctx); err != nil {
		return err
	}
	for began := time.Now(); ; time.Sleep(time.Second) {
		said, err := s.output(ctx, nil, slices.Concat([]string{"--namespace", namespace}, f.by)...)
		if bytes.Contains(said, []byte(f.said)) {
			break
		}
		if time.Since(began) > 2*time.Minute { // an error may mean that there are no logs yet
			return errors.Join(fmt.Errorf("nothing says %q", f.said), err)
		}
	}
	if s.in(ctx, "rollout", "status", "deployment/cart", "--timeout=3s") == nil {
		return errors.New("the pod is ready all the same")
	}
	if err := f.mend(ctx); err != nil {
		return err
	}
	return s.whole(ctx)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"haberdash/tests/k8s/deployment"
)

// killPods kills eight random pods, without a grace period, while customers buy. The customers repeat requests that
// failed, and no customer may have to give up.
func (t test) killPods(ctx context.Context) error {
	c, err := t.customers(ctx, 40, true) // less stock than the customers ask for
	if err != nil {
		return err
	}
	var killed []string
	err = c.During(ctx, func(ctx context.Context) error {
		for range 8 {
			time.Sleep(4 * time.Second) // customers buy between two kills
			pod, err := t.randomPod(ctx)
			if err != nil {
				return err
			}
			killed = append(killed, pod)
			if err := t.InNamespace(ctx, "delete", "pod", pod, "--grace-period=0", "--force"); err != nil {
				return err
			}
		}
		return t.WaitForRollout(ctx)
	})
	fmt.Printf("killed: %s\n", strings.Join(killed, " "))
	if err == nil {
		err = c.Failed()
	}
	return errors.Join(err, c.Check(ctx))
}

// randomPod returns the name of a running pod of the shop.
func (t test) randomPod(ctx context.Context) (string, error) {
	out, err := t.OutputInNamespace(ctx, "get", "pods", "-o", "name",
		"--selector=app.kubernetes.io/part-of=haberdash", "--field-selector=status.phase=Running")
	pods := strings.Fields(string(out))
	if err == nil && len(pods) == 0 {
		err = errors.New("no pod of the shop is running")
	}
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(pods[rand.IntN(len(pods))], "pod/"), nil
}

// rollOut rolls another version out, and then back, while customers buy. The customers repeat nothing, and no request
// may fail.
func (t test) rollOut(ctx context.Context) error {
	c, err := t.customers(ctx, manyItems, false)
	if err != nil {
		return err
	}
	err = c.During(ctx, func(ctx context.Context) error {
		time.Sleep(3 * time.Second) // until the customers have open connections
		for _, app := range deployment.Apps {
			image := "app=localhost/haberdash/" + app + ":" + deployment.SecondVersion
			if err := t.InNamespace(ctx, "set", "image", "deployment/"+app, image); err != nil {
				return err
			}
		}
		if err := t.WaitForRollout(ctx); err != nil {
			return err
		}
		fmt.Printf("rolled out, %d requests so far\n", c.Requests())
		for _, app := range deployment.Apps {
			if err := t.InNamespace(ctx, "rollout", "undo", "deployment/"+app); err != nil {
				return err
			}
		}
		return t.WaitForRollout(ctx)
	})
	if err == nil {
		err = c.Failed()
	}
	return errors.Join(err, c.Check(ctx))
}

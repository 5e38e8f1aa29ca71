package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	leadershipKeys = "dapr/leadership/" // of go-etcd-cron
	leadershipTTL  = 20 * time.Second
)

// succeed removes the claim to leadership that a killed predecessor left in etcd. It would expire by
// itself, but only after 20 seconds in which no timer fires and no sidecar becomes ready. There is one
// member here, so a claim whose lease is older than the newest cannot be anybody's who lives. Lease ids
// grow with time (etcd's idutil).
func succeed(ctx context.Context) {
	port := ""
	for _, a := range os.Args[1:] {
		if v, ok := strings.CutPrefix(a, "--etcd-client-port="); ok {
			port = v
		}
	}
	if port == "" {
		return // not started by the launcher: leave everything as Dapr has it
	}
	ctx, cancel := context.WithTimeout(ctx, leadershipTTL)
	defer cancel()
	client, err := clientv3.New(clientv3.Config{Context: ctx, Endpoints: []string{"127.0.0.1:" + port}})
	if err != nil {
		return
	}
	defer client.Close()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		if done, err := revokeOld(ctx, client); done && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// revokeOld reports whether a claim was found to be stale and revoked. Our own may not have been made yet.
func revokeOld(ctx context.Context, client *clientv3.Client) (bool, error) {
	claims, err := client.Get(ctx, leadershipKeys, clientv3.WithPrefix())
	if err != nil || len(claims.Kvs) == 0 {
		return false, err
	}
	leases, err := client.Leases(ctx)
	if err != nil || len(leases.Leases) == 0 {
		return false, err
	}
	var ids []clientv3.LeaseID
	for _, l := range leases.Leases {
		ids = append(ids, l.ID)
	}
	newest, revoked := slices.Max(ids), false
	for _, kv := range claims.Kvs {
		if id := clientv3.LeaseID(kv.Lease); id != 0 && id < newest {
			if _, err := client.Revoke(ctx, id); err != nil {
				return false, err
			}
			revoked = true
		}
	}
	return revoked, nil
}

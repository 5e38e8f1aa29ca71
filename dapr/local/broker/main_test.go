package main

import (
	"net"
	"testing"
)

func TestClientsAreToldTheHost(t *testing.T) {
	for host, want := range map[string]string{"": "127.0.0.1", "broker.shop": "broker.shop"} {
		l, err := listenFor(host)("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got, _, err := net.SplitHostPort(l.Addr().String()); err != nil || got != want {
			t.Errorf("-host %q: clients are told %s (%v), not %s", host, got, err, want)
		}
	}
	if _, err := listenFor("broker")("tcp", "no address"); err == nil {
		t.Error("listens on no address")
	}
}

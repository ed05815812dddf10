package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
)

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestANodeServesEtcdsClientUntilItIsToldToEnd(t *testing.T) {
	client, peer := free(t), free(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, options{name: "a", dir: t.TempDir(), client: client, peer: peer, cluster: "a=http://" + peer})
	}()
	etcd, err := load.OpenEtcd([]string{client}, 2)
	if err != nil {
		t.Fatal(err)
	}
	// The client waits until the node is there.
	if err := load.FillLibrary(ctx, etcd, 0, 300, "v", 128); err != nil {
		t.Fatal(err)
	}
	if err := etcd.Set(ctx, load.Key(300), "v"); err != nil {
		t.Error(err)
	}
	for _, i := range []uint64{0, 299, 300} {
		if err := etcd.Get(ctx, load.Key(i)); err != nil {
			t.Error(err)
		}
	}
	if err := etcd.Get(ctx, load.Key(301)); err == nil {
		t.Error("a key that was never set was found")
	}
	if err := etcd.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(fmt.Errorf("the node ended with %w", err))
	}
}

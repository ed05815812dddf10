//go:build unix

package clustertest

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
)

// Client returns a client of the cluster, which ends with the test.
func (c *Cluster) Client(t testing.TB) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	cl, err := c.OpenClient(ctx)
	if err != nil {
		t.Fatalf("clustertest: %v", err)
	}
	t.Cleanup(func() { cl.Close() })
	return cl
}

// OpenClient returns a client of the cluster, to be closed by the caller.
func (c *Cluster) OpenClient(ctx context.Context) (*client.Client, error) {
	return client.Open(ctx, c.clientOptions())
}

func (c *Cluster) clientOptions() client.Options {
	var addresses []string
	for _, n := range c.Nodes() {
		addresses = append(addresses, n.Addr)
	}
	// Tests wait for what a dead node does not answer: they need not wait long.
	return client.Options{Addresses: addresses, DialTimeout: 2 * time.Second, NoSessions: !c.options.Sessions}
}

// open returns a client for a workload.
func (c *Cluster) open(ctx context.Context, number uint64) (*client.Client, error) {
	o := c.clientOptions()
	if c.options.LossyClients > 0 {
		o.Dial = lossyDial(rand.New(rand.NewPCG(number, 0x1055)), c.options.LossyClients)
	}
	return client.Open(ctx, o)
}

// lossyDial makes connections that break after a while, about this long, wherever they are: replies are lost.
func lossyDial(rng *rand.Rand, life time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	var mu sync.Mutex
	var dialer net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		time.AfterFunc(around(rng, life), func() { conn.Close() })
		return conn, nil
	}
}

// Command etcdnode is one node of an etcd cluster: etcd's own server, embedded, with etcd's defaults. The comparison
// starts three of them.
//
//	etcdnode --name node1 --data-dir DIR --client 127.0.0.1:2379 --peer 127.0.0.1:2380 \
//	    --cluster node1=http://127.0.0.1:2380,node2=…,node3=…
//
// The default quota of 2 GiB is raised to 8, so that long runs do not end in an alarm. etcd syncs its log before every reply; the
// comparison leaves that as it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

type options struct{ name, dir, client, peer, cluster string }

func main() {
	var o options
	flag.StringVar(&o.name, "name", "", "of this node")
	flag.StringVar(&o.dir, "data-dir", "", "for its files")
	flag.StringVar(&o.client, "client", "", "host:port for clients")
	flag.StringVar(&o.peer, "peer", "", "host:port for the other nodes")
	flag.StringVar(&o.cluster, "cluster", "", "all nodes: name=http://host:port,…")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "etcdnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster, c.ClusterState = o.name, o.dir, o.cluster, embed.ClusterStateFlagNew
	client, peer := []url.URL{{Scheme: "http", Host: o.client}}, []url.URL{{Scheme: "http", Host: o.peer}}
	c.ListenClientUrls, c.AdvertiseClientUrls = client, client
	c.ListenPeerUrls, c.AdvertisePeerUrls = peer, peer
	c.LogLevel, c.LogOutputs = "error", []string{"stderr"}
	c.QuotaBackendBytes = 8 << 30
	node, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer node.Close()
	select {
	case <-node.Server.ReadyNotify():
	case err := <-node.Err():
		return err
	case <-ctx.Done():
		return nil
	case <-time.After(time.Minute):
		return errors.New("the cluster is not ready within a minute")
	}
	select {
	case err := <-node.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

// Command cluster measures three nodes of VegaDB beside three of etcd and a Redis primary with two replicas, all on this
// machine, and what becomes of requests when a node is killed and when one joins.
//
//	make bench-cluster                            every row, five rounds: about a quarter of an hour
//	make bench-cluster ROWS=quorum-writes         some rows
//	make bench-cluster ARGS=--quick               a look in a few minutes; not to be quoted
//	make bench-cluster ARGS=--update-docs         and write the tables of the docs
//
// It starts every server itself, on free loopback ports, and ends every one it started. Raw results are kept by row in
// bench/results. With --server-profiles it fetches CPU profiles of our servers, and with --against it compares with another
// build of ours; results are not kept then.
package main

import (
	"context"
	"flag"
	"path/filepath"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/report"
	"github.com/prakashpandey/vegadb/bench/internal/rows"
	"github.com/prakashpandey/vegadb/bench/internal/suite"
)

func main() {
	clients := flag.Int("etcd-clients", 1, "clients of etcd, each with a connection of its own, that share the callers")
	suite.Suite{
		Program: "cluster",
		Rows:    rows.Cluster(),
		Needs:   []string{peer.RedisServer},
		Set: func(ctx context.Context, o suite.Options, env *rows.Env, machine *report.Machine) error {
			env.Clusters.EtcdClients = *clients
			return setUp(ctx, o, env, machine)
		},
		Table:   report.ClusterTablePlace,
		Summary: report.ClusterSummaryPlace,
	}.Main()
}

// setUp says who is compared, and builds etcd.
func setUp(ctx context.Context, o suite.Options, env *rows.Env, machine *report.Machine) error {
	env.Clusters.Vega = peer.VegaCluster{Program: o.Server, Debug: env.Profiles != ""}
	if o.Against != "" {
		before := peer.VegaCluster{Program: o.Against}
		env.Clusters.Etcd, env.Clusters.Redis = before, before
		return nil
	}
	etcd := filepath.Join(env.Dir, "etcdnode")
	if err := peer.Build(ctx, filepath.Join(o.Repository, "bench"), "./cmd/etcdnode", etcd); err != nil {
		return err
	}
	redis := env.Programs[peer.RedisServer]
	env.Clusters.Etcd = peer.EtcdCluster{Program: etcd}
	env.Clusters.Redis = peer.RedisReplication{Program: redis}
	machine.Redis = peer.Version(ctx, redis, "--version")
	machine.Rueidis = suite.ModuleVersion("github.com/redis/rueidis")
	machine.Etcd = suite.ModuleVersion("go.etcd.io/etcd/client/v3")
	return nil
}

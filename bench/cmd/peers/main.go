// Command peers measures one node of VegaDB beside Redis and memcached on this machine.
//
//	make bench-peers                              every row, five rounds: about half an hour
//	make bench-peers ROWS=resp-p16,memory         some rows
//	make bench-peers ARGS=--quick                 a look in a few minutes; not to be quoted
//	make bench-peers ARGS=--update-docs           and write the tables of the docs
//
// It starts every server itself, on free loopback ports, and ends every one it started. Raw results are kept by row in
// bench/results. With --calibrate, Redis runs on both sides: what the ratios then differ from 1 is the machine's noise.
package main

import (
	"context"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/report"
	"github.com/prakashpandey/vegadb/bench/internal/rows"
	"github.com/prakashpandey/vegadb/bench/internal/suite"
)

func main() {
	suite.Suite{
		Program:    "peers",
		Rows:       rows.All(),
		Needs:      []string{peer.RedisServer, peer.RedisBenchmark, peer.MemcachedServer},
		Set:        setUp,
		Calibrates: true,
		Table:      report.TablePlace,
		Summary:    report.SummaryPlace,
	}.Main()
}

// setUp says who is compared.
func setUp(ctx context.Context, o suite.Options, env *rows.Env, machine *report.Machine) error {
	redis, memcached := env.Programs[peer.RedisServer], env.Programs[peer.MemcachedServer]
	env.Theirs, env.Memcached = peer.Redis{Program: redis}, peer.Memcached{Program: memcached}
	env.Ours = peer.Vega{Program: o.Server}
	switch {
	case o.Calibrate:
		env.Ours = env.Theirs
	case o.Against != "":
		env.Theirs = peer.Vega{Program: o.Against}
	}
	machine.Redis = peer.Version(ctx, redis, "--version")
	machine.Memcached = peer.Version(ctx, memcached, "-V")
	machine.Rueidis = suite.ModuleVersion("github.com/redis/rueidis")
	return nil
}

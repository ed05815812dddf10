package rows

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/bench/internal/load"
	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/stats"
	"github.com/prakashpandey/vegadb/client"
)

// The rows about three nodes. Every write is synced before its reply, on both sides; servers are at their defaults
// otherwise.
const (
	clusterKeys       = 100_000
	clusterValueBytes = 100
	clusterCallers    = 1000
	// etcdBatch is the largest transaction that etcd takes with its defaults.
	etcdBatch = 128
)

// Clusters are who is compared.
type Clusters struct {
	Vega  peer.VegaCluster
	Etcd  peer.ClusterKind
	Redis peer.ClusterKind

	EtcdClients int // share the callers
}

// Cluster returns every row about three nodes, in the order of the table.
func Cluster() []Row {
	return []Row{
		quorumWritesRow(),
		linearizableReadsRow(),
		redisWritesRow(),
		failoverRow(),
		joinRow(),
		dialsRow(),
	}
}

// clusterSides starts the clusters, fills them with the same keys and opens a library on each. The caller must defer
// close.
func (e *Env) clusterSides(ctx context.Context, kinds ...peer.ClusterKind) (sides []*clusterSide, closeAll func(*error), err error) {
	closeAll = func(errp *error) {
		for _, s := range sides {
			if s.library != nil {
				*errp = errors.Join(*errp, s.library.Close())
			}
			*errp = errors.Join(*errp, s.cluster.Stop())
		}
	}
	for i, kind := range kinds {
		cluster, err := kind.Start(ctx, e.Dir)
		if err != nil {
			closeAll(&err)
			return nil, nil, err
		}
		s := &clusterSide{side: side{cluster: cluster, ours: i == 0}}
		sides = append(sides, s)
		if err := e.open(ctx, s); err != nil {
			err = fmt.Errorf("%s: %w", cluster.Name, err)
			closeAll(&err)
			return nil, nil, err
		}
	}
	return sides, closeAll, nil
}

// clusterSide is a side with its clients.
type clusterSide struct {
	side
	library load.Library
}

// open connects to a cluster and fills it.
func (e *Env) open(ctx context.Context, s *clusterSide) (err error) {
	batch := uint64(1000)
	switch s.cluster.Name {
	case "VegaDB":
		s.library, err = openVega(ctx, s.cluster)
	case "etcd":
		batch = etcdBatch
		s.library, err = load.OpenEtcd(s.cluster.Addrs(), e.Clusters.EtcdClients)
	default:
		s.library, err = load.OpenRueidis(s.cluster.Nodes[0].Addr)
	}
	if err != nil {
		return err
	}
	if err := load.FillLibrary(ctx, s.library, 0, e.scaled(clusterKeys), clusterValue(), batch); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return nil
}

// openVega is load.OpenVega without its nil pointer in an interface.
func openVega(ctx context.Context, c *peer.Cluster) (load.Library, error) {
	v, err := load.OpenVega(ctx, c.Addrs()...)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func clusterValue() string { return strings.Repeat("v", clusterValueBytes) }

// callers is the load of the rows about throughput.
func (e *Env) callers(library load.Library, set bool) load.Callers {
	return load.Callers{
		Library: library, Callers: clusterCallers, Batch: 1, Set: set,
		Keys: shuffledKeys(int(e.scaled(clusterKeys))), Value: clusterValue(), Duration: e.measureFor(),
	}
}

// compare runs the callers on each side in turn. Profiles of our servers, if any are taken, are named after profiles.
func (e *Env) compare(ctx context.Context, sides []*clusterSide, set bool, row, profiles, work string, promise stats.Promise) ([]stats.Result, error) {
	var throughput, cpu pair
	plain := make([]*side, len(sides))
	run := make(map[*side]load.Callers, len(sides))
	for i, s := range sides {
		plain[i] = &s.side
		run[plain[i]] = e.callers(s.library, set)
	}
	err := e.alternate(plain, func(round int, s *side) error {
		stopProfiles := e.profile(ctx, s, profiles, round)
		runtime.GC() // what the other side's library left behind is not this one's to clean up
		err := cost(s, &throughput, &cpu, func() (int64, time.Duration, error) { return run[s].Run(ctx) })
		return errors.Join(err, stopProfiles())
	})
	if err != nil {
		return nil, err
	}
	theirs := sides[1].cluster.Name
	return []stats.Result{
		result(row, work, "throughput", "op/s", theirs, throughput, promise),
		result(row, work, "CPU of all servers per op", "µs", theirs, cpu, stats.Promise{}),
	}, nil
}

// result makes a line of the table of a pair.
func result(row, work, metric, unit, theirs string, p pair, promise stats.Promise) stats.Result {
	r := stats.Result{Row: row, Work: work, Metric: metric, Unit: unit, Ours: p.ours, Theirs: p.theirs, Promise: promise}
	if len(p.theirs) > 0 {
		r.Peer = theirs
	}
	return r
}

func quorumWritesRow() Row {
	const name = "quorum-writes"
	return Row{Name: name, Title: "quorum writes, 1,000 callers, beside etcd", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		sides, closeAll, err := env.clusterSides(ctx, env.Clusters.Vega, env.Clusters.Etcd)
		if err != nil {
			return nil, err
		}
		defer closeAll(&err)
		results, err = env.compare(ctx, sides, true, name, name, "quorum writes of 100 B, 1,000 callers, fsync always",
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 10})
		if err != nil {
			return nil, err
		}
		rest, err := env.atRest(ctx, sides, name)
		return append(results, rest), err
	}}
}

func redisWritesRow() Row {
	const name = "redis-writes"
	return Row{Name: name, Title: "quorum writes, 1,000 callers, beside Redis's asynchronous replication", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		sides, closeAll, err := env.clusterSides(ctx, env.Clusters.Vega, env.Clusters.Redis)
		if err != nil {
			return nil, err
		}
		defer closeAll(&err)
		return env.compare(ctx, sides, true, name, name, "quorum writes of 100 B against Redis's asynchronous replication (rueidis, appendfsync always), 1,000 callers",
			stats.Promise{Kind: stats.RatioAtLeast, Limit: 1})
	}}
}

// linearizableReadsRow reads from etcd once per round and from us twice: linearizable, and by the leader's lease.
func linearizableReadsRow() Row {
	const name = "linearizable-reads"
	return Row{Name: name, Title: "linearizable reads, 1,000 callers, beside etcd", Run: func(ctx context.Context, env *Env) (results []stats.Result, err error) {
		sides, closeAll, err := env.clusterSides(ctx, env.Clusters.Vega, env.Clusters.Etcd)
		if err != nil {
			return nil, err
		}
		defer closeAll(&err)
		vega, etcd := sides[0], sides[1]
		level := func(c client.Consistency) *clusterSide {
			return &clusterSide{side: side{cluster: vega.cluster, ours: true}, library: vega.library.(*load.Vega).Reading(client.WithConsistency(c))}
		}
		results, err = env.compare(ctx, []*clusterSide{level(client.Linearizable), etcd}, false, name, name,
			"linearizable reads, 1,000 callers", stats.Promise{Kind: stats.RatioAtLeast, Limit: 20})
		if err != nil {
			return nil, err
		}
		lease, err := env.compare(ctx, []*clusterSide{level(client.Lease), etcd}, false, name, "lease-reads",
			"lease reads against etcd's linearizable ones, 1,000 callers", stats.Promise{})
		return append(results, lease...), err
	}}
}

// atRest measures what the clusters use while nobody asks for anything: whatever it is, the other side's measurements
// bear it.
func (e *Env) atRest(ctx context.Context, sides []*clusterSide, row string) (stats.Result, error) {
	var use pair
	// The last writes' aftermath is not rest.
	if err := pause(ctx, time.Second); err != nil {
		return stats.Result{}, err
	}
	plain := make([]*side, len(sides))
	before := make([]time.Duration, len(sides))
	begin := time.Now()
	for i, s := range sides {
		plain[i] = &s.side
		var err error
		if before[i], err = s.cpu(); err != nil {
			return stats.Result{}, err
		}
	}
	if err := pause(ctx, max(e.measureFor(), 2*time.Second)); err != nil {
		return stats.Result{}, err
	}
	took := time.Since(begin)
	for i, s := range plain {
		after, err := s.cpu()
		if err != nil {
			return stats.Result{}, err
		}
		use.add(s, 100*(after-before[i]).Seconds()/took.Seconds())
	}
	return result(row, "three nodes at rest", "CPU of all servers", "% of a core", sides[1].cluster.Name, use, stats.Promise{}), nil
}

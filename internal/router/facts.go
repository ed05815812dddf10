package router

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Facts are what is known about a router at one moment: the body of /api/v1/stats and
// of the native protocol's STATS. Counters count from its start. Fields may be added,
// and none renamed.
type Facts struct {
	State    admin.State     `json:"state"`
	Router   Self            `json:"router"`
	Cluster  *Cluster        `json:"cluster,omitempty"` // absent until it was reached
	Server   admin.Server    `json:"server"`
	Forwards Forwards        `json:"forwards"`
	Commands []admin.Command `json:"commands"` // those that were called
}

// Self is who the router is.
type Self struct {
	Version   string    `json:"version"`
	ID        string    `json:"id"` // new at each start
	Addr      string    `json:"addr"`
	StartedAt time.Time `json:"started_at"`
}

// Cluster is what the router knows of the cluster.
type Cluster struct {
	ID            string `json:"id"`
	Epoch         uint64 `json:"epoch"`
	Nodes         int    `json:"nodes"`
	NodesDown     int    `json:"nodes_down"`
	Partitions    int    `json:"partitions"`
	WithoutLeader int    `json:"partitions_without_leader"`
	LastError     string `json:"last_error,omitempty"` // why it was not reached when last tried
}

// Forwards is what went to the cluster.
type Forwards struct {
	Total     uint64            `json:"total"`
	Cut       uint64            `json:"cut_total"`       // commands and batches cut by partition
	Together  uint64            `json:"together_total"`  // reads answered by an equal one
	CrossSlot uint64            `json:"crossslot_total"` // commands refused because of it
	Failed    map[string]uint64 `json:"failed_total"`    // by status
}

// Facts gathers the router's figures.
func (r *Router) Facts() Facts {
	st := &r.stats
	f := Facts{
		State:  r.State(),
		Router: Self{Version: r.opts.Version, ID: r.nodeID, Addr: r.addr.String(), StartedAt: st.startedAt},
		Server: admin.Server{
			Connections: map[string]int64{}, Closed: map[string]uint64{}, Accepted: st.accepted.Load(),
			ReceivedBytes: st.bytesIn.Load(), SentBytes: st.bytesOut.Load(), OutputBytes: r.held.Load(),
			InFlight: st.inFlight.Load(), AuthFailures: st.authFailures.Load(),
		},
		Forwards: Forwards{
			Total: st.forwarded.Load(), Cut: st.split.Load(), Together: st.coalesced.Load(), CrossSlot: st.crossSlot.Load(),
			Failed: map[string]uint64{},
		},
	}
	for p := range front.Protocols {
		f.Server.Connections[p.String()] = st.open[p].Load()
	}
	for reason := front.ClosedByPeer; reason < front.CloseReasons; reason++ {
		if reason != front.ClosedInputLimit {
			f.Server.Closed[reason.String()] = st.closed[reason].Load()
		}
	}
	for s := range st.failures {
		if n := st.failures[s].Load(); n > 0 {
			f.Forwards.Failed[wire.Status(s).Name()] = n
		}
	}
	if v := r.view.Load(); v != nil {
		f.Cluster = &Cluster{ID: v.ClusterID, Epoch: v.Epoch, Nodes: v.Nodes, NodesDown: v.NodesDown, Partitions: v.Partitions, WithoutLeader: v.Leaderless}
		if err := r.viewFail.Load(); err != nil {
			f.Cluster.LastError = firstLine(*err)
		}
	}
	bounds := front.LatencyBounds()
	for id := range st.commands {
		f.addCommand(command.ByID(uint16(id)).FullName(), bounds, &st.commands[id])
	}
	for op := range st.native {
		f.addCommand("native."+wire.Op(op).Name(), bounds, &st.native[op])
	}
	return f
}

func (f *Facts) addCommand(name string, bounds []float64, c *front.Calls) {
	s, called := c.Figures()
	if !called {
		return
	}
	f.Commands = append(f.Commands, admin.Command{
		Name: name, Errors: s.Errors,
		Latency: admin.Histogram{BoundsSeconds: bounds, Counts: s.Buckets, SumSeconds: s.Spent.Seconds()},
	})
}

// serveAdmin serves HTTP on ln.
func (r *Router) serveAdmin(ln net.Listener) *admin.HTTP {
	return admin.Serve(ln, admin.Options{
		Program: &admin.Program{
			State: r.State, Stats: func() any { return r.Facts() }, Rows: r.indexRows,
			Metrics: []prometheus.Collector{newCollector(r)},
		},
		Users: r.users, Limiter: r.failures, DebugEndpoints: r.front.DebugEndpoints, Logger: r.logger,
	})
}

// indexRows is the page for a person who opened the address in a browser.
func (r *Router) indexRows() (rows [][2]string) {
	f := r.Facts()
	row := func(name, format string, args ...any) {
		rows = append(rows, [2]string{name, fmt.Sprintf(format, args...)})
	}
	row("program", "vega-router %s", f.Router.Version)
	row("data port", "%s", f.Router.Addr)
	row("up for", "%s", r.opts.Clock().Sub(f.Router.StartedAt).Round(time.Second))
	if c := f.Cluster; c != nil {
		row("cluster", "%s, epoch %d", c.ID, c.Epoch)
		row("nodes", "%d, of them %d down", c.Nodes, c.NodesDown)
		row("partitions", "%d, of them %d without a leader", c.Partitions, c.WithoutLeader)
	}
	open := int64(0)
	for _, n := range f.Server.Connections {
		open += n
	}
	row("connections", "%d", open)
	row("requests under way", "%d", f.Server.InFlight)
	row("requests forwarded", "%d", f.Forwards.Total)
	slices.SortFunc(f.Commands, func(a, b admin.Command) int { return cmp.Compare(b.Latency.Count(), a.Latency.Count()) })
	for _, c := range f.Commands[:min(len(f.Commands), 10)] {
		row(c.Name, "%d calls, %d errors, p50 ≤ %s, p99 ≤ %s", c.Latency.Count(), c.Errors,
			time.Duration(c.Latency.Quantile(.5)*1e9), time.Duration(c.Latency.Quantile(.99)*1e9))
	}
	return rows
}

package router

import (
	"os"
	"runtime"
	"strconv"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
)

func serverHandlers() map[string]handler {
	return map[string]handler{
		"info": handleInfo,
		"time": func(c *conn, _ *command.Spec, _ [][]byte) { front.WriteTime(&c.w, c.r.opts.Clock()) },
		"config|get": func(c *conn, _ *command.Spec, args [][]byte) {
			front.WriteConfig(&c.w, args, func(match func(string) bool) []config.Pair {
				return config.RouterParameters(&c.r.opts.Settings, match)
			})
		},
		"config|set": func(c *conn, _ *command.Spec, _ [][]byte) {
			c.w.Errorf("ERR", "a router's settings are those it was started with: see vega-router --help")
		},
		"shutdown": func(c *conn, _ *command.Spec, _ [][]byte) {
			c.w.Errorf("ERR", "a router is not stopped by its clients; send its process SIGTERM")
		},
	}
}

func infoSections() []front.Section[*Router] {
	return []front.Section[*Router]{
		{Name: "Server", Write: infoServer}, {Name: "Clients", Write: infoClients}, {Name: "Stats", Write: infoStats},
		{Name: "Replication", Write: func(_ *Router, b *front.Info) { b.Field("role", "master"); b.Field("connected_slaves", 0) }},
		{Name: "Router", Write: infoRouter},
		{Name: "Commandstats", Write: infoCommandStats, Extra: true},
		{Name: "Cluster", Write: func(_ *Router, b *front.Info) { b.Field("cluster_enabled", 0) }},
	}
}

func handleInfo(c *conn, _ *command.Spec, args [][]byte) {
	front.WriteInfo(&c.w, args, c.r, infoSections())
}

func infoServer(r *Router, b *front.Info) {
	up := r.opts.Clock().Sub(r.stats.startedAt)
	b.Field("redis_version", front.RedisVersion)
	b.Field("redis_mode", "standalone")
	b.Field("vegadb_version", r.opts.Version)
	b.Field("vegadb_role", "router")
	b.Field("os", runtime.GOOS)
	b.Field("arch_bits", strconv.IntSize)
	b.Field("go_version", runtime.Version())
	b.Field("process_id", os.Getpid())
	b.Field("run_id", r.nodeID)
	b.Field("tcp_port", r.addr.Port())
	b.Field("uptime_in_seconds", int64(up.Seconds()))
	b.Field("uptime_in_days", int64(up.Hours()/24))
}

func infoClients(r *Router, b *front.Info) {
	connected := int64(0)
	for p := range front.Protocols {
		connected += r.stats.open[p].Load()
	}
	b.Field("connected_clients", connected)
	b.Field("maxclients", r.front.MaxConnections)
	for _, p := range []front.Protocol{front.ProtocolRESP, front.ProtocolNative, front.ProtocolUnknown} {
		b.Field("clients_"+p.String(), r.stats.open[p].Load())
	}
	b.Field("blocked_clients", 0)
	b.Field("output_held", r.held.Load())
}

func infoStats(r *Router, b *front.Info) {
	st := &r.stats
	calls := uint64(0)
	for i := range st.commands {
		calls += st.commands[i].Count()
	}
	for i := range st.native {
		calls += st.native[i].Count()
	}
	b.Field("total_connections_received", st.accepted.Load())
	b.Field("total_commands_processed", calls)
	b.Field("total_net_input_bytes", st.bytesIn.Load())
	b.Field("total_net_output_bytes", st.bytesOut.Load())
	b.Field("rejected_connections", st.closed[front.ClosedTooMany].Load()+st.closed[front.ClosedTooManyFromAddress].Load())
	b.Field("acl_access_denied_auth", st.authFailures.Load())
}

// infoRouter is what the router does, and what it knows of the cluster.
func infoRouter(r *Router, b *front.Info) {
	st := &r.stats
	b.Field("requests_in_flight", st.inFlight.Load())
	b.Field("requests_forwarded", st.forwarded.Load())
	b.Field("commands_cut_by_partition", st.split.Load())
	b.Field("reads_answered_together", st.coalesced.Load())
	b.Field("crossslot_refusals", st.crossSlot.Load())
	state := r.State()
	b.Field("cluster_reached", front.BoolInt(state.Ready))
	v := r.view.Load()
	if v == nil {
		return
	}
	b.Field("cluster_id", v.ClusterID)
	b.Field("cluster_epoch", v.Epoch)
	b.Field("cluster_nodes", v.Nodes)
	b.Field("cluster_nodes_down", v.NodesDown)
	b.Field("cluster_partitions", v.Partitions)
	b.Field("cluster_partitions_without_leader", v.Leaderless)
}

func infoCommandStats(r *Router, b *front.Info) {
	for id := range r.stats.commands {
		if f, called := r.stats.commands[id].Figures(); called {
			b.CommandStats(command.ByID(uint16(id)).FullName(), f.Calls, f.Errors, f.Spent)
		}
	}
}

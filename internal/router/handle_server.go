package router

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
)

func serverHandlers() map[string]handler {
	return map[string]handler{
		"info": handleInfo, "time": handleTime, "config|get": handleConfigGet,
		"config|set": func(c *conn, _ *command.Spec, _ [][]byte) {
			c.w.Errorf("ERR", "a router's settings are those it was started with: see vega-router --help")
		},
		"shutdown": func(c *conn, _ *command.Spec, _ [][]byte) {
			c.w.Errorf("ERR", "a router is not stopped by its clients; send its process SIGTERM")
		},
	}
}

func handleTime(c *conn, _ *command.Spec, _ [][]byte) {
	now := c.r.opts.Clock()
	c.w.Array(2)
	c.w.BulkString(strconv.FormatInt(now.Unix(), 10))
	c.w.BulkString(strconv.Itoa(now.Nanosecond() / 1000))
}

func handleConfigGet(c *conn, _ *command.Spec, args [][]byte) {
	pairs := config.RouterParameters(&c.r.opts.Settings, func(name string) bool {
		return slices.ContainsFunc(args[2:], func(pattern []byte) bool {
			return command.Match([]byte(strings.ToLower(string(pattern))), []byte(name))
		})
	})
	c.w.Map(len(pairs))
	for _, p := range pairs {
		c.w.BulkString(p.Name)
		c.w.BulkString(p.Value)
	}
}

// infoSection writes one section of INFO, without its heading.
type infoSection struct {
	name  string
	write func(r *Router, b *infoWriter)
	extra bool // only when asked for by name, with "all" or "everything"
}

type infoWriter struct{ strings.Builder }

func (b *infoWriter) field(name string, value any) { fmt.Fprintf(b, "%s:%v\r\n", name, value) }

func infoSections() []infoSection {
	return []infoSection{
		{name: "Server", write: infoServer}, {name: "Clients", write: infoClients}, {name: "Stats", write: infoStats},
		{name: "Replication", write: func(_ *Router, b *infoWriter) { b.field("role", "master"); b.field("connected_slaves", 0) }},
		{name: "Router", write: infoRouter},
		{name: "Commandstats", write: infoCommandStats, extra: true},
		{name: "Cluster", write: func(_ *Router, b *infoWriter) { b.field("cluster_enabled", 0) }},
	}
}

func handleInfo(c *conn, _ *command.Spec, args [][]byte) {
	wanted := map[string]bool{}
	for _, arg := range args[1:] {
		wanted[strings.ToLower(string(arg))] = true
	}
	all := wanted["all"] || wanted["everything"]
	usual := len(wanted) == 0 || wanted["default"]
	var b infoWriter
	for _, section := range infoSections() {
		if !all && !wanted[strings.ToLower(section.name)] && (!usual || section.extra) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		fmt.Fprintf(&b, "# %s\r\n", section.name)
		section.write(c.r, &b)
	}
	c.w.Verbatim("txt", b.String())
}

func infoServer(r *Router, b *infoWriter) {
	up := r.opts.Clock().Sub(r.stats.startedAt)
	b.field("redis_version", redisVersion)
	b.field("redis_mode", "standalone")
	b.field("vegadb_version", r.opts.Version)
	b.field("vegadb_role", "router")
	b.field("os", runtime.GOOS)
	b.field("arch_bits", strconv.IntSize)
	b.field("go_version", runtime.Version())
	b.field("process_id", os.Getpid())
	b.field("run_id", r.nodeID)
	b.field("tcp_port", r.addr.Port())
	b.field("uptime_in_seconds", int64(up.Seconds()))
	b.field("uptime_in_days", int64(up.Hours()/24))
}

func infoClients(r *Router, b *infoWriter) {
	connected := int64(0)
	for p := range protocols {
		connected += r.stats.open[p].Load()
	}
	b.field("connected_clients", connected)
	b.field("maxclients", r.front.MaxConnections)
	for _, p := range []protocol{protocolRESP, protocolNative, protocolUnknown} {
		b.field("clients_"+p.String(), r.stats.open[p].Load())
	}
	b.field("blocked_clients", 0)
	b.field("output_held", r.held.Load())
}

func infoStats(r *Router, b *infoWriter) {
	st := &r.stats
	calls := uint64(0)
	for i := range st.commands {
		calls += st.commands[i].calls.Load()
	}
	for i := range st.native {
		calls += st.native[i].calls.Load()
	}
	b.field("total_connections_received", st.accepted.Load())
	b.field("total_commands_processed", calls)
	b.field("total_net_input_bytes", st.bytesIn.Load())
	b.field("total_net_output_bytes", st.bytesOut.Load())
	b.field("rejected_connections", st.closed[closedTooMany].Load()+st.closed[closedTooManyFromAddress].Load())
	b.field("acl_access_denied_auth", st.authFailures.Load())
}

// infoRouter is what the router does, and what it knows of the cluster.
func infoRouter(r *Router, b *infoWriter) {
	st := &r.stats
	b.field("requests_in_flight", st.inFlight.Load())
	b.field("requests_forwarded", st.forwarded.Load())
	b.field("commands_cut_by_partition", st.split.Load())
	b.field("reads_answered_together", st.coalesced.Load())
	b.field("crossslot_refusals", st.crossSlot.Load())
	state := r.State()
	b.field("cluster_reached", boolInt(state.Ready))
	v := r.view.Load()
	if v == nil {
		return
	}
	b.field("cluster_id", v.ClusterID)
	b.field("cluster_epoch", v.Epoch)
	b.field("cluster_nodes", v.Nodes)
	b.field("cluster_nodes_down", v.NodesDown)
	b.field("cluster_partitions", v.Partitions)
	b.field("cluster_partitions_without_leader", v.Leaderless)
}

func infoCommandStats(r *Router, b *infoWriter) {
	for id := range r.stats.commands {
		st := &r.stats.commands[id]
		calls, errs := st.calls.Load(), st.errors.Load()
		if calls == 0 && errs == 0 {
			continue
		}
		usec := float64(st.nanos.Load()) / float64(time.Microsecond)
		b.field("cmdstat_"+command.ByID(uint16(id)).FullName(), fmt.Sprintf("calls=%d,usec=%.0f,usec_per_call=%.2f,rejected_calls=0,failed_calls=%d",
			calls, usec, usec/float64(max(calls, 1)), errs))
	}
}

func boolInt(v bool) int {
	if v {
		return 1
	}
	return 0
}

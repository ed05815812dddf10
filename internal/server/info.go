package server

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// infoSection writes one section of INFO, without its heading.
type infoSection struct {
	name  string
	write func(s *Server, b *infoWriter)
	extra bool // only when asked for by name, with "all" or "everything"
}

type infoWriter struct{ strings.Builder }

func (b *infoWriter) field(name string, value any) { fmt.Fprintf(b, "%s:%v\r\n", name, value) }

func infoSections() []infoSection {
	return []infoSection{
		{name: "Server", write: infoServer}, {name: "Clients", write: infoClients}, {name: "Memory", write: infoMemory},
		{name: "Persistence", write: infoPersistence}, {name: "Stats", write: infoStats}, {name: "Replication", write: infoReplication},
		{name: "CPU", write: infoCPU}, {name: "Commandstats", write: infoCommandStats, extra: true},
		{name: "Cluster", write: infoCluster},
		{name: "Keyspace", write: infoKeyspace},
	}
}

func handleInfo(s *Session, _ *command.Spec, args [][]byte) {
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
		section.write(s.srv, &b)
	}
	s.w.Verbatim("txt", b.String())
}

func infoServer(s *Server, b *infoWriter) {
	nodeID, clusterID := s.node.Identity()
	b.field("redis_version", redisVersion)
	b.field("redis_mode", s.redisMode())
	b.field("vegadb_version", s.opts.Version)
	b.field("os", runtime.GOOS)
	b.field("arch_bits", 32<<(^uint(0)>>63))
	b.field("go_version", runtime.Version())
	b.field("process_id", os.Getpid())
	b.field("run_id", nodeID)
	b.field("cluster_id", clusterID)
	b.field("tcp_port", s.addr.Port())
	b.field("uptime_in_seconds", int64(s.uptime().Seconds()))
	b.field("uptime_in_days", int64(s.uptime().Hours()/24))
	b.field("data_dir", s.live.Current().DataDir)
}

func infoClients(s *Server, b *infoWriter) {
	st := s.Stats()
	connected := int64(0)
	for _, n := range st.Connections {
		connected += n
	}
	b.field("connected_clients", connected)
	b.field("maxclients", s.live.Current().MaxConnections)
	for _, p := range []protocol{protocolRESP, protocolNative, protocolUnknown} {
		b.field("clients_"+p.String(), st.Connections[p.String()])
	}
	b.field("blocked_clients", 0)
}

func infoMemory(s *Server, b *infoWriter) {
	st := s.node.Stats()
	var rt runtime.MemStats
	runtime.ReadMemStats(&rt)
	b.field("used_memory", st.UsedBytes)
	b.field("used_memory_human", config.FormatSize(st.UsedBytes))
	b.field("used_memory_go_heap", rt.HeapAlloc)
	b.field("maxmemory", st.LimitBytes)
	b.field("maxmemory_human", config.FormatSize(st.LimitBytes))
	b.field("maxmemory_policy", "noeviction")
	b.field("output_held", s.outBytes.Load())
}

func infoPersistence(s *Server, b *infoWriter) {
	st := s.node.Stats()
	b.field("loading", boolInt(!st.Ready))
	b.field("durability", st.Durability)
	b.field("rdb_bgsave_in_progress", boolInt(st.Snapshot.Running))
	b.field("rdb_last_save_time", s.lastSaveUnix())
	b.field("rdb_last_bgsave_status", okOrErr(st.Snapshot.LastErr == ""))
	b.field("rdb_last_bgsave_time_sec", int64(st.Snapshot.LastDuration.Seconds()))
	b.field("aof_enabled", boolInt(st.Durability != "in-memory"))
	b.field("aof_current_size", st.Log.DiskBytes)
	b.field("aof_last_write_status", okOrErr(!st.Log.NoSpace))
	b.field("log_segments", st.Log.Segments)
	b.field("log_bytes_appended", st.Log.RecordBytes)
	b.field("log_fsyncs", st.Log.Fsyncs)
}

func infoStats(s *Server, b *infoWriter) {
	st, n := s.Stats(), s.node.Stats()
	b.field("total_connections_received", st.Accepted)
	b.field("total_commands_processed", st.Calls)
	b.field("total_net_input_bytes", st.BytesIn)
	b.field("total_net_output_bytes", st.BytesOut)
	b.field("rejected_connections", st.Closed[closeNames[closedTooMany]]+st.Closed[closeNames[closedTooManyFromAddress]])
	b.field("expired_keys", n.Expired)
	b.field("evicted_keys", 0)
	b.field("keyspace_hits", st.Hits)
	b.field("keyspace_misses", st.Misses)
	b.field("acl_access_denied_auth", st.AuthFailures)
	b.field("writes_refused_over_memory_limit", n.Refused)
}

// infoReplication says master of every node: each leads partitions, or could.
func infoReplication(s *Server, b *infoWriter) {
	b.field("role", "master")
	b.field("connected_slaves", 0)
	c := s.node.Stats().Cluster
	if c == nil || !c.Clustered {
		return
	}
	connected := 0
	for i := range c.Transport.Peers {
		connected += boolInt(c.Transport.Peers[i].Connected)
	}
	b.field("peers_connected", connected)
	b.field("raft_groups_led", c.Worker.Leaders)
	b.field("raft_groups_followed", c.Worker.Followers+c.Worker.Learners)
	b.field("raft_groups_leaderless", c.Worker.Leaderless)
	b.field("raft_apply_lag_entries", c.Worker.ApplyLag)
	b.field("raft_laggards", c.Worker.Laggards)
	b.field("raft_log_memory_bytes", c.HeldBytes)
}

func infoCPU(_ *Server, b *infoWriter) {
	user, system := cpuSeconds()
	b.field("used_cpu_sys", fmt.Sprintf("%.6f", system))
	b.field("used_cpu_user", fmt.Sprintf("%.6f", user))
}

func infoCommandStats(s *Server, b *infoWriter) {
	st := s.Stats()
	slices.SortFunc(st.Commands, func(x, y CommandStats) int { return strings.Compare(x.Name, y.Name) })
	for _, c := range st.Commands {
		usec := c.Seconds * 1e6
		b.field("cmdstat_"+strings.ToLower(c.Name), fmt.Sprintf("calls=%d,usec=%.0f,usec_per_call=%.2f,rejected_calls=0,failed_calls=%d",
			c.Calls, usec, usec/float64(max(c.Calls, 1)), c.Errors))
	}
}

func infoCluster(s *Server, b *infoWriter) {
	clustered := s.node.Clustered()
	b.field("cluster_enabled", boolInt(clustered))
	if !clustered {
		return
	}
	leads, holds := s.share()
	t, _ := s.node.Topology()
	b.field("cluster_epoch", t.Epoch)
	b.field("cluster_nodes", len(t.Nodes))
	b.field("partitions", len(s.partitions))
	b.field("partitions_led", leads)
	b.field("partitions_held", holds)
	c := s.node.Stats().Cluster
	if c == nil {
		return
	}
	down := 0
	for i := range c.Members {
		down += boolInt(c.Members[i].State == wire.NodeDown)
	}
	b.field("cluster_nodes_down", down)
	b.field("cluster_meta_leader", c.MetaLeader)
	b.field("cluster_detached", c.Detached)
	b.field("cluster_replicas_wanted", c.Replicas)
	b.field("partitions_without_leader", c.Leaderless)
	b.field("partitions_degraded", c.Degraded)
	b.field("partitions_without_majority", c.Endangered)
	b.field("partitions_moving", len(c.Moves))
	b.field("sessions", c.Sessions)
}

// share is how many partitions the node leads, and of how many it has a replica.
func (s *Server) share() (leads, holds int) {
	for _, p := range s.partitions {
		if s.node.Leads(p) {
			leads++
		}
		if s.node.Holds(p) {
			holds++
		}
	}
	return leads, holds
}

func infoKeyspace(s *Server, b *infoWriter) {
	if st := s.node.Stats(); st.Keys > 0 {
		b.field("db0", fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", st.Keys, st.Expiring))
	}
}

func boolInt(v bool) int {
	if v {
		return 1
	}
	return 0
}

func okOrErr(ok bool) string {
	if ok {
		return "ok"
	}
	return "err"
}

package server

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func infoSections() []front.Section[*Server] {
	return []front.Section[*Server]{
		{Name: "Server", Write: infoServer}, {Name: "Clients", Write: infoClients}, {Name: "Memory", Write: infoMemory},
		{Name: "Persistence", Write: infoPersistence}, {Name: "Stats", Write: infoStats}, {Name: "Replication", Write: infoReplication},
		{Name: "CPU", Write: infoCPU}, {Name: "Commandstats", Write: infoCommandStats, Extra: true},
		{Name: "Cluster", Write: infoCluster},
		{Name: "Keyspace", Write: infoKeyspace},
	}
}

func handleInfo(s *Session, _ *command.Spec, args [][]byte) {
	front.WriteInfo(&s.w, args, s.srv, infoSections())
}

func infoServer(s *Server, b *front.Info) {
	nodeID, clusterID := s.node.Identity()
	b.Field("redis_version", front.RedisVersion)
	b.Field("redis_mode", s.redisMode())
	b.Field("vegadb_version", s.opts.Version)
	b.Field("os", runtime.GOOS)
	b.Field("arch_bits", 32<<(^uint(0)>>63))
	b.Field("go_version", runtime.Version())
	b.Field("process_id", os.Getpid())
	b.Field("run_id", nodeID)
	b.Field("cluster_id", clusterID)
	b.Field("tcp_port", s.addr.Port())
	b.Field("uptime_in_seconds", int64(s.uptime().Seconds()))
	b.Field("uptime_in_days", int64(s.uptime().Hours()/24))
	b.Field("data_dir", s.live.Current().DataDir)
}

func infoClients(s *Server, b *front.Info) {
	st := s.Stats()
	connected := int64(0)
	for _, n := range st.Connections {
		connected += n
	}
	b.Field("connected_clients", connected)
	b.Field("maxclients", s.live.Current().MaxConnections)
	for _, p := range []front.Protocol{front.ProtocolRESP, front.ProtocolNative, front.ProtocolUnknown} {
		b.Field("clients_"+p.String(), st.Connections[p.String()])
	}
	b.Field("blocked_clients", 0)
}

func infoMemory(s *Server, b *front.Info) {
	st := s.node.Stats()
	var rt runtime.MemStats
	runtime.ReadMemStats(&rt)
	b.Field("used_memory", st.UsedBytes)
	b.Field("used_memory_human", config.FormatSize(st.UsedBytes))
	b.Field("used_memory_go_heap", rt.HeapAlloc)
	b.Field("maxmemory", st.LimitBytes)
	b.Field("maxmemory_human", config.FormatSize(st.LimitBytes))
	b.Field("maxmemory_policy", "noeviction")
	b.Field("output_held", s.outBytes.Load())
}

func infoPersistence(s *Server, b *front.Info) {
	st := s.node.Stats()
	b.Field("loading", front.BoolInt(!st.Ready))
	b.Field("durability", st.Durability)
	b.Field("rdb_bgsave_in_progress", front.BoolInt(st.Snapshot.Running))
	b.Field("rdb_last_save_time", s.lastSaveUnix())
	b.Field("rdb_last_bgsave_status", okOrErr(st.Snapshot.LastErr == ""))
	b.Field("rdb_last_bgsave_time_sec", int64(st.Snapshot.LastDuration.Seconds()))
	b.Field("aof_enabled", front.BoolInt(st.Durability != "in-memory"))
	b.Field("aof_current_size", st.Log.DiskBytes)
	b.Field("aof_last_write_status", okOrErr(!st.Log.NoSpace))
	b.Field("log_segments", st.Log.Segments)
	b.Field("log_bytes_appended", st.Log.RecordBytes)
	b.Field("log_fsyncs", st.Log.Fsyncs)
}

func infoStats(s *Server, b *front.Info) {
	st, n := s.Stats(), s.node.Stats()
	b.Field("total_connections_received", st.Accepted)
	b.Field("total_commands_processed", st.Calls)
	b.Field("total_net_input_bytes", st.BytesIn)
	b.Field("total_net_output_bytes", st.BytesOut)
	b.Field("rejected_connections", st.Closed[front.ClosedTooMany.String()]+st.Closed[front.ClosedTooManyFromAddress.String()])
	b.Field("expired_keys", n.Expired)
	b.Field("evicted_keys", 0)
	b.Field("keyspace_hits", st.Hits)
	b.Field("keyspace_misses", st.Misses)
	b.Field("acl_access_denied_auth", st.AuthFailures)
	b.Field("writes_refused_over_memory_limit", n.Refused)
}

// infoReplication says master of every node: each leads partitions, or could.
func infoReplication(s *Server, b *front.Info) {
	b.Field("role", "master")
	b.Field("connected_slaves", 0)
	c := s.node.Stats().Cluster
	if c == nil || !c.Clustered {
		return
	}
	connected := 0
	for i := range c.Transport.Peers {
		connected += front.BoolInt(c.Transport.Peers[i].Connected)
	}
	b.Field("peers_connected", connected)
	b.Field("raft_groups_led", c.Worker.Leaders)
	b.Field("raft_groups_followed", c.Worker.Followers+c.Worker.Learners)
	b.Field("raft_groups_leaderless", c.Worker.Leaderless)
	b.Field("raft_apply_lag_entries", c.Worker.ApplyLag)
	b.Field("raft_laggards", c.Worker.Laggards)
	b.Field("raft_log_memory_bytes", c.HeldBytes)
}

func infoCPU(_ *Server, b *front.Info) {
	user, system := cpuSeconds()
	b.Field("used_cpu_sys", fmt.Sprintf("%.6f", system))
	b.Field("used_cpu_user", fmt.Sprintf("%.6f", user))
}

func infoCommandStats(s *Server, b *front.Info) {
	st := s.Stats()
	slices.SortFunc(st.Commands, func(x, y CommandStats) int { return strings.Compare(x.Name, y.Name) })
	for _, c := range st.Commands {
		b.CommandStats(strings.ToLower(c.Name), c.Calls, c.Errors, time.Duration(c.Seconds*1e9))
	}
}

func infoCluster(s *Server, b *front.Info) {
	clustered := s.node.Clustered()
	b.Field("cluster_enabled", front.BoolInt(clustered))
	if !clustered {
		return
	}
	leads, holds := s.share()
	t, _ := s.node.Topology()
	b.Field("cluster_epoch", t.Epoch)
	b.Field("cluster_nodes", len(t.Nodes))
	b.Field("partitions", len(s.partitions))
	b.Field("partitions_led", leads)
	b.Field("partitions_held", holds)
	c := s.node.Stats().Cluster
	if c == nil {
		return
	}
	down := 0
	for i := range c.Members {
		down += front.BoolInt(c.Members[i].State == wire.NodeDown)
	}
	b.Field("cluster_nodes_down", down)
	b.Field("cluster_meta_leader", c.MetaLeader)
	b.Field("cluster_detached", c.Detached)
	b.Field("cluster_replicas_wanted", c.Replicas)
	b.Field("partitions_without_leader", c.Leaderless)
	b.Field("partitions_degraded", c.Degraded)
	b.Field("partitions_without_majority", c.Endangered)
	b.Field("partitions_moving", len(c.Moves))
	b.Field("sessions", c.Sessions)
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

func infoKeyspace(s *Server, b *front.Info) {
	if st := s.node.Stats(); st.Keys > 0 {
		b.Field("db0", fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", st.Keys, st.Expiring))
	}
}

func okOrErr(ok bool) string {
	if ok {
		return "ok"
	}
	return "err"
}

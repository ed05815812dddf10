package config

import (
	"math"
	"time"
)

// Groups, in the order --help and the documentation show them.
const (
	groupListen   = "Listening"
	groupData     = "Data and durability"
	groupLog      = "Log and snapshots"
	groupSecurity = "Security"
	groupLimits   = "Connections and limits"
	groupProcess  = "Process"
)

// Groups returns the headings in order.
func Groups() []string {
	return []string{groupListen, groupData, groupCluster, groupLog, groupSecurity, groupLimits, groupProcess}
}

const (
	maxSize     = math.MaxInt64
	maxDuration = 365 * 24 * time.Hour
)

// Settings returns the table, in the order of the documentation. Adding a
// setting is one row here, one field in Server and its default in Default.
func Settings() []*Setting {
	var all []*Setting
	for _, rows := range [][]*Setting{
		listenSettings(), dataSettings(), peerSettings(), logSettings(), securitySettings(), limitSettings(), processSettings(),
	} {
		all = append(all, rows...)
	}
	return all
}

func listenSettings() []*Setting {
	return []*Setting{
		{
			Name: "addr", Group: groupListen, Example: "127.0.0.1:7000",
			Help:   "address for data: the native protocol and RESP on one port",
			Detail: "Port 0 lets the system choose one. Anything but loopback needs `users-file` (or `tls-client-ca`), or an explicit `allow-no-auth`.",
			bind:   func(c *Server) value { return stringValue{&c.Addr, "host:port"} },
		},
		{
			Name: "admin-addr", Group: groupListen, Example: "127.0.0.1:7001",
			Help:   "address for HTTP: health, metrics, statistics; empty for none",
			Detail: "The same rule as for `addr`, except that it is plain HTTP and a client certificate does not count.",
			bind:   func(c *Server) value { return stringValue{&c.AdminAddr, "host:port"} },
		},
		{
			Name: "allow-no-auth", Group: groupListen, Example: "true",
			Help:   "let anybody who can reach a non-loopback address read and write everything",
			Detail: "Only for networks where every host is trusted.",
			bind:   func(c *Server) value { return boolValue{&c.AllowNoAuth} },
		},
	}
}

func dataSettings() []*Setting {
	return []*Setting{
		{
			Name: "data-dir", Redis: "dir", Group: groupData, Example: "/var/lib/vegadb",
			Help:   "directory of the log and the snapshots; created when missing",
			Detail: "One server at a time: a second one is refused.",
			bind:   func(c *Server) value { return stringValue{&c.DataDir, "dir"} },
		},
		{
			Name: "in-memory", Group: groupData, Example: "true",
			Help:   "keep nothing on disk: everything is gone when the server ends",
			Detail: "`data-dir`, `fsync` and the settings of the log and the snapshots have no effect then.",
			bind:   func(c *Server) value { return boolValue{&c.InMemory} },
		},
		{
			Name: "fsync", Redis: "appendfsync", Group: groupData, Example: FsyncEverySec,
			Help:   "when a write is on disk: before its reply, within a second, or when the system likes",
			Detail: "`always` survives a power cut with every acknowledged write. `everysec` may lose the last second in a power cut, `never` as much as the system had not written; neither loses anything when only the process dies.",
			bind: func(c *Server) value {
				return enumValue{&c.Fsync, []string{FsyncAlways, FsyncEverySec, FsyncNever}, map[string]string{"no": FsyncNever}}
			},
		},
		{
			Name: "partitions", Group: groupData, Example: "16",
			Help:   "number of partitions, fixed when the data directory is created; 0 for what it has, 64 in a new one",
			Detail: "A directory that was created with another number than the one given is refused.",
			bind:   func(c *Server) value { return intValue{&c.Partitions, 0, 4096} },
		},
		{
			Name: "memory-limit", Redis: "maxmemory", Group: groupData, Example: "2GiB", Runtime: true,
			Help:   "memory for data; past it writes get an error, reads go on; 0 for none",
			Detail: "Counts keys, values and the table's own overhead. Nothing is evicted.",
			bind:   func(c *Server) value { return sizeValue{&c.MemoryLimit, 1 << 20, maxSize, true} },
		},
		{
			Name: "max-value-bytes", Redis: "proto-max-bulk-len", Group: groupData, Example: "1MiB",
			Help: "largest value of one key",
			bind: func(c *Server) value { return sizeValue{&c.MaxValueBytes, 1 << 10, 512 << 20, false} },
		},
		{
			Name: "read-consistency", Group: groupData, Example: "lease", Runtime: true,
			Help:   "what reads in a cluster can rely on unless they ask for another level",
			Detail: "One of `linearizable`, `lease`, `session`, `bounded`, `local`. `linearizable` reflects every write acknowledged before. `lease` does too as long as clocks run at about the same speed, without a round trip. `session` reflects what the connection has seen and written itself, `bounded` everything older than `read-max-age`, `local` whatever the node has; these three are served by any replica. A connection or a request may ask for another level. A lone node always gives linearizable.",
			bind:   func(c *Server) value { return enumValue{&c.ReadConsistency, ReadLevels(), nil} },
		},
		{
			Name: "read-max-age", Group: groupData, Example: "200ms", Runtime: true,
			Help: "how far behind data may be that reads of level bounded get unless they say",
			bind: func(c *Server) value {
				return durationValue{&c.ReadMaxAge, time.Millisecond, time.Hour, false}
			},
		},
		{
			Name: "sweep-budget", Group: groupData, Example: "5ms",
			Help:   "time given every 100 ms to reclaiming expired keys",
			Detail: "Expired keys are never shown, reclaimed or not; this bounds how long they hold memory.",
			bind: func(c *Server) value {
				return durationValue{&c.SweepBudget, 10 * time.Microsecond, 50 * time.Millisecond, false}
			},
		},
	}
}

func peerSettings() []*Setting {
	return []*Setting{
		{
			Name: "peer-addr", Group: groupCluster, Example: "127.0.0.1:8344",
			Help:   "address for other nodes; auto: loopback, two above the data port; none: no peers",
			Detail: "`auto` falls back to any free port. Anything but loopback needs `peer-tls-cert`, `peer-tls-key` and `peer-tls-ca`, or an explicit `allow-no-auth`. A node that keeps nothing on disk has no peers.",
			bind:   func(c *Server) value { return stringValue{&c.PeerAddr, "host:port"} },
		},
		{
			Name: "join", Group: groupCluster, Example: "10.0.0.1:8344,10.0.0.2:8344",
			Help:   "peer addresses of members of the cluster that a new node joins",
			Detail: "Needed by a node with a new data directory; later it finds its peers by itself, and looks for them here when all have changed their addresses at once.",
			bind:   func(c *Server) value { return stringValue{&c.Join, "host:port,…"} },
		},
		{
			Name: "advertise-addr", Group: groupCluster, Example: "db1.example.com:8342",
			Help: "where clients reach this node, if not at addr",
			bind: func(c *Server) value { return stringValue{&c.AdvertiseAddr, "host:port"} },
		},
		{
			Name: "advertise-peer-addr", Group: groupCluster, Example: "db1.example.com:8344",
			Help: "where other nodes reach this node, if not at peer-addr",
			bind: func(c *Server) value { return stringValue{&c.AdvertisePeerAddr, "host:port"} },
		},
		{
			Name: "replicas", Group: groupCluster, Example: "5",
			Help:   "copies of each partition, when this node begins a cluster",
			Detail: "There are fewer while there are fewer nodes. Belongs to the cluster afterwards: `vega-client cluster settings replicas` changes it.",
			bind:   func(c *Server) value { return intValue{&c.Replicas, 1, 9} },
		},
		{
			Name: "zone", Group: groupCluster, Example: "rack-4",
			Help: "what fails together with this node; copies go to different zones first",
			bind: func(c *Server) value { return stringValue{&c.Zone, "name"} },
		},
		{
			Name: "capacity", Group: groupCluster, Example: "2",
			Help: "how much this node takes, relative to the others",
			bind: func(c *Server) value { return intValue{&c.Capacity, 1, 1000} },
		},
		{
			Name: "peer-tls-cert", Group: groupCluster, Example: "/etc/vegadb/peer.crt",
			Help:   "PEM certificate chain of this node for its peers; reread on SIGHUP",
			Detail: "Good for both server and client use. Traffic between nodes is then mutual TLS.",
			bind:   func(c *Server) value { return stringValue{&c.PeerTLSCert, "file"} },
		},
		{
			Name: "peer-tls-key", Group: groupCluster, Example: "/etc/vegadb/peer.key",
			Help: "PEM private key of peer-tls-cert",
			bind: func(c *Server) value { return stringValue{&c.PeerTLSKey, "file"} },
		},
		{
			Name: "peer-tls-ca", Group: groupCluster, Example: "/etc/vegadb/peers-ca.crt",
			Help: "PEM certificates that must have signed every peer's certificate",
			bind: func(c *Server) value { return stringValue{&c.PeerTLSCA, "file"} },
		},
	}
}

func logSettings() []*Setting {
	return []*Setting{
		{
			Name: "log-segment-bytes", Group: groupLog, Example: "256MiB",
			Help:   "size of one file of the log",
			Detail: "Allocated in advance, and raised where `max-value-bytes` needs it.",
			bind:   func(c *Server) value { return sizeValue{&c.LogSegmentBytes, 1 << 20, 4 << 30, false} },
		},
		{
			Name: "log-queue-bytes", Group: groupLog, Example: "128MiB",
			Help: "writes that may wait for the disk before further ones are told BUSY",
			bind: func(c *Server) value { return sizeValue{&c.LogQueueBytes, 1 << 20, 16 << 30, false} },
		},
		{
			Name: "snapshot-log-bytes", Group: groupLog, Example: "1GiB",
			Help:   "take snapshots when the log exceeds this and the data's own size",
			Detail: "The larger of the two counts. A longer log costs disk space and time at the next start.",
			bind:   func(c *Server) value { return sizeValue{&c.SnapshotLogBytes, 1 << 20, maxSize, false} },
		},
		{
			Name: "snapshot-keep", Group: groupLog, Example: "3",
			Help:   "snapshots kept of each partition",
			Detail: "The older ones are there for the day when the newest turns out to be damaged.",
			bind:   func(c *Server) value { return intValue{&c.SnapshotKeep, 1, 100} },
		},
		{
			Name: "snapshot-rate", Group: groupLog, Example: "50MiB",
			Help: "bytes per second that snapshots may write; 0 for no limit",
			bind: func(c *Server) value { return sizeValue{&c.SnapshotRate, 64 << 10, maxSize, true} },
		},
	}
}

func securitySettings() []*Setting {
	return []*Setting{
		{
			Name: "users-file", Group: groupSecurity, Example: "/etc/vegadb/users.toml",
			Help:   "file of users, their roles and key prefixes; reread on SIGHUP",
			Detail: "Without it everybody who connects is an administrator.",
			bind:   func(c *Server) value { return stringValue{&c.UsersFile, "file"} },
		},
		{
			Name: "auth-failures-per-minute", Group: groupSecurity, Example: "5",
			Help: "failed logins one address may make in a minute before it must wait; 0 for no limit",
			bind: func(c *Server) value { return intValue{&c.AuthFailuresPerMinute, 0, 1_000_000} },
		},
		{
			Name: "tls-cert", Group: groupSecurity, Example: "/etc/vegadb/server.crt",
			Help:   "PEM certificate chain; turns TLS on for the data port; reread on SIGHUP",
			Detail: "Plain connections are refused then.",
			bind:   func(c *Server) value { return stringValue{&c.TLSCert, "file"} },
		},
		{
			Name: "tls-key", Group: groupSecurity, Example: "/etc/vegadb/server.key",
			Help: "PEM private key of tls-cert",
			bind: func(c *Server) value { return stringValue{&c.TLSKey, "file"} },
		},
		{
			Name: "tls-client-ca", Group: groupSecurity, Example: "/etc/vegadb/clients.crt",
			Help: "PEM certificates that must have signed every client's certificate",
			bind: func(c *Server) value { return stringValue{&c.TLSClientCA, "file"} },
		},
		{
			Name: "tls-min-version", Group: groupSecurity, Example: "1.2",
			Help: "oldest TLS version that is accepted",
			bind: func(c *Server) value { return enumValue{&c.TLSMinVersion, []string{"1.2", "1.3"}, nil} },
		},
		{
			Name: "debug-endpoints", Group: groupSecurity, Example: "true",
			Help:   "serve /debug/pprof on the admin address",
			Detail: "Profiles show memory contents and cost time: leave it off unless you are looking for something.",
			bind:   func(c *Server) value { return boolValue{&c.DebugEndpoints} },
		},
	}
}

func limitSettings() []*Setting {
	return []*Setting{
		{
			Name: "max-connections", Redis: "maxclients", Group: groupLimits, Example: "500", Runtime: true,
			Help: "connections in total",
			bind: func(c *Server) value { return intValue{&c.MaxConnections, 1, 10_000_000} },
		},
		{
			Name: "max-connections-per-address", Group: groupLimits, Example: "100", Runtime: true,
			Help: "connections from one address; 0 for no limit",
			bind: func(c *Server) value { return intValue{&c.MaxConnectionsPerAddress, 0, 10_000_000} },
		},
		{
			Name: "max-query-bytes", Redis: "client-query-buffer-limit", Group: groupLimits, Example: "128MiB",
			Help:   "size of one command with all its arguments",
			Detail: "At least `max-value-bytes` and 64 KiB more, so that the largest value can be written.",
			bind:   func(c *Server) value { return sizeValue{&c.MaxQueryBytes, 64 << 10, 2 << 30, false} },
		},
		{
			Name: "max-pipeline-bytes", Group: groupLimits, Example: "16MiB",
			Help:   "input of one connection that may wait for earlier commands of its own before it is closed",
			Detail: "Beside one command of `max-query-bytes`. Commands wait while writes before them are on their way to the disk.",
			bind:   func(c *Server) value { return sizeValue{&c.MaxPipelineBytes, 64 << 10, 2 << 30, false} },
		},
		{
			Name: "output-limit", Group: groupLimits, Example: "32MiB", Runtime: true,
			Help:   "replies waiting for one connection before it is closed",
			Detail: "A client that asks and never reads meets this one.",
			bind:   func(c *Server) value { return sizeValue{&c.OutputLimit, 64 << 10, maxSize, false} },
		},
		{
			Name: "output-limit-total", Group: groupLimits, Example: "2GiB", Runtime: true,
			Help:   "replies waiting for all connections before those that hold some are closed",
			Detail: "At least `output-limit`.",
			bind:   func(c *Server) value { return sizeValue{&c.OutputLimitTotal, 1 << 20, maxSize, false} },
		},
		{
			Name: "handshake-timeout", Group: groupLimits, Example: "10s", Runtime: true,
			Help: "time for the TLS and native handshakes and, where users exist, for the login",
			bind: func(c *Server) value {
				return durationValue{&c.HandshakeTimeout, 100 * time.Millisecond, maxDuration, false}
			},
		},
		{
			Name: "frame-timeout", Group: groupLimits, Example: "1m", Runtime: true,
			Help:   "time for one command to arrive whole, from its first byte",
			Detail: "Counted for the command, not per byte, so a peer that drips bytes does not hold memory.",
			bind: func(c *Server) value {
				return durationValue{&c.FrameTimeout, 100 * time.Millisecond, maxDuration, false}
			},
		},
		{
			Name: "write-timeout", Group: groupLimits, Example: "10s", Runtime: true,
			Help: "time a connection may take no reply bytes while some wait",
			bind: func(c *Server) value {
				return durationValue{&c.WriteTimeout, 100 * time.Millisecond, maxDuration, false}
			},
		},
		{
			Name: "idle-timeout", Redis: "timeout", Group: groupLimits, Example: "5m", Runtime: true,
			Help: "time without a command after which a connection is closed; 0 for never",
			bind: func(c *Server) value { return durationValue{&c.IdleTimeout, time.Second, maxDuration, true} },
		},
	}
}

func processSettings() []*Setting {
	return []*Setting{
		{
			Name: "io-threads", Redis: "io-threads", Group: groupProcess, Example: "4",
			Help: "event loops that serve connections; 0 for one per CPU",
			bind: func(c *Server) value { return intValue{&c.IOThreads, 0, 1024} },
		},
		{
			Name: "log-format", Group: groupProcess, Example: "json",
			Help: "form of the log lines on standard error",
			bind: func(c *Server) value { return enumValue{&c.LogFormat, []string{"text", "json"}, nil} },
		},
		{
			Name: "log-level", Group: groupProcess, Example: "debug", Runtime: true,
			Help: "least important log lines that are written",
			bind: func(c *Server) value { return enumValue{&c.LogLevel, []string{"debug", "info", "warn", "error"}, nil} },
		},
		{
			Name: "shutdown-timeout", Group: groupProcess, Example: "3s",
			Help:   "time for commands under way to finish after SIGTERM",
			Detail: "Connections that are still busy are closed then; the log is flushed in any case.",
			bind: func(c *Server) value {
				return durationValue{&c.ShutdownTimeout, 100 * time.Millisecond, 10 * time.Minute, false}
			},
		},
	}
}

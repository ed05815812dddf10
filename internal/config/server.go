package config

import "time"

// Server holds every setting of one node. The table in settings.go gives each
// field its name, limits and documentation; this struct only carries values,
// so that the rest of the program reads plain fields.
//
// Sizes are in bytes. Zero means "none" or "no limit" where the table says so.
type Server struct {
	// Listening.
	Addr        string
	AdminAddr   string // empty: no admin HTTP
	AllowNoAuth bool

	// Data.
	DataDir       string
	InMemory      bool
	Fsync         string // FsyncAlways, FsyncEverySec or FsyncNever
	Partitions    int    // 0: those of the data directory, 64 in a new one
	MemoryLimit   int64  // 0: none
	MaxValueBytes int64
	SweepBudget   time.Duration // per sweep, every 100 ms

	// Reads in a cluster that do not say what they need.
	ReadConsistency string        // one of ReadLevels
	ReadMaxAge      time.Duration // of level bounded

	// Cluster.
	PeerAddr          string // PeerAuto, PeerNone or host:port
	AdvertiseAddr     string // "": where the node listens
	AdvertisePeerAddr string // likewise
	Join              string // peer addresses, comma-separated
	Zone              string
	Capacity          int
	Replicas          int
	PeerTLSCert       string
	PeerTLSKey        string
	PeerTLSCA         string

	// Log and snapshots.
	LogSegmentBytes  int64
	LogQueueBytes    int64
	SnapshotLogBytes int64
	SnapshotKeep     int
	SnapshotRate     int64 // bytes per second, 0: as fast as the disk takes it

	// Security.
	UsersFile             string
	AuthFailuresPerMinute int // per address, 0: no limit
	TLSCert               string
	TLSKey                string
	TLSClientCA           string
	TLSMinVersion         string // "1.2" or "1.3"
	DebugEndpoints        bool

	// Connections and limits.
	MaxConnections           int
	MaxConnectionsPerAddress int // 0: no limit
	MaxQueryBytes            int64
	MaxPipelineBytes         int64
	OutputLimit              int64
	OutputLimitTotal         int64
	HandshakeTimeout         time.Duration
	FrameTimeout             time.Duration
	WriteTimeout             time.Duration
	IdleTimeout              time.Duration // 0: never

	// Process.
	IOThreads       int    // 0: chosen from the number of CPUs
	LogFormat       string // "text" or "json"
	LogLevel        string // "debug", "info", "warn" or "error"
	ShutdownTimeout time.Duration
}

// Words for PeerAddr.
const (
	PeerAuto = "auto" // on loopback, at the data port plus 2, or at any port if that is taken
	PeerNone = "none" // no peers
)

// The durability policies, as Server.Fsync names them.
const (
	FsyncAlways   = "always"
	FsyncEverySec = "everysec"
	FsyncNever    = "never"
)

// ReadLevels are what Server.ReadConsistency can be, from the strongest on.
func ReadLevels() []string { return []string{"linearizable", "lease", "session", "bounded", "local"} }

// Default returns the settings of a server started with no flags: durable,
// on loopback, with limits that fit a small machine.
func Default() Server {
	return Server{
		Addr:      "127.0.0.1:8342",
		AdminAddr: "127.0.0.1:8343",

		DataDir:       "./vega-data",
		Fsync:         FsyncAlways,
		MaxValueBytes: 64 << 20,
		SweepBudget:   time.Millisecond,

		ReadConsistency: "linearizable",
		ReadMaxAge:      time.Second,

		PeerAddr: PeerAuto,
		Capacity: 1,
		Replicas: 3,

		LogSegmentBytes:  64 << 20,
		LogQueueBytes:    64 << 20,
		SnapshotLogBytes: 256 << 20,
		SnapshotKeep:     2,

		AuthFailuresPerMinute: 30,
		TLSMinVersion:         "1.3",

		MaxConnections:   10000,
		MaxQueryBytes:    512 << 20,
		MaxPipelineBytes: 64 << 20,
		OutputLimit:      256 << 20,
		OutputLimitTotal: 1 << 30,
		HandshakeTimeout: 5 * time.Second,
		FrameTimeout:     30 * time.Second,
		WriteTimeout:     30 * time.Second,

		LogFormat:       "text",
		LogLevel:        "info",
		ShutdownTimeout: 10 * time.Second,
	}
}

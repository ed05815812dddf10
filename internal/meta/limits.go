package meta

// Bounds of what a State holds. They keep a snapshot of it small (a few MiB at the very most) and are checked when
// commands are applied and when a state is decoded.
const (
	MaxPartitions = 16384 // the count of slots
	MaxReplicas   = 9     // of one partition
	MaxMembers    = 1000

	maxActual       = 64 // replicas of one partition that a report may name, learners included
	maxTombstones   = 65536
	maxSettings     = 256
	maxSettingKey   = 64
	maxSettingValue = 4 << 10
	maxUsersBytes   = 1 << 20 // what package auth reads
	maxAddress      = 256     // host:port
	maxZone         = 64
	maxVersion      = 64
	maxResultText   = 256
	maxRecent       = 4096    // requests remembered for deduplication
	maxCommandBytes = 2 << 20 // a users document in JSON, escaped
)

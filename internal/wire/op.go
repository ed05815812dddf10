package wire

import "strconv"

// Op is the operation a request asks for. Numbers keep their meaning for ever.
type Op uint8

// The operations. Those from 1 to 31 read, from 32 to 63 write, from 64 on they
// concern the server.
const (
	OpGet      Op = 1
	OpGetBatch Op = 2
	OpScan     Op = 3
	OpCount    Op = 4

	OpPut        Op = 32
	OpDelete     Op = 33
	OpIncrement  Op = 34
	OpExpire     Op = 35
	OpPersist    Op = 36
	OpWriteBatch Op = 37

	OpPing     Op = 64
	OpStats    Op = 65
	OpTopology Op = 66
	OpSnapshot Op = 67
	OpFlush    Op = 68
	OpCommand  Op = 69 // a Redis command, see CommandBody
	OpAdmin    Op = 70 // JSON in, JSON out; role admin
	OpBackup   Op = 71 // see BackupBody; role admin
	// 72 is reserved.
)

// Name returns the documented name, such as "GET".
func (o Op) Name() string {
	switch o {
	case OpGet:
		return "GET"
	case OpGetBatch:
		return "GETBATCH"
	case OpScan:
		return "SCAN"
	case OpCount:
		return "COUNT"
	case OpPut:
		return "PUT"
	case OpDelete:
		return "DELETE"
	case OpIncrement:
		return "INCREMENT"
	case OpExpire:
		return "EXPIRE"
	case OpPersist:
		return "PERSIST"
	case OpWriteBatch:
		return "WRITEBATCH"
	case OpPing:
		return "PING"
	case OpStats:
		return "STATS"
	case OpTopology:
		return "TOPOLOGY"
	case OpSnapshot:
		return "SNAPSHOT"
	case OpFlush:
		return "FLUSH"
	case OpCommand:
		return "COMMAND"
	case OpAdmin:
		return "ADMIN"
	case OpBackup:
		return "BACKUP"
	}
	return "OP_" + strconv.Itoa(int(o))
}

// String returns the name.
func (o Op) String() string { return o.Name() }

// Ops returns every operation in ascending order.
func Ops() []Op {
	return []Op{OpGet, OpGetBatch, OpScan, OpCount,
		OpPut, OpDelete, OpIncrement, OpExpire, OpPersist, OpWriteBatch,
		OpPing, OpStats, OpTopology, OpSnapshot, OpFlush, OpCommand, OpAdmin, OpBackup}
}

// Writes reports whether the operation may change data or settings, which is what
// decides whether a lost reply leaves the outcome unknown. Of COMMAND only the
// flag CommandReads tells: see Request.Writes.
func (o Op) Writes() bool {
	return o >= 32 && o < 64 || o == OpFlush || o == OpCommand || o == OpAdmin
}

// Known reports whether o is an operation of this version.
func (o Op) Known() bool { return o.flagMask() >= 0 }

// Flags of GET (the header's operation flags).
const (
	GetMeta    uint8 = 1 << 0 // the reply's body starts with an EntryMeta
	GetNoValue uint8 = 1 << 1 // only the EntryMeta; needs GetMeta
)

// Flags of PUT, DELETE and INCREMENT. Expiry in the past deletes the entry.
const (
	WriteIfAbsent  uint8 = 1 << 0 // PUT: else AlreadyExists
	WriteIfPresent uint8 = 1 << 1 // PUT: else NotFound
	WriteIfVersion uint8 = 1 << 2 // PUT, DELETE: else VersionMismatch; version 0 means "no entry"
	WriteTTL       uint8 = 1 << 3 // PUT, INCREMENT, EXPIRE: expiry in ms from execution
	WriteExpireAt  uint8 = 1 << 4 // PUT, INCREMENT, EXPIRE: expiry in unix ms
	WriteKeepTTL   uint8 = 1 << 5 // PUT: the present expiry stays
	WriteReturnOld uint8 = 1 << 6 // PUT, DELETE: the reply's body is an old value
)

// Flags of EXPIRE besides WriteTTL and WriteExpireAt, of which exactly one is
// set. When the condition does not hold: ConditionFailed. "No expiry" counts as
// infinitely late.
const (
	ExpireIfNone    uint8 = 1 << 0 // only when the entry has no expiry
	ExpireIfSome    uint8 = 1 << 1 // only when it has one
	ExpireIfLater   uint8 = 1 << 2 // only when the new one is later
	ExpireIfEarlier uint8 = 1 << 5 // only when the new one is earlier
)

// Flags of SCAN, SNAPSHOT, COMMAND and BACKUP.
const (
	ScanKeysOnly uint8 = 1 << 0 // SCAN: keys without version, expiry and value
	SnapshotWait uint8 = 1 << 0 // SNAPSHOT: reply when it is done, not when it has started
	CommandReads uint8 = 1 << 0 // COMMAND: the command only reads
	BackupEnd    uint8 = 1 << 0 // BACKUP: the token is of no more use
)

// flagMask returns the operation flags that the operation knows, -1 for an
// unknown operation.
func (o Op) flagMask() int {
	switch o {
	case OpGet:
		return int(GetMeta | GetNoValue)
	case OpPut:
		return int(WriteIfAbsent | WriteIfPresent | WriteIfVersion | WriteTTL | WriteExpireAt | WriteKeepTTL | WriteReturnOld)
	case OpDelete:
		return int(WriteIfVersion | WriteReturnOld)
	case OpIncrement:
		return int(WriteTTL | WriteExpireAt)
	case OpExpire:
		return int(WriteTTL | WriteExpireAt | ExpireIfNone | ExpireIfSome | ExpireIfLater | ExpireIfEarlier)
	case OpScan:
		return int(ScanKeysOnly)
	case OpSnapshot:
		return int(SnapshotWait)
	case OpCommand:
		return int(CommandReads)
	case OpBackup:
		return int(BackupEnd)
	case OpGetBatch, OpCount, OpPersist, OpWriteBatch, OpPing, OpStats, OpTopology, OpFlush, OpAdmin:
		return 0
	}
	return -1
}

// Consistency is what a read asks for, and in a receipt what it got.
type Consistency uint8

const (
	ConsistencyDefault Consistency = 0 // the server's (or the connection's) setting
	Linearizable       Consistency = 1
	Lease              Consistency = 2
	SessionReads       Consistency = 3 // argument: the lowest log index the reply may reflect
	Bounded            Consistency = 4 // argument: the greatest age in ms
	Local              Consistency = 5
)

// Acks is whose confirmation a write waits for.
type Acks uint8

const (
	AcksDefault Acks = 0
	AcksQuorum  Acks = 1
	AcksLeader  Acks = 2
)

// Durability is when a write counts as kept.
type Durability uint8

const (
	DurabilityDefault  Durability = 0
	DurabilityAlways   Durability = 1
	DurabilityEverySec Durability = 2
	DurabilityNever    Durability = 3
)

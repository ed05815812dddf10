package wire

import "strconv"

// Status is the outcome of a request: one list for both protocols, the server's
// own errors and the Go client's. A number, once published, keeps its meaning
// for ever; docs/protocol.md shows the same table and a test compares the two.
type Status uint16

// 0 is success. 1–15 are answers about the entry, which a correct program meets
// every day. 16–31 blame the request, 32–39 the caller's rights, 40–63 tell of
// the server's condition, 64–79 of the cluster's.
const (
	OK              Status = 0
	NotFound        Status = 1
	AlreadyExists   Status = 2
	ConditionFailed Status = 3
	VersionMismatch Status = 4

	InvalidArgument    Status = 16
	WrongType          Status = 17
	NotInteger         Status = 18
	Overflow           Status = 19
	TooLarge           Status = 20
	Unsupported        Status = 21
	UnsupportedVersion Status = 22
	ProtocolError      Status = 23

	Unauthenticated  Status = 32
	PermissionDenied Status = 33

	Busy           Status = 40
	MemoryLimit    Status = 41
	NoSpace        Status = 42
	Timeout        Status = 43
	UnknownOutcome Status = 44
	Unavailable    Status = 45
	ShuttingDown   Status = 46
	Loading        Status = 47
	Corrupt        Status = 48
	Internal       Status = 49

	NotLeader      Status = 64
	WrongEpoch     Status = 65
	SessionExpired Status = 66
)

// Retry says what a client may do with the same request after a status.
type Retry uint8

const (
	// RetryNone: the request was judged; sending it again without a change
	// brings the same answer.
	RetryNone Retry = iota
	// RetrySafe: nothing was executed and nothing will be; the same request may
	// be sent again, after the hint if there is one.
	RetrySafe
	// RetryUnknown: the request may or may not have taken effect. Reads may be
	// sent again; writes only if doing them twice is harmless.
	RetryUnknown
)

// String returns the word that the status table uses.
func (r Retry) String() string {
	switch r {
	case RetryNone:
		return "no"
	case RetrySafe:
		return "safe"
	case RetryUnknown:
		return "unknown"
	}
	return "Retry(" + strconv.Itoa(int(r)) + ")"
}

// StatusInfo is one line of the status table.
type StatusInfo struct {
	Status      Status
	Name        string // as documented and logged: NOT_FOUND
	Retry       Retry
	RESPCode    string // the first word of the RESP error that stands for it
	Description string
}

// statusTable is the one home of what is known about each status.
var statusTable = [...]StatusInfo{
	{OK, "OK", RetryNone, "OK", "Done."},
	{NotFound, "NOT_FOUND", RetryNone, "ERR", "No entry has this key (or it has expired). Nothing was changed."},
	{AlreadyExists, "ALREADY_EXISTS", RetryNone, "ERR", "If-absent was asked and the key has an entry. Nothing was changed."},
	{ConditionFailed, "CONDITION_FAILED", RetryNone, "ERR", "Another condition of the request does not hold (of EXPIRE: on the present expiry; of PERSIST: there is none). Nothing was changed."},
	{VersionMismatch, "VERSION_MISMATCH", RetryNone, "ERR", "If-version was asked and the entry has another version; the reply's version is the present one, 0 when there is no entry. Nothing was changed."},

	{InvalidArgument, "INVALID_ARGUMENT", RetryNone, "ERR", "The request contradicts itself or a value is out of its range."},
	{WrongType, "WRONG_TYPE", RetryNone, "WRONGTYPE", "The entry holds another kind of value than the operation works on."},
	{NotInteger, "NOT_INTEGER", RetryNone, "ERR", "The value is not a decimal integer of 64 bits."},
	{Overflow, "OVERFLOW", RetryNone, "ERR", "The result would not fit into 64 bits. Nothing was changed."},
	{TooLarge, "TOO_LARGE", RetryNone, "ERR", "A key, a value, a batch or a frame is above the server's limit."},
	{Unsupported, "UNSUPPORTED", RetryNone, "ERR", "The server knows no such operation or option, or does not offer it in its present configuration."},
	{UnsupportedVersion, "UNSUPPORTED_VERSION", RetryNone, "ERR", "No protocol version is spoken by both sides."},
	{ProtocolError, "PROTOCOL_ERROR", RetryNone, "ERR", "The bytes received are not this protocol. The server closes the connection."},

	{Unauthenticated, "UNAUTHENTICATED", RetryNone, "NOAUTH", "Wrong or missing credentials."},
	{PermissionDenied, "PERMISSION_DENIED", RetryNone, "NOPERM", "The user may not do this, or not with this key."},

	{Busy, "BUSY", RetrySafe, "BUSY", "A queue is full. Nothing was executed; try again after the hint."},
	{MemoryLimit, "MEMORY_LIMIT", RetrySafe, "OOM", "The memory limit is reached: writes that grow the data are refused, reads and deletes go on."},
	{NoSpace, "NO_SPACE", RetrySafe, "MISCONF", "The log has no room on its disk: writes are refused, reads go on."},
	{Timeout, "TIMEOUT", RetrySafe, "ERR", "The request's deadline passed before it was executed. Nothing was done."},
	{UnknownOutcome, "UNKNOWN_OUTCOME", RetryUnknown, "ERR", "The request may or may not have taken effect."},
	{Unavailable, "UNAVAILABLE", RetrySafe, "CLUSTERDOWN", "The data's partition cannot serve at present. Nothing was executed."},
	{ShuttingDown, "SHUTTING_DOWN", RetrySafe, "ERR", "The server is about to stop. Nothing was executed."},
	{Loading, "LOADING", RetrySafe, "LOADING", "The server is still loading its data. Nothing was executed."},
	{Corrupt, "CORRUPT", RetryNone, "ERR", "Stored data failed its checksum. See the server's log for the file."},
	{Internal, "INTERNAL", RetryUnknown, "ERR", "A fault inside the server; its log says more."},

	{NotLeader, "NOT_LEADER", RetrySafe, "MOVED", "Another node leads the key's partition. Nothing was executed; fetch the topology."},
	{WrongEpoch, "WRONG_EPOCH", RetrySafe, "TRYAGAIN", "The request was routed by an older topology. Nothing was executed; fetch the topology."},
	{SessionExpired, "SESSION_EXPIRED", RetryUnknown, "ERR", "The session is too old to tell whether this request was executed before."},
}

// Statuses returns a copy of the status table in ascending order.
func Statuses() []StatusInfo { return append([]StatusInfo(nil), statusTable[:]...) }

// Info returns the table's line for s. An unknown status, such as one from a
// newer server, gets a line that promises nothing: RetryUnknown.
func (s Status) Info() StatusInfo {
	if i := s.find(); i >= 0 {
		return statusTable[i]
	}
	return StatusInfo{Status: s, Name: "STATUS_" + strconv.Itoa(int(s)), Retry: RetryUnknown, RESPCode: "ERR",
		Description: "A status this program does not know."}
}

// Known reports whether s is in the table.
func (s Status) Known() bool { return s.find() >= 0 }

// find returns the index of s in the table, or -1. A binary search by hand:
// the table is short and the call must not allocate.
func (s Status) find() int {
	lo, hi := 0, len(statusTable)
	for lo < hi {
		mid := (lo + hi) / 2
		if statusTable[mid].Status < s {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(statusTable) && statusTable[lo].Status == s {
		return lo
	}
	return -1
}

// Name returns the documented name, such as "NOT_FOUND".
func (s Status) Name() string { return s.Info().Name }

// String returns the name.
func (s Status) String() string { return s.Info().Name }

// Retry tells whether the same request may be sent again.
func (s Status) Retry() Retry { return s.Info().Retry }

// RESPCode returns the error code that a RESP reply starts with.
func (s Status) RESPCode() string { return s.Info().RESPCode }

// Description returns one or two sentences for people.
func (s Status) Description() string { return s.Info().Description }

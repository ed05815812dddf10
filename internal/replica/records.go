package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/wal"
)

// The types of log records. They are part of the log's format: a number is never
// given another meaning. The first three are entries of a group's log and have an
// index; the others say something about the replica and have index 0.
const (
	// RecordEntry is an entry whose payload package command (of group 0: package
	// meta) encodes.
	RecordEntry uint8 = 1
	// RecordConf is an entry that changes the group's configuration: the payload is
	// a raftpb.ConfChangeV2.
	RecordConf uint8 = 2
	// RecordEmpty is the entry without content with which a leader begins its term.
	RecordEmpty uint8 = 3
	// RecordState is the replica's hard state. Its presence is what tells a Raft
	// group from the group of a lone node.
	RecordState uint8 = 4
	// RecordReset says that a snapshot received from the leader has replaced the
	// replica's state: entries recorded before are void.
	RecordReset uint8 = 5
	// RecordGone says that the replica was removed from its group and its data
	// dropped. No replica with this id or a lower one may come back.
	RecordGone uint8 = 6
)

// IsEntry reports whether a record of this type is an entry of a group's log.
func IsEntry(recordType uint8) bool { return recordType >= RecordEntry && recordType <= RecordEmpty }

// HardState is what a replica must remember across a crash before it may answer
// anybody: its term, whom it voted for in it, and how far the log is committed.
type HardState struct {
	Replica uint64 // the replica's id
	Term    uint64
	Vote    uint64 // 0: nobody
	Commit  uint64
}

// hardStateBytes is the payload of RecordState: replica, vote, commit. The term is
// the record's.
const hardStateBytes = 24

// StateRecord returns the record of a hard state.
func StateRecord(group uint32, h HardState) wal.Record {
	b := make([]byte, 0, hardStateBytes)
	b = binary.LittleEndian.AppendUint64(b, h.Replica)
	b = binary.LittleEndian.AppendUint64(b, h.Vote)
	b = binary.LittleEndian.AppendUint64(b, h.Commit)
	return wal.Record{Group: group, Type: RecordState, Term: h.Term, Payload: b}
}

func decodeHardState(rec *wal.Record) (HardState, error) {
	if len(rec.Payload) != hardStateBytes {
		return HardState{}, fmt.Errorf("group %d: hard state of %d bytes in the log, want %d", rec.Group, len(rec.Payload), hardStateBytes)
	}
	return HardState{
		Replica: binary.LittleEndian.Uint64(rec.Payload),
		Term:    rec.Term,
		Vote:    binary.LittleEndian.Uint64(rec.Payload[8:]),
		Commit:  binary.LittleEndian.Uint64(rec.Payload[16:]),
	}, nil
}

// resetBytes is the payload of RecordReset: the snapshot's index. Its term is the
// record's.
const resetBytes = 8

// ResetRecord returns the record that a snapshot at index and term was installed.
func ResetRecord(group uint32, index, term uint64) wal.Record {
	return wal.Record{Group: group, Type: RecordReset, Term: term, Payload: binary.LittleEndian.AppendUint64(nil, index)}
}

// GoneRecord returns the record that a replica is gone.
func GoneRecord(group uint32, replica uint64) wal.Record {
	return wal.Record{Group: group, Type: RecordGone, Payload: binary.LittleEndian.AppendUint64(nil, replica)}
}

func decodeNumber(rec *wal.Record) (uint64, error) {
	if len(rec.Payload) != resetBytes {
		return 0, fmt.Errorf("group %d: log record of type %d has %d bytes, want %d", rec.Group, rec.Type, len(rec.Payload), resetBytes)
	}
	return binary.LittleEndian.Uint64(rec.Payload), nil
}

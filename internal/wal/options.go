package wal

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// SyncPolicy says when appended records are made durable without being asked.
type SyncPolicy uint8

const (
	// Always: as soon as the writer gets to them. Nothing else is ever acknowledged as durable.
	Always SyncPolicy = iota
	// EverySec: once a second. While a sync takes longer than [stallLimit], Append returns [ErrBusy], so
	// that what a power cut can lose stays bounded by time.
	EverySec
	// Never: when the operating system sees fit, when a segment is full, and at Close.
	Never
)

func (p SyncPolicy) String() string {
	switch p {
	case Always:
		return "always"
	case EverySec:
		return "everysec"
	case Never:
		return "never"
	}
	return fmt.Sprintf("SyncPolicy(%d)", uint8(p))
}

// Record is one entry of one group's log.
type Record struct {
	Group   uint32
	Type    uint8  // chosen by the caller; 0 is not a type
	Term    uint64 // below 1<<56
	Index   uint64
	Payload []byte
}

// Options configure a log. FS and Dir are required.
type Options struct {
	FS  vfs.FS
	Dir string
	// SegmentBytes is the size of a new segment file. Default 64 MiB; at least two of the largest records.
	SegmentBytes int64
	// MaxRecordBytes bounds a record's payload. Default 16 MiB, at most 1 GiB.
	MaxRecordBytes int64
	// QueueBytes bounds what is appended and not yet handed to the operating system. Default 64 MiB; at
	// least one of the largest records.
	QueueBytes int64
	// ReserveBytes is how much of the room that is left on a full disk is kept for [Log.AppendReserved]. At most a
	// quarter of a segment. Default 0.
	ReserveBytes int64
	// SpareBytes says how much of the disk must be left free when a segment has been made: for snapshots, without
	// which the log could never become shorter; appended is the size of all records since Open. OnNoSpace is called
	// when there is no room for a segment any more. Both are called by a goroutine of the log's, maybe before Open has
	// returned, and must not wait for the log. May be nil.
	SpareBytes func(appended int64) int64
	OnNoSpace  func()
	Policy     SyncPolicy
	// OnDurable is called after everything up to pos has become durable, with ascending positions, always
	// from the same goroutine. The next sync waits for it to return, so it must not wait for the log. May be nil.
	OnDurable func(pos uint64)
	// OnFatal is called once when a write or an fsync has failed. What is on disk is then unknown: the
	// process must end. Nothing more is acknowledged. May be nil.
	OnFatal func(error)
	// Clock gives the creation time of segments. Default time.Now.
	Clock func() time.Time
	// Stepped leaves out the goroutines: the log's user does their work by calling
	// [Log.StepWrite], [Log.StepSync] and [Log.StepPrepare], in its own goroutine and its own time. What
	// waits for durability (Sync, Flush under Always, Close) does those steps itself. This is how a
	// simulator runs the same log in simulated time.
	Stepped bool
	// Logger gets the rare events: damage that was cut, lack of space. Default: discarded.
	Logger *slog.Logger
}

const (
	defaultSegmentBytes   = 64 << 20
	defaultMaxRecordBytes = 16 << 20
	defaultQueueBytes     = 64 << 20
	limitRecordBytes      = 1 << 30 // keeps every length far below the commit marker
	maxBatchBytes         = 1 << 20 // a batch is closed beyond this; a single larger Append is a batch of its own
)

// withDefaults fills in what was left out and rejects what cannot work.
func (o Options) withDefaults() (Options, error) {
	if o.FS == nil || o.Dir == "" {
		return o, fmt.Errorf("wal: FS and Dir are required")
	}
	if o.Policy > Never {
		return o, fmt.Errorf("wal: unknown policy %d", o.Policy)
	}
	setDefault(&o.SegmentBytes, defaultSegmentBytes)
	setDefault(&o.MaxRecordBytes, min(defaultMaxRecordBytes, o.SegmentBytes/2))
	setDefault(&o.QueueBytes, defaultQueueBytes)
	if o.MaxRecordBytes > limitRecordBytes {
		return o, fmt.Errorf("wal: MaxRecordBytes %d exceeds the format's limit of %d", o.MaxRecordBytes, limitRecordBytes)
	}
	frame := recordSize(int(o.MaxRecordBytes)) + commitBytes
	o.SegmentBytes = alignUp(max(o.SegmentBytes, headerBytes+2*frame), headerBytes)
	o.QueueBytes = max(o.QueueBytes, frame)
	o.ReserveBytes = max(0, min(o.ReserveBytes, o.SegmentBytes/4))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnDurable == nil {
		o.OnDurable = func(uint64) {}
	}
	if o.OnFatal == nil {
		o.OnFatal = func(error) {}
	}
	return o, nil
}

func setDefault(v *int64, def int64) {
	if *v <= 0 {
		*v = def
	}
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

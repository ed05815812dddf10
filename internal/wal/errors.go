package wal

import (
	"errors"
	"fmt"
	"os"
)

var (
	// ErrBusy says that the queue is full because the disk is slower than the appenders. Nothing was
	// appended; trying again a little later makes sense.
	ErrBusy = errors.New("log queue is full: the disk is behind, try again")
	// ErrNoSpace says that the disk has no room for another segment. Nothing was appended. The log keeps
	// trying to prepare one and takes appends again by itself once there is room.
	ErrNoSpace = errors.New("no space left for the log: free disk space or let a snapshot truncate it")
	// ErrTooLarge says that a record, or the records of one Append together, exceed the log's limits.
	ErrTooLarge = errors.New("record too large for the log")
	// ErrClosed says that the log has been closed.
	ErrClosed = errors.New("log is closed")
	// ErrCorrupt says that data which had been durable is damaged. The error is a [*CorruptError].
	ErrCorrupt = errors.New("log is corrupt")
	// ErrVersion says that a segment was written in a format this program does not know.
	ErrVersion = errors.New("unknown log format version")
)

// CorruptError names the place of the damage. It matches [ErrCorrupt].
type CorruptError struct {
	File   string // path of the segment
	Offset int64  // of the first byte that cannot be trusted: the start of the damaged batch
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: damage at offset %d: %s. What was acknowledged is missing there; do not delete anything: "+
		"restore the file, or run `vega-server check` and then `vega-server repair` to set the damaged part aside",
		e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func isNotExist(err error) bool { return errors.Is(err, os.ErrNotExist) }

package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// load reads the log, cuts its incomplete end, and makes what was read durable: a process that was killed
// leaves data that only the operating system holds, and from now on others may see it.
func (l *Log) load(replay func(Record) error) error {
	o := &l.o
	if err := vfs.MkdirAllSync(o.FS, o.Dir); err != nil {
		return fmt.Errorf("make log directory: %w", err)
	}
	w, err := walkLog(o.FS, o.Dir, replay)
	if err != nil {
		return err
	}
	if w.damage != nil {
		return w.damage
	}
	if err := l.cut(w); err != nil {
		return fmt.Errorf("cut the incomplete end of the log: %w", err)
	}
	if len(w.kept) == 0 {
		return l.begin()
	}
	if err := l.adopt(w); err != nil {
		return err
	}
	// A process that ended between the two may have made a segment and not synced the directory: what is appended to it
	// from now on must not be gone with it after the next power cut.
	if err := o.FS.SyncDir(o.Dir); err != nil {
		return fmt.Errorf("fsync log directory: %w", err)
	}
	return l.mark()
}

// begin makes the first segment.
func (l *Log) begin() error {
	s, err := createSegment(l.o.FS, l.o.Dir, 1, l.o.SegmentBytes, l.o.Clock())
	if isNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	if err != nil {
		return err
	}
	l.segments, l.tailEnd = []*segment{s}, headerBytes
	return nil
}

// cut removes what lies after the end of the log, from the newest back, so that nothing of it can ever be taken for
// what is appended there next. Each step is durable before the next one.
func (l *Log) cut(w *walk) error {
	fs, dir := l.o.FS, l.o.Dir
	if n := w.tornBytes(); n > 0 {
		l.o.Logger.Warn("cutting the log after its last complete batch: what follows was never acknowledged as durable",
			"segment", w.kept[len(w.kept)-1].name, "offset", w.kept[len(w.kept)-1].end, "bytes", n,
			"unsyncedBatches", w.unsyncedBatches())
	}
	for _, base := range w.leftover {
		if err := fs.Remove(filepath.Join(dir, base)); err != nil {
			return err
		}
	}
	spares := len(w.later)
	for i := len(w.later) - 1; i >= 0; i-- {
		// A prepared segment serves as it is, if nothing was written to it and it is large enough.
		if s := w.later[i]; s.rest.dirtyFrom < s.rest.dirtyTo || s.size < l.o.SegmentBytes {
			spares = i
		}
	}
	for i := len(w.later) - 1; i >= spares; i-- {
		if err := fs.Remove(w.later[i].name); err != nil {
			return err
		}
		if err := fs.SyncDir(dir); err != nil {
			return err
		}
	}
	w.later = w.later[:spares]
	if len(w.kept) == 0 {
		return nil
	}
	return zeroRest(l.o.FS, w.kept[len(w.kept)-1])
}

// adopt takes over the segments as they were found.
func (l *Log) adopt(w *walk) error {
	for i, found := range slices.Concat(w.kept, w.later) {
		s := &segment{
			identity: found.identity, name: found.name, capacity: found.size, zeroed: found.end,
			firstSeq: found.firstSeq, lastSeq: found.lastSeq, indexes: found.indexes,
		}
		l.segments = append(l.segments, s)
		full := i < len(w.kept)-1
		if full && s.lastSeq <= w.synced {
			continue
		}
		var err error
		if s.f, err = l.o.FS.OpenReadWrite(s.name); err != nil {
			return fmt.Errorf("open log segment: %w", err)
		}
		if err := s.f.Sync(); err != nil {
			return fmt.Errorf("fsync log: %w", err)
		}
		if full {
			s.f.Close()
			s.f = nil
		} else if err := l.reserve(s, found.end); err != nil {
			return err
		}
	}
	l.tailAt = len(w.kept) - 1
	l.tailEnd = w.kept[l.tailAt].end
	l.writtenSeq, l.syncedSeq, l.marked = w.next-1, w.next-1, w.marked
	return nil
}

// reserve allocates the blocks of a segment that will be written to: the file may have come here by a copy that left
// holes. Without space the segment is full as it is, and the log begins its life waiting for space.
func (l *Log) reserve(s *segment, end int64) error {
	err := s.f.Allocate(0, s.capacity)
	switch {
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return nil
	case isNoSpace(err):
		s.capacity = end
		l.noSpace = true
		return nil
	}
	return fmt.Errorf("prepare log: %w", err)
}

package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// walk reads a log as it lies on disk, changing nothing. Recovery, Check and Repair all begin with it, so that they
// agree on where a log ends.
//
// Let E be the number of the batch that should follow the last one that could be read. Everything from there
// on is looked through for commit records that verify. Each says which batch was known to be durable when it was
// written. If any says E or higher, batch E had been durable and is damaged now: corruption. Otherwise E was never
// promised to anybody, and the log ends before it.
type walk struct {
	fs  vfs.FS
	dir string
	r   reader

	kept     []*found      // segments whose header verifies, up to the one in which the log ends
	later    []*found      // segments after that one whose header verifies
	unread   []string      // base names of segments from the first on that could not be read at all
	leftover []string      // base names of unfinished files
	next     uint64        // E: number of the next batch
	marked   bool          // the last batch is a mark
	synced   uint64        // the newest batch that the batches read say had been durable
	damage   *CorruptError // nil if the log is sound
}

// found is a segment as it lies on disk.
type found struct {
	header
	name     string // path
	size     int64  // of the file
	end      int64  // after its last usable batch
	batches  uint64
	records  uint64
	firstSeq uint64 // 0 if it has no usable batch
	lastSeq  uint64
	indexes  groupIndexes
	rest     rest // what lies after end; known for the last one kept and those later
}

// walkLog reads the log in dir and gives visit each record in order. The error is visit's own, that of
// an unreadable disk, or an unknown version; damage is not an error here.
func walkLog(fs vfs.FS, dir string, visit func(Record) error) (*walk, error) {
	w := &walk{fs: fs, dir: dir, next: 1}
	numbers, err := w.list()
	if err != nil {
		return nil, err
	}
	if err := w.readAll(numbers, visit); err != nil {
		return nil, err
	}
	if err := w.lookThroughRest(); err != nil {
		return nil, err
	}
	w.judge()
	return w, nil
}

// list returns the numbers of the segments, ascending.
func (w *walk) list() ([]uint64, error) {
	names, err := w.fs.List(w.dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var numbers []uint64
	for _, base := range names {
		if n, ok := segmentNumber(base); ok {
			numbers = append(numbers, n)
		} else if strings.HasSuffix(base, segmentSuffix+tmpSuffix) {
			w.leftover = append(w.leftover, base)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// readAll reads segment after segment until the log ends.
func (w *walk) readAll(numbers []uint64, visit func(Record) error) error {
	ended := false
	for i, number := range numbers {
		if i > 0 && number != numbers[i-1]+1 {
			w.missing(numbers[i-1]+1, numbers[i:])
			return nil
		}
		s, err := w.readSegment(number, ended, visit)
		var bad *CorruptError
		switch {
		case errors.As(err, &bad):
			w.damage = bad
			w.skip(numbers[i:])
			return nil
		case err != nil:
			return err
		}
		if i > 0 && s.firstSeq == 0 {
			ended = true
		}
		if ended {
			w.later = append(w.later, s)
		} else {
			w.kept = append(w.kept, s)
		}
	}
	return nil
}

// missing notes that a segment is not there although later ones are. Segments appear and go in order, each step
// durable before the next, so no crash explains it.
func (w *walk) missing(number uint64, after []uint64) {
	w.damage = &CorruptError{
		File:   segmentName(w.dir, number),
		Reason: fmt.Sprintf("the segment is missing, though segment %d is there", after[0]),
	}
	w.skip(after)
}

func (w *walk) skip(numbers []uint64) {
	for _, n := range numbers {
		w.unread = append(w.unread, filepath.Base(segmentName(w.dir, n)))
	}
}

// readSegment reads one segment: its header, and its batches unless the log has ended before.
func (w *walk) readSegment(number uint64, ended bool, visit func(Record) error) (*found, error) {
	s := &found{name: segmentName(w.dir, number), end: headerBytes}
	f, err := w.fs.Open(s.name)
	if err != nil {
		return nil, fmt.Errorf("open log segment: %w", err)
	}
	defer f.Close()
	if s.size, err = f.Size(); err != nil {
		return nil, fmt.Errorf("open log segment: %w", err)
	}
	w.r.reset(f, s.size)
	block, err := w.r.view(0, 0, headerBytes)
	if err != nil {
		return nil, fmt.Errorf("read log segment %s: %w", s.name, err)
	}
	if s.header, err = decodeHeader(block, s.name, number); err != nil {
		return nil, err
	}
	if ended {
		return s, nil
	}
	return s, w.readBatches(s, visit)
}

func (w *walk) readBatches(s *found, visit func(Record) error) error {
	for {
		b, c, err := w.r.batchAt(s.identity, s.end)
		if err != nil {
			return fmt.Errorf("read log segment %s at offset %d: %w", s.name, s.end, err)
		}
		// Segments before the oldest were truncated, so its first batch may have any number.
		afterTruncation := len(w.kept) == 0 && s.batches == 0 && s.number > 1
		if b == nil || c.seq != w.next && !afterTruncation {
			return nil
		}
		if err := s.add(b[:c.bytes], visit); err != nil {
			return err
		}
		if s.batches == 0 {
			s.firstSeq = c.seq
		}
		s.batches++
		s.lastSeq = c.seq
		s.end += int64(len(b))
		w.next, w.synced, w.marked = c.seq+1, c.synced, c.bytes == 0
	}
}

// add gives the records of a verified batch to visit.
func (s *found) add(records []byte, visit func(Record) error) error {
	for len(records) > 0 {
		r, size := decodeRecord(records)
		if err := visit(r); err != nil {
			return fmt.Errorf("replay of log segment %s, batch at offset %d, group %d, index %d: %w", s.name, s.end, r.Group, r.Index, err)
		}
		s.indexes.raise(r.Group, r.Index)
		s.records++
		records = records[size:]
	}
	return nil
}

// lookThroughRest looks at everything after the end of the log.
func (w *walk) lookThroughRest() error {
	targets := w.later
	if n := len(w.kept); n > 0 {
		targets = append([]*found{w.kept[n-1]}, w.later...)
	}
	for _, s := range targets {
		f, err := w.fs.Open(s.name)
		if err != nil {
			return fmt.Errorf("open log segment: %w", err)
		}
		w.r.reset(f, s.size)
		s.rest, err = w.r.restFrom(s.identity, s.end)
		f.Close()
		if err != nil {
			return fmt.Errorf("read log segment %s: %w", s.name, err)
		}
	}
	return nil
}

// judge decides whether what follows the end of the log is a write that a crash cut short, or damage.
func (w *walk) judge() {
	if w.damage != nil || len(w.kept) == 0 {
		return
	}
	last := w.kept[len(w.kept)-1]
	promised := last.rest.synced
	for _, s := range w.later {
		promised = max(promised, s.rest.synced)
	}
	at := &CorruptError{File: last.name, Offset: last.end}
	if last.rest.dirtyFrom == last.rest.dirtyTo && len(w.later) > 0 {
		at.File, at.Offset = w.later[0].name, headerBytes // the log went on in the next segment
	}
	switch {
	case promised >= w.next:
		at.Reason = fmt.Sprintf("batch %d does not verify, and later commit records say that everything up to batch %d was durable",
			w.next, promised)
		w.damage = at
	case w.kept[0].batches == 0 && w.kept[0].number > 1:
		// Truncation keeps a segment until the first batch of the next one is durable.
		at.File, at.Offset = w.kept[0].name, headerBytes
		at.Reason = "the first batch of the oldest segment does not verify, though it was durable when the segment before was removed"
		w.damage = at
	}
}

// unsyncedBatches counts complete batches after the end of the log: they were never promised to be durable, and
// something before them is missing.
func (w *walk) unsyncedBatches() int {
	n := 0
	if len(w.kept) > 0 {
		n = w.kept[len(w.kept)-1].rest.batches
	}
	for _, s := range w.later {
		n += s.rest.batches
	}
	return n
}

// tornBytes counts the bytes that are not zero after the end of the log.
func (w *walk) tornBytes() int64 {
	n := int64(0)
	for _, s := range slices.Concat(w.kept[max(0, len(w.kept)-1):], w.later) {
		n += s.rest.dirtyTo - s.rest.dirtyFrom
	}
	return n
}

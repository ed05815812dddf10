package wal

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Report says what a log directory holds.
type Report struct {
	Dir      string
	Segments []SegmentReport
	Batches  uint64
	Records  uint64
	// TornBytes follow the last complete batch without ever having been acknowledged as durable. Open cuts them; it
	// is what a crash in the middle of a write leaves.
	TornBytes int64
	// UnsyncedBatches are complete batches among those bytes. A power cut under policy everysec or never may leave
	// them behind a gap.
	UnsyncedBatches int
	// Damage is nil if the log is sound.
	Damage *CorruptError
	// Actions are what Repair has done or, in a dry run, would do.
	Actions []string
}

// SegmentReport says what a segment holds.
type SegmentReport struct {
	File    string
	Number  uint64
	Bytes   int64 // size of the file
	End     int64 // offset after the last usable batch
	Batches uint64
	Records uint64
	Groups  int
}

// Check reads the log in dir, changing nothing. Damage is in the report; the error is for what could not be
// read at all, an unknown version included.
func Check(fs vfs.FS, dir string) (Report, error) {
	w, err := walkLog(fs, dir, func(Record) error { return nil })
	if err != nil {
		return Report{Dir: dir}, err
	}
	return w.report(), nil
}

func (w *walk) report() Report {
	rep := Report{Dir: w.dir, TornBytes: w.tornBytes(), UnsyncedBatches: w.unsyncedBatches(), Damage: w.damage}
	for _, list := range [][]*found{w.kept, w.later} {
		for _, s := range list {
			rep.Batches += s.batches
			rep.Records += s.records
			rep.Segments = append(rep.Segments, SegmentReport{
				File: s.name, Number: s.number, Bytes: s.size, End: s.end, Batches: s.batches, Records: s.records,
				Groups: len(s.indexes.above(&groupIndexes{})),
			})
		}
	}
	return rep
}

// Repair cuts a damaged log at the damage, so that it opens again. What is cut is set aside in files whose
// names end in ".cut" and never deleted: it may hold writes that were acknowledged, and these are lost to the node
// unless somebody brings them back. In a dry run nothing is changed. A sound log is left alone.
func Repair(fs vfs.FS, dir string, dryRun bool) (Report, error) {
	w, err := walkLog(fs, dir, func(Record) error { return nil })
	if err != nil {
		return Report{Dir: dir}, err
	}
	r := &repair{walk: w, dryRun: dryRun, rep: w.report()}
	if w.damage == nil {
		return r.rep, nil
	}
	if err := r.run(); err != nil {
		return r.rep, fmt.Errorf("repair log: %w", err)
	}
	return r.rep, nil
}

type repair struct {
	*walk
	dryRun bool
	rep    Report
}

// run sets aside whole segments from the newest back, then the damaged end of the last one that stays. A crash in
// between leaves a log that is damaged at the same place, to be repaired again.
func (r *repair) run() error {
	for i := len(r.unread) - 1; i >= 0; i-- {
		if err := r.setAside(filepath.Join(r.dir, r.unread[i])); err != nil {
			return err
		}
	}
	for i := len(r.later) - 1; i >= 0; i-- {
		if err := r.setAside(r.later[i].name); err != nil {
			return err
		}
	}
	if len(r.kept) == 0 {
		return nil
	}
	last := r.kept[len(r.kept)-1]
	if last.batches == 0 {
		return r.setAside(last.name)
	}
	return r.cutEnd(last)
}

// asideName returns a name for what is set aside that is not taken.
func (r *repair) asideName(name string) (string, error) {
	for i := 0; ; i++ {
		aside := name + cutSuffix
		if i > 0 {
			aside = fmt.Sprintf("%s.%d%s", name, i, cutSuffix)
		}
		_, err := r.fs.Stat(aside)
		if isNotExist(err) {
			return aside, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// setAside renames a segment out of the log.
func (r *repair) setAside(name string) error {
	aside, err := r.asideName(name)
	if err != nil {
		return err
	}
	r.rep.Actions = append(r.rep.Actions, fmt.Sprintf("rename %s to %s", name, filepath.Base(aside)))
	if r.dryRun {
		return nil
	}
	if err := r.fs.Rename(name, aside); err != nil {
		return err
	}
	return r.fs.SyncDir(r.dir)
}

// cutEnd copies what follows the last usable batch to a file of its own and overwrites it with zeros.
func (r *repair) cutEnd(s *found) error {
	from, to := s.rest.dirtyFrom, s.rest.dirtyTo
	if from == to {
		return nil
	}
	aside, err := r.asideName(fmt.Sprintf("%s.%d", s.name, from))
	if err != nil {
		return err
	}
	r.rep.Actions = append(r.rep.Actions,
		fmt.Sprintf("copy bytes %d to %d of %s to %s", from, to, s.name, filepath.Base(aside)),
		fmt.Sprintf("overwrite them with zeros: the log then ends at offset %d", s.end))
	if r.dryRun {
		return nil
	}
	if err := copyRange(r.fs, s.name, aside, from, to); err != nil {
		return err
	}
	if err := r.fs.SyncDir(r.dir); err != nil {
		return err
	}
	return zeroRest(r.fs, s)
}

// zeroRest overwrites what follows a segment's last usable batch with zeros, durably.
func zeroRest(fs vfs.FS, s *found) error {
	if s.rest.dirtyFrom == s.rest.dirtyTo {
		return nil
	}
	f, err := fs.OpenReadWrite(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeZeros(f, s.rest.dirtyFrom, s.rest.dirtyTo, make([]byte, zeroChunkBytes)); err != nil {
		return err
	}
	return f.Sync()
}

func copyRange(fs vfs.FS, from, to string, start, end int64) error {
	src, err := fs.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := fs.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, io.NewSectionReader(src, start, end-start)); err != nil {
		return err
	}
	return dst.Sync()
}

// Exists reports whether dir holds a segment of a log, whatever its state. A log that has been opened once always has
// one.
func Exists(fs vfs.FS, dir string) (bool, error) {
	names, err := fs.List(dir)
	if err != nil && !isNotExist(err) {
		return false, fmt.Errorf("list log: %w", err)
	}
	return slices.ContainsFunc(names, func(base string) bool {
		_, ok := segmentNumber(base)
		return ok
	}), nil
}

// Begin makes an empty log in dir, which must hold none: for a repair after which nothing of a log is left. Its first
// segment is as small as can be; whoever opens the log makes further ones of the size they want.
func Begin(fs vfs.FS, dir string, now time.Time) error {
	there, err := Exists(fs, dir)
	if err == nil && there {
		err = errors.New("there is one already")
	}
	if err != nil {
		return fmt.Errorf("begin a log in %s: %w", dir, err)
	}
	s, err := createSegment(fs, dir, 1, 2*headerBytes, now)
	if err != nil {
		return err
	}
	return s.f.Close()
}

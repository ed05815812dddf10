package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// LoadOptions are the node's side of LoadAll.
type LoadOptions struct {
	// Workers is how many files are read at the same time; less than 1 is 1. One worker is the caller's own
	// goroutine.
	Workers int
	// Cluster and Partitions are what the files must belong to. Their zero
	// values take any.
	Cluster    [16]byte
	Partitions uint32
	// Open is called from the workers before the first entry of a file, with the
	// group's state and the exact number of entries to come. It is called again for the same group if
	// that file proves bad: the entries given out before are void, and the table
	// must be emptied or replaced first. Never at once twice for one group.
	Open func(Meta) (Sink, error)
	// Progress, if not nil, is told the bytes read of the bytes there are; the
	// total grows if a file proves bad. Never called twice at once.
	Progress func(done, total int64)
}

// Problem is a file that could not be used.
type Problem struct {
	Path  string // as it was
	Aside string // where it has been moved; empty if it was left in place
	Err   error
}

func (p Problem) String() string {
	if p.Aside == "" {
		return fmt.Sprintf("%v (left in place)", p.Err)
	}
	return fmt.Sprintf("%v (set aside as %s)", p.Err, filepath.Base(p.Aside))
}

// Loaded is what LoadAll found for one group.
type Loaded struct {
	Group uint32
	// Meta and Path of the snapshot that was loaded. Path is empty if the group
	// has none that can be used; its table is then empty as of index 0.
	Meta Meta
	Path string
	// MustReach is an index that the group is known to have reached, because a
	// snapshot of it was published, even if that file is bad or set aside by now.
	// If snapshot and log together do not reach it, writes are missing.
	MustReach uint64
	// Bad is the highest index of a snapshot that could not be used, now or at an
	// earlier start; 0: there is none.
	Bad      uint64
	Problems []Problem
}

// LoadAll loads the newest usable snapshot of each group, several groups at a
// time. The result is in the order of groups.
//
// A file that proves bad is set aside as *.bad and the one before it is tried;
// one that cannot be read is left in place and passed over. Both are in
// Problems. An error comes back, and the start must end, if a file is of an
// unknown version or another cluster's, if Open or a sink failed, if a bad file
// cannot be moved, or if ctx is done.
//
// Falling back is safe only if the log still has what came after: a replica.Recovery
// of the result and the log says so.
func LoadAll(ctx context.Context, fs vfs.FS, dir string, groups []uint32, o LoadOptions) ([]Loaded, error) {
	l, err := newLoader(fs, dir, groups, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Largest first: the last file to finish is then a small one.
	order := slices.Clone(l.plans)
	slices.SortStableFunc(order, func(a, b *plan) int { return cmp.Compare(b.bytes(), a.bytes()) })
	if workers := min(o.Workers, len(order)); workers > 1 {
		l.parallel(ctx, order, workers, cancel)
	} else {
		for i := 0; i < len(order) && ctx.Err() == nil; i++ {
			if err := l.group(ctx, order[i]); err != nil {
				cancel(err)
			}
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out := make([]Loaded, len(l.plans))
	for i, p := range l.plans {
		out[i] = p.Loaded
	}
	return out, nil
}

// parallel loads the groups on several goroutines and waits for them. The first that fails cancels ctx.
func (l *loader) parallel(ctx context.Context, order []*plan, n int, cancel context.CancelCauseFunc) {
	queue := make(chan *plan)
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for p := range queue {
				if err := l.group(ctx, p); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, p := range order {
		select {
		case queue <- p:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
}

// plan is one group's candidates and what became of them. One worker at a time
// has it.
type plan struct {
	Loaded
	files []Info
}

func (p *plan) bytes() int64 {
	if len(p.files) == 0 {
		return 0
	}
	return p.files[0].Bytes
}

type loader struct {
	fs    vfs.FS
	o     LoadOptions
	plans []*plan

	mu          sync.Mutex
	done, total int64 // guarded by mu
}

func newLoader(fs vfs.FS, dir string, groups []uint32, o LoadOptions) (*loader, error) {
	chosen, err := Choose(fs, dir, groups)
	if err != nil {
		return nil, err
	}
	l := &loader{fs: fs, o: o}
	for _, c := range chosen {
		p := &plan{Loaded: Loaded{Group: c.Group, MustReach: c.MustReach, Bad: c.Bad}, files: c.Files}
		l.plans = append(l.plans, p)
		l.total += p.bytes()
	}
	return l, nil
}

// group loads the newest usable candidate of p.
func (l *loader) group(ctx context.Context, p *plan) error {
	for i, c := range p.files {
		if i > 0 {
			l.progress(0, c.Bytes)
		}
		left := c.Bytes
		meta, err := load(ctx, l.fs, c.Path, l.check, l.o.Open, func(n int64) {
			left -= n
			l.progress(n, 0)
		})
		l.progress(left, 0) // header and footer, or what a bad file did not give
		if err == nil {
			p.Meta, p.Path = meta, c.Path
			return nil
		}
		problem := Problem{Path: c.Path, Err: err}
		var unreadable *readError
		switch {
		case ctx.Err() != nil:
			return err
		case errors.Is(err, ErrCorrupt):
			if problem.Aside, err = SetAside(l.fs, c.Path); err != nil {
				return errors.Join(problem.Err, err)
			}
		case !errors.As(err, &unreadable):
			return err
		}
		p.Problems = append(p.Problems, problem)
		p.Bad = max(p.Bad, c.Index)
	}
	return nil
}

// check refuses what belongs elsewhere. It is a person's mistake, not damage:
// nothing is set aside and the start ends.
func (l *loader) check(path string, m Meta) error {
	var zero [16]byte
	switch {
	case l.o.Cluster != zero && m.Cluster != l.o.Cluster:
		return &FileError{Path: path, Offset: 48, Kind: ErrForeign,
			Reason: fmt.Sprintf("it is of cluster %x, this is cluster %x: move the file out of the directory", m.Cluster, l.o.Cluster)}
	case l.o.Partitions != 0 && m.Partitions != l.o.Partitions:
		return &FileError{Path: path, Offset: 40, Kind: ErrForeign,
			Reason: fmt.Sprintf("it is of a directory with %d partitions, this one has %d: move the file out of the directory", m.Partitions, l.o.Partitions)}
	}
	return nil
}

func (l *loader) progress(done, more int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += done
	l.total += more
	if l.o.Progress != nil {
		l.o.Progress(l.done, l.total)
	}
}

package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Cluster is what is backed up; *client.Client is one.
type Cluster interface {
	Topology(ctx context.Context) (client.Topology, error)
	Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error
}

// Progress of a backup or a verification.
type Progress struct {
	Partitions int   // done
	Of         int   // in all
	Bytes      int64 // received or read so far
	Entries    uint64
}

// Options may all be left out.
type Options struct {
	// Parallel is how many partitions are received at a time. Default 2.
	Parallel int
	// Resume goes on with a backup that was interrupted: what is there is verified
	// and kept.
	Resume bool
	// Patience is how long a partition that cannot be served is asked again: a
	// leader may have failed. Default one minute.
	Patience time.Duration
	// Program is written into the manifest.
	Program string
	// Progress is called after each piece, from one goroutine at a time.
	Progress func(Progress)
	Now      func() time.Time // default: time.Now
	// Sleep waits between two attempts, and reports false if ctx ended first. Default: by a timer.
	Sleep func(ctx context.Context, d time.Duration) bool
}

// Take backs the cluster up into dir, which must be empty or not there unless a
// backup is resumed. It returns the manifest when all of it is durable. After an error
// the directory holds an incomplete backup, or, if no partition had been received
// yet, what it held before. Errors: ErrComplete, ErrIncomplete,
// ErrNotEmpty, of the cluster (*client.Error) and of the disk.
func Take(ctx context.Context, db Cluster, fs vfs.FS, dir string, o Options) (*Manifest, error) {
	t := &taker{db: db, fs: fs, dir: dir, o: o}
	if t.o.Parallel <= 0 {
		t.o.Parallel = 2
	}
	if t.o.Patience <= 0 {
		t.o.Patience = time.Minute
	}
	if t.o.Now == nil {
		t.o.Now = time.Now
	}
	if t.o.Sleep == nil {
		t.o.Sleep = sleep
	}
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	if err := t.all(ctx); err != nil {
		return nil, err
	}
	return t.finish()
}

// taker is one call of Take.
type taker struct {
	db  Cluster
	fs  vfs.FS
	dir string
	o   Options
	// made says that dir was not there.
	made bool

	mu       sync.Mutex
	m        *Manifest // guarded by mu
	written  time.Time // guarded by mu; when the partial manifest was
	progress Progress  // guarded by mu
}

// noteEvery is how often the partial manifest is written: with every file it would
// cost more than the files where there are many. What an abrupt end leaves
// unnoted is received again.
const noteEvery = time.Second

// begin makes the directory and its partial manifest, or takes up what is there.
func (t *taker) begin(ctx context.Context) error {
	st, err := look(t.fs, t.dir)
	switch {
	case err != nil:
		return err
	case st == complete:
		return fmt.Errorf("%s %w", t.dir, ErrComplete)
	case st == strange:
		return fmt.Errorf("%s %w, and what it holds is not a backup", t.dir, ErrNotEmpty)
	case st == incomplete && !t.o.Resume:
		return fmt.Errorf("%s %w", t.dir, ErrIncomplete)
	}
	topology, err := t.db.Topology(ctx)
	if err != nil {
		return err
	}
	if st == incomplete {
		if err := t.resume(ctx, &topology); err != nil {
			return err
		}
	} else {
		t.m = &Manifest{Format: formatName, Version: formatVersion, ClusterID: topology.ClusterID, Epoch: topology.Epoch,
			Partitions: len(topology.Partitions), Begun: t.o.Now().UTC().Truncate(time.Second), Program: t.o.Program}
	}
	t.progress = Progress{Partitions: len(t.m.Files), Of: t.m.Partitions}
	if _, err := t.fs.Stat(t.dir); errors.Is(err, os.ErrNotExist) {
		t.made = true
	}
	if err := vfs.MkdirAllSync(t.fs, t.dir); err != nil {
		return fmt.Errorf("make %s: %w", t.dir, err)
	}
	return t.m.write(t.fs, t.dir, partialName)
}

// resume keeps the files that are whole.
func (t *taker) resume(ctx context.Context, topology *client.Topology) error {
	m, err := readManifest(t.fs, filepath.Join(t.dir, partialName))
	if err != nil {
		return err
	}
	if m.ClusterID != topology.ClusterID || m.Partitions != len(topology.Partitions) {
		return fmt.Errorf("%s holds a backup of cluster %s with %d partitions, and this is cluster %s with %d: choose another directory",
			t.dir, m.ClusterID, m.Partitions, topology.ClusterID, len(topology.Partitions))
	}
	for _, f := range append([]File(nil), m.Files...) {
		err := checkFile(ctx, t.fs, t.dir, m, &f, nil)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			m.remove(f.Partition) // it is received again
		}
	}
	t.m = m
	return nil
}

// all receives the partitions that are missing.
func (t *taker) all(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	missing := make(chan int)
	var workers sync.WaitGroup
	for range t.o.Parallel {
		workers.Go(func() {
			for partition := range missing {
				if ctx.Err() != nil {
					continue // another has failed: nothing new is begun
				}
				if err := t.one(ctx, partition); err != nil {
					cancel(err)
				}
			}
		})
	}
	var want []int
	for p := range t.m.Partitions {
		if t.m.file(p) == nil {
			want = append(want, p)
		}
	}
	for _, p := range want {
		select {
		case missing <- p:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(missing)
	workers.Wait()
	err := context.Cause(ctx)
	switch {
	case err == nil:
	case len(t.m.Files) == 0 && !t.o.Resume:
		err = errors.Join(err, t.undo())
	default:
		err = errors.Join(err, t.m.write(t.fs, t.dir, partialName))
	}
	return err
}

// undo takes back what begin did.
func (t *taker) undo() error {
	err := t.fs.Remove(filepath.Join(t.dir, partialName))
	if err == nil && t.made {
		err = t.fs.Remove(t.dir)
	}
	return err
}

// one receives a partition and notes it.
func (t *taker) one(ctx context.Context, partition int) error {
	f, err := t.receive(ctx, partition)
	if err != nil {
		return fmt.Errorf("partition %d: %w", partition, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m.add(*f)
	t.progress.Partitions++
	t.tell()
	now := t.o.Now()
	if now.Sub(t.written) < noteEvery {
		return nil
	}
	t.written = now
	return t.m.write(t.fs, t.dir, partialName)
}

// received counts bytes; negative ones are thrown away.
func (t *taker) received(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.Bytes += n
	t.tell()
}

// tell reports; mu is held.
func (t *taker) tell() {
	if t.o.Progress != nil {
		t.o.Progress(t.progress)
	}
}

// finish publishes the manifest.
func (t *taker) finish() (*Manifest, error) {
	t.m.Completed = t.o.Now().UTC().Truncate(time.Second)
	if err := t.m.write(t.fs, t.dir, manifestName); err != nil {
		return nil, err
	}
	// Complete from here on, whatever becomes of this name.
	err := t.fs.Remove(filepath.Join(t.dir, partialName))
	if err == nil {
		err = t.fs.SyncDir(t.dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the backup is complete; remove %s from %s by hand: %w", partialName, t.dir, err)
	}
	return t.m, nil
}

package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/prakashpandey/vegadb/internal/backup"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/loader"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/store"
)

// A backup is restored into a cluster of another number of nodes and partitions: a world of its own, in which faults come as
// well, whose only client is what vega-client cluster restore does (package loader, in lockstep).

// restoreMs bounds a restore, with its faults.
const restoreMs = 60_000

// waitForStore is what loading waits for: that a batch is stored.
type waitForStore struct{ batch []loader.Record }

// restoredElsewhere restores the newest backup and compares what is there then with it.
func (s *Sim) restoredElsewhere() {
	b := s.backer
	if b == nil || len(s.failure) > 0 {
		return
	}
	s.phase("restore")
	from, err := backup.Open(b.mem, b.complete)
	if err != nil {
		s.fail("the backup of %s cannot be opened any more: %v", b.complete, err)
		return
	}
	rng := s.cfg.stream(streamRestore)
	faults := drawFaults(rng)
	faults.Damage, faults.EveryMs = false, 100+rng.IntN(400)
	other := newSim(Config{
		Seed: s.cfg.Seed ^ 0x9E3779B97F4A7C15, Nodes: 8 - s.cfg.Nodes, Partitions: s.cfg.Partitions%4 + 1, Clients: 1, Keys: 1, Keep: s.cfg.Keep,
		Faults: faults, Features: &Features{}, LivenessMs: s.cfg.LivenessMs,
	})
	defer other.close()
	other.cluster[15]++ // it is another one
	other.now = s.now
	other.restores(from)
	s.trace.hash, s.trace.count = fnvNumber(s.trace.hash, other.trace.hash), s.trace.count+other.trace.count
	count(&s.figures.Worlds, "restores", 1)
	if len(other.failure) > 0 {
		s.elsewhere = other.result()
		s.fail("the cluster that a backup is restored into: %s", other.failure[0])
	}
}

// restores is the whole run of the world that a backup is restored into.
func (s *Sim) restores(from *backup.Backup) {
	if id := hex.EncodeToString(s.cluster[:]); from.Fits(id) == nil || from.Fits(from.ClusterID) != nil {
		s.fail("a backup of cluster %s is not refused by cluster %s, or by its own", from.ClusterID, id)
		return
	}
	s.phase("birth")
	for _, n := range s.nodes {
		n.format()
		n.start()
	}
	s.plague()
	r := &restorer{s: s, c: s.clients[0], from: from}
	r.begin()
	done := s.run(s.now+restoreMs*milli, func() bool {
		if !s.calm && s.now > 3000*milli+r.began {
			s.heal()
		}
		return r.loading == nil
	})
	if r.loading != nil {
		r.loading.end()
		r.loading = nil
		if done = false; len(s.failure) == 0 {
			s.fail("not restored after %d ms: %s", restoreMs, s.stuck())
		}
	}
	if !done {
		return
	}
	s.heal()
	s.over = true
	if !s.run(s.now+s.cfg.LivenessMs*milli, s.settled) {
		s.fail("not settled: %d ms after a restore %s", s.cfg.LivenessMs, s.unsettled())
		return
	}
	s.witness.compare()
	r.judge()
}

// restorer loads a backup into its world.
type restorer struct {
	s       *Sim
	c       *client
	from    *backup.Backup
	loading *lockstep
	failed  error
	began   int64
	parts   [][]loader.Record // of the batch that is being stored, what is left of it, by partition
}

// begin begins to load. The time that decides what has expired is that of the beginning: loading reads on while a batch is
// being stored, and so must not look at the world's.
func (r *restorer) begin() {
	r.began = r.s.now
	now := time.UnixMilli(epochMs + r.s.now/milli)
	r.c.script = r.next
	r.c.begin() // it asks for something to do when it knows the cluster
	r.loading = inLockstep(func(ctx context.Context, l *lockstep) {
		next, stop := iter.Pull2(r.from.All(ctx))
		defer stop()
		r.failed = loader.Load(ctx, reader(next), loader.LoadOptions{
			Concurrency: 1, BatchSize: 16, Name: "backup", Now: func() time.Time { return now },
			Store: func(_ context.Context, batch []loader.Record, _ func(int, error)) error {
				if _, ok := l.wait(&waitForStore{batch}); !ok {
					return errBroken
				}
				return nil
			},
		}, &loader.Progress{})
	})
}

// reader gives a backup's entries as records.
type reader func() (backup.Entry, error, bool)

func (next reader) Read(rec *loader.Record) error {
	e, err, ok := next()
	if !ok {
		return io.EOF
	}
	if err == nil {
		*rec = loader.Record{Key: e.Key, Value: e.Value, ExpireAt: e.ExpireAt}
	}
	return err
}

// goOn has loading go on until it waits again.
func (r *restorer) goOn(answer any) {
	what, more := r.loading.next(answer)
	if !more {
		if r.loading.broken != "" {
			r.failed = errors.New(r.loading.broken)
		}
		if r.loading = nil; r.failed != nil {
			r.s.fail("restore: %v", r.failed)
		}
		return
	}
	r.parts = make([][]loader.Record, r.s.cfg.Partitions)
	for _, rec := range what.(*waitForStore).batch {
		p := ring.PartitionOf(rec.Key, r.s.cfg.Partitions)
		r.parts[p] = append(r.parts[p], rec)
	}
	r.c.s.after(0, r.c.next)
}

// next is the client's script: the next partition's part of the batch, as one write, until all are stored.
func (r *restorer) next() (history.Op, *extra, bool) {
	for p, part := range r.parts {
		if len(part) == 0 {
			continue
		}
		return history.Op{Kind: history.Put, Key: string(part[0].Key)}, &extra{
			name: "restore",
			entry: func(e []byte, _ int64) []byte {
				for i := range part {
					e = command.AppendPut(e, part[i].Key, part[i].Value, command.PutOp{ExpireAt: part[i].ExpireAt})
				}
				command.SetCount(e, len(part))
				return e
			},
			check: func(_ *client, _ *operation, how history.Outcome) {
				if how == history.OK {
					r.parts[p] = nil
				}
			},
		}, true
	}
	r.s.after(0, func() { r.goOn(nil) })
	return history.Op{}, nil, false
}

// judge compares what is there with the backup: the same entries, but for those whose time has come.
func (r *restorer) judge() {
	s := r.s
	want := make(map[string]backup.Entry)
	for e, err := range r.from.All(context.Background()) {
		if err != nil {
			s.fail("the backup: %v", err)
			return
		}
		e.Value = append([]byte(nil), e.Value...)
		want[string(e.Key)] = e
	}
	wrong, found := "", 0
	for g := 1; g <= s.cfg.Partitions; g++ {
		for _, n := range s.nodes {
			if n.proc == nil {
				continue
			}
			everyEntry(n.parts[g-1].table, func(e *store.Entry) {
				w, is := want[string(e.Key)]
				if !is || string(w.Value) != string(e.Value) || w.ExpireAt != e.ExpireAt {
					wrong = string(e.Key)
				}
				if is && !command.Expired(e.ExpireAt, s.witness.clock) {
					found++
				}
			})
			break
		}
	}
	due := 0
	for _, e := range want {
		if !command.Expired(e.ExpireAt, s.witness.clock) {
			due++
		}
	}
	if wrong != "" || found != due {
		s.fail("restored are %d entries of %d that have not expired; not as in the backup, or not in it, is %q", found, due, wrong)
	}
}

// everyEntry walks a table.
func everyEntry(t *store.Table, each func(e *store.Entry)) {
	for cursor := uint64(0); ; {
		if cursor = t.Scan(cursor, 256, each); cursor == 0 {
			return
		}
	}
}

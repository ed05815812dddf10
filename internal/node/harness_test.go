package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// smallOptions are those of a node whose segments fill after a few hundred writes.
func smallOptions(fs vfs.FS, policy wal.SyncPolicy) Options {
	return Options{
		FS: fs, Dir: "data", Partitions: 4, Durability: policy,
		LogSegmentBytes: 32 << 10, MaxRecordBytes: 8 << 10, LogQueueBytes: 64 << 10, SnapshotKeep: 2,
	}
}

func open(t testing.TB, o Options) *Node {
	t.Helper()
	n, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := n.Load(t.Context()); err != nil {
		n.Close()
		t.Fatalf("load: %v", err)
	}
	return n
}

// mutation is one atomic write of the workload: what it does to the model and
// the entries that say the same to the node.
type mutation struct {
	text   string
	model  func(map[string]string)
	ops    map[int][]byte // by partition
	counts map[int]int
}

// add appends one op on key to the mutation's entry of the key's partition.
func (m *mutation) add(n *Node, key string, encode func(dst []byte) []byte) {
	p := n.Partition([]byte(key)).Number
	if m.ops[p] == nil {
		m.ops[p] = command.Begin(nil)
	}
	m.ops[p] = encode(m.ops[p])
	m.counts[p]++
	command.SetCount(m.ops[p], m.counts[p])
}

// randomMutation makes a put, a delete, an increment or a batch over several
// partitions, on a small set of keys.
func randomMutation(rng *rand.Rand, n *Node) *mutation {
	m := &mutation{ops: map[int][]byte{}, counts: map[int]int{}}
	var steps []func(map[string]string)
	for range 1 + rng.IntN(2)*rng.IntN(6) {
		key := fmt.Sprintf("key-%d", rng.IntN(40))
		counter := fmt.Sprintf("counter-%d", rng.IntN(5))
		value := strings.Repeat(string(rune('a'+rng.IntN(26))), rng.IntN(300))
		switch rng.IntN(4) {
		case 0, 1:
			m.add(n, key, func(d []byte) []byte {
				return command.AppendPut(d, []byte(key), []byte(value), command.PutOp{})
			})
			steps = append(steps, func(s map[string]string) { s[key] = value })
			m.text += fmt.Sprintf("put %s (%d bytes) ", key, len(value))
		case 2:
			m.add(n, key, func(d []byte) []byte { return command.AppendDelete(d, []byte(key), command.DeleteOp{}) })
			steps = append(steps, func(s map[string]string) { delete(s, key) })
			m.text += "delete " + key + " "
		case 3:
			m.add(n, counter, func(d []byte) []byte { return command.AppendIncr(d, []byte(counter), 1, command.IncrOp{}) })
			steps = append(steps, func(s map[string]string) {
				v, _ := strconv.Atoi(s[counter])
				s[counter] = strconv.Itoa(v + 1)
			})
			m.text += "increment " + counter + " "
		}
	}
	m.model = func(s map[string]string) {
		for _, step := range steps {
			step(s)
		}
	}
	return m
}

// waiter is a Waiter that a test can wait for.
type waiter chan struct{}

func (waiter) Result(int, *command.Result) {}
func (waiter) Later() bool                 { return true }
func (w waiter) Done()                     { w <- struct{}{} }
func (waiter) Failed(error)                {}

// write submits a mutation and returns when it is acknowledged.
func write(t testing.TB, n *Node, m *mutation) error {
	t.Helper()
	return writeAt(t, n, n.Now(), m)
}

func writeAt(t testing.TB, n *Node, now int64, m *mutation) error {
	t.Helper()
	w := make(waiter, len(m.ops))
	var parts []Part
	for _, p := range slices.Sorted(maps.Keys(m.ops)) {
		parts = append(parts, Part{Partition: n.partitions[p], Entry: m.ops[p], Sink: w})
	}
	pos, err := n.SubmitAll(now, parts)
	for deadline := time.Now().Add(20 * time.Second); errors.Is(err, wal.ErrBusy) && time.Now().Before(deadline); {
		if err := n.Settle(n.log.Stats().AppendedPos); err != nil {
			return err
		}
		n.Kick()
		runtime.Gosched()
		pos, err = n.SubmitAll(now, parts)
	}
	if err != nil {
		return err
	}
	if err := n.Settle(pos); err != nil {
		return err
	}
	n.Kick()
	if n.Deferred() {
		for range parts {
			select {
			case <-w:
			case <-time.After(20 * time.Second):
				t.Fatal("a write was not acknowledged within 20 s")
			}
		}
	}
	return nil
}

// contents returns the node's live entries as one canonical string.
func contents(n *Node) string {
	all := map[string]string{}
	visit(n, func(e *store.Entry) { all[string(e.Key)] = string(e.Value) })
	return canonical(all)
}

// visit calls f with every entry, expired ones included, at least once.
func visit(n *Node, f func(*store.Entry)) {
	for _, p := range n.partitions {
		for cursor := p.Table.Scan(0, 100, f); cursor != 0; {
			cursor = p.Table.Scan(cursor, 100, f)
		}
	}
}

func canonical(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%s\n", k, m[k])
	}
	return b.String()
}

func snapshotNow(t testing.TB, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Snapshot(ctx); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
}

// put is the mutation that sets one key.
func put(n *Node, key, value string, o command.PutOp) *mutation {
	m := &mutation{ops: map[int][]byte{}, counts: map[int]int{}, text: "put " + key}
	m.add(n, key, func(d []byte) []byte { return command.AppendPut(d, []byte(key), []byte(value), o) })
	m.model = func(s map[string]string) { s[key] = value }
	return m
}

func mustPut(t testing.TB, n *Node, key, value string) {
	t.Helper()
	if err := write(t, n, put(n, key, value, command.PutOp{})); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func closeNode(t testing.TB, n *Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// fill makes count random mutations and returns what the node then holds.
func fill(t testing.TB, n *Node, rng *rand.Rand, count int, model map[string]string) map[string]string {
	t.Helper()
	for range count {
		m := randomMutation(rng, n)
		m.model(model)
		if err := write(t, n, m); err != nil {
			t.Fatalf("%s: %v", m.text, err)
		}
	}
	return model
}

// holds opens a node on disk and compares what it holds.
func holds(t testing.TB, disk vfs.FS, policy wal.SyncPolicy, want string) {
	t.Helper()
	n := open(t, smallOptions(disk, policy))
	got := contents(n)
	closeNode(t, n)
	if got != want {
		t.Fatalf("found\n%s\nwant\n%s", got, want)
	}
}

// files returns the paths in a directory of the data directory, by ending.
func files(t testing.TB, fs vfs.FS, dir, ending string) (paths []string) {
	t.Helper()
	names, err := fs.List("data/" + dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ending) {
			paths = append(paths, "data/"+dir+"/"+name)
		}
	}
	return paths
}

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// overwrite puts b at off of a file, durably.
func overwrite(t testing.TB, fs vfs.FS, path string, off int64, b []byte) {
	t.Helper()
	f, err := fs.OpenReadWrite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// damage flips a bit in the middle of a file.
func damage(t testing.TB, fs vfs.FS, path string) {
	t.Helper()
	b := readFile(t, fs, path)
	at := len(b) / 2
	overwrite(t, fs, path, int64(at), []byte{b[at] ^ 4})
}

// refused opens a node that must not start, and returns why it does not.
func refused(t testing.TB, disk vfs.FS) error {
	t.Helper()
	n, err := Open(smallOptions(disk, wal.Always))
	if err != nil {
		return err
	}
	err = n.Load(t.Context())
	if err == nil {
		t.Fatalf("the node starts, with\n%s", contents(n))
	}
	if n.Ready() {
		t.Fatal("the node calls itself ready")
	}
	closeNode(t, n)
	return err
}

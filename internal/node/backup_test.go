package node

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/lender"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// readAll reads an open backup in pieces of an odd size.
func readAll(t testing.TB, n *Node, info BackupInfo) []byte {
	t.Helper()
	var all []byte
	for buf := make([]byte, 777); ; {
		got, read, err := n.ReadBackup(t.Context(), info.Token, int64(len(all)), buf)
		if err != nil || got != info {
			t.Fatalf("%+v, want %+v: %v", got, info, err)
		}
		if read == 0 {
			break
		}
		all = append(all, buf[:read]...)
	}
	if int64(len(all)) != info.Size {
		t.Fatalf("read %d bytes of %d", len(all), info.Size)
	}
	return all
}

// entriesOf loads a snapshot file's bytes.
func entriesOf(t testing.TB, file []byte) (snapshot.Meta, map[string]string) {
	t.Helper()
	fs := vfs.NewMem()
	f, err := fs.Create("/copy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(file); err != nil {
		t.Fatal(err)
	}
	f.Close()
	all := map[string]string{}
	meta, err := snapshot.Load(fs, "/copy", func(snapshot.Meta) (snapshot.Sink, error) {
		return func(e *store.Entry) error { all[string(e.Key)] = string(e.Value); return nil }, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return meta, all
}

// backUp backs up every partition and returns all entries.
func backUp(t testing.TB, n *Node) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range n.partitions {
		info, err := n.BeginBackup(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		meta, entries := entriesOf(t, readAll(t, n, info))
		if meta.Group != groupID(p.Number) || meta.Index != info.Index || meta.Entries != info.Entries || int(meta.Partitions) != len(n.partitions) {
			t.Errorf("%+v of %+v", meta, info)
		}
		for k, v := range entries {
			all[k] = v
		}
		n.EndBackup(info.Token)
	}
	return all
}

func TestABackupHoldsEveryAcknowledgedWrite(t *testing.T) {
	for name, o := range map[string]Options{
		"always": smallOptions(vfs.NewMem(), wal.Always), "never": smallOptions(vfs.NewMem(), wal.Never), "in memory": {Partitions: 4},
	} {
		t.Run(name, func(t *testing.T) {
			n := open(t, o)
			defer n.Close()
			if got := backUp(t, n); len(got) != 0 {
				t.Errorf("of an empty node: %v", got)
			}
			model := fill(t, n, newRand(t), 500, map[string]string{})
			if got := canonical(backUp(t, n)); got != canonical(model) {
				t.Errorf("got\n%s\nwant\n%s", got, canonical(model))
			}
			if n.OpenBackups() != 0 {
				t.Errorf("%d are open", n.OpenBackups())
			}
		})
	}
}

// TestABackupOfABusyNodeIsOfOneMoment writes a = i, then b = i, to one partition: no
// image may show b ahead of a, nor what was acknowledged before as missing.
func TestABackupOfABusyNodeIsOfOneMoment(t *testing.T) {
	n := open(t, smallOptions(vfs.NewMem(), wal.Always))
	defer n.Close()
	p := n.Partition([]byte("{t}a"))
	acknowledged, stop := make(chan int, 1), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ; i++ {
			for _, key := range []string{"{t}a", "{t}b"} {
				if err := write(t, n, put(n, key, fmt.Sprintf("%09d", i), command.PutOp{})); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-acknowledged:
			default:
			}
			acknowledged <- i
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 20 {
		least := fmt.Sprintf("%09d", <-acknowledged)
		info, err := n.BeginBackup(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		_, entries := entriesOf(t, readAll(t, n, info))
		n.EndBackup(info.Token)
		if a, b := entries["{t}a"], entries["{t}b"]; a < least || b < least || b > a {
			t.Errorf("a is %s, b is %s, %s was acknowledged", a, b, least)
		}
	}
	close(stop)
	wg.Wait()
}

func TestABackupTakesTheNewestSnapshotIfNothingHasChanged(t *testing.T) {
	disk := vfs.NewMem()
	n := open(t, smallOptions(disk, wal.Always))
	defer n.Close()
	fill(t, n, newRand(t), 100, map[string]string{})
	snapshotNow(t, n)
	before, err := snapshot.List(disk, n.dir.SnapshotDir())
	if err != nil {
		t.Fatal(err)
	}
	backUp(t, n)
	after, err := snapshot.List(disk, n.dir.SnapshotDir())
	if err != nil || len(after) != len(before) {
		t.Errorf("%d snapshots became %d: %v", len(before), len(after), err)
	}
}

func TestAnOpenBackupOutlivesItsFilesName(t *testing.T) {
	disk := vfs.NewMem()
	o := smallOptions(disk, wal.Always)
	o.SnapshotKeep = 1
	n := open(t, o)
	defer n.Close()
	if err := write(t, n, put(n, "k", "old", command.PutOp{})); err != nil {
		t.Fatal(err)
	}
	p := n.Partition([]byte("k"))
	info, err := n.BeginBackup(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := write(t, n, put(n, "k", "new", command.PutOp{})); err != nil {
			t.Fatal(err)
		}
		snapshotNow(t, n)
	}
	if _, err := disk.Stat(n.dir.SnapshotDir() + "/" + snapshot.FileName(groupID(p.Number), info.Index)); err == nil {
		t.Fatal("the file was not pruned: the test proves nothing")
	}
	if _, entries := entriesOf(t, readAll(t, n, info)); entries["k"] != "old" {
		t.Errorf("%v", entries)
	}
}

func TestOpenBackupsAreBounded(t *testing.T) {
	o := smallOptions(vfs.NewMem(), wal.Always)
	var ahead atomic.Int64 // of the clock
	o.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	n := open(t, o)
	defer n.Close()
	var infos []BackupInfo
	for range lender.Most {
		info, err := n.BeginBackup(t.Context(), n.partitions[1])
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	if _, err := n.BeginBackup(t.Context(), n.partitions[2]); !errors.Is(err, ErrBackupBusy) {
		t.Errorf("one too many: %v", err)
	}
	n.EndBackup(infos[0].Token)
	n.EndBackup(infos[0].Token) // again: no harm
	if _, _, err := n.ReadBackup(t.Context(), infos[0].Token, 0, make([]byte, 1)); !errors.Is(err, ErrBackupGone) {
		t.Errorf("read after the end: %v", err)
	}
	if _, err := n.BeginBackup(t.Context(), n.partitions[2]); err != nil {
		t.Error(err)
	}
	// Readers that seem to have gone make room, the one that is idle for longest first.
	ahead.Store(int64(lender.Idle + time.Second))
	if _, _, err := n.ReadBackup(t.Context(), infos[1].Token, 0, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	for range lender.Most - 1 {
		if _, err := n.BeginBackup(t.Context(), n.partitions[2]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.BeginBackup(t.Context(), n.partitions[2]); !errors.Is(err, ErrBackupBusy) {
		t.Errorf("one too many: %v", err)
	}
	if _, _, err := n.ReadBackup(t.Context(), infos[1].Token, 0, make([]byte, 1)); err != nil {
		t.Errorf("the one that was read: %v", err)
	}
}

func TestABackupThatNobodyReadsIsLetGo(t *testing.T) {
	n := open(t, Options{Partitions: 4})
	defer n.Close()
	now := time.Now()
	bs := &n.backups
	info, err := n.BeginBackup(t.Context(), n.partitions[0])
	if err != nil {
		t.Fatal(err)
	}
	bs.Expire(now.Add(lender.Patience / 2))
	b := bs.Take(info.Token) // being read
	bs.Expire(now.Add(10 * lender.Patience))
	if b == nil || n.OpenBackups() != 1 {
		t.Fatal("let go too early")
	}
	bs.GiveBack(b, now.Add(10*lender.Patience))
	bs.Expire(now.Add(10*lender.Patience + lender.Patience/2))
	if n.OpenBackups() != 1 {
		t.Fatal("let go too early after a read")
	}
	bs.Expire(now.Add(12 * lender.Patience))
	if _, _, err := n.ReadBackup(t.Context(), info.Token, 0, make([]byte, 1)); !errors.Is(err, ErrBackupGone) {
		t.Errorf("%v", err)
	}
}

func TestANodeClosesWithOpenBackups(t *testing.T) {
	n := open(t, smallOptions(vfs.NewMem(), wal.Always))
	info, err := n.BeginBackup(t.Context(), n.partitions[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.ReadBackup(t.Context(), info.Token, 0, make([]byte, 1)); !errors.Is(err, ErrBackupGone) {
		t.Errorf("read: %v", err)
	}
	if _, err := n.BeginBackup(t.Context(), n.partitions[0]); !errors.Is(err, ErrClosed) {
		t.Errorf("begin: %v", err)
	}
}

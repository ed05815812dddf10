package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// A backup of a partition is one of its snapshot files, read in pieces by somebody
// elsewhere. The file is kept open meanwhile: it may be pruned, its contents stay.
//
// A node without a disk writes the file into memory instead, where less is
// allowed.
const (
	// backupsMost is how many are open at a time, backupsMostInMemory on a node
	// without a disk.
	backupsMost         = 8
	backupsMostInMemory = 2
	// backupPatience is how long one is kept open for a reader who does not come.
	backupPatience = time.Minute
	// backupIdle is how long one must have been idle to make room for another: its
	// reader has probably gone.
	backupIdle = 10 * time.Second
	// backupMemory bounds a file in memory; it takes twice as much.
	backupMemory = 128 << 20
)

// Refusals of backups.
var (
	ErrBackupBusy   = &wire.Error{Status: wire.Busy, Text: "other backups are being read; one of them must end first"}
	ErrBackupGone   = &wire.Error{Status: wire.NotFound, Text: "no such backup is open: it has ended, or nobody has read it for a while"}
	ErrBackupMemory = &wire.Error{Status: wire.Unsupported, Text: "the node keeps nothing on disk and the partition is too large to be copied in memory: use dump"}
)

// BackupInfo says what is being read.
type BackupInfo struct {
	Token     uint64 // names it, never 0
	Partition int
	Size      int64  // of the file, in bytes
	Index     uint64 // log index of the partition that it is an image at
	Entries   uint64
}

// backups are those that are open. The zero value is ready.
type backups struct {
	mu      sync.Mutex
	open    map[uint64]*backup // guarded by mu
	opening int                // guarded by mu; about to be open
	working sync.WaitGroup     // those about to be open
	closed  bool               // guarded by mu
}

// backupFile is what snapshot.OpenForSend gives.
type backupFile interface {
	io.ReaderAt
	io.Closer
}

// backup is one open file.
type backup struct {
	BackupInfo
	file  backupFile
	used  time.Time // guarded by backups.mu; when the last read ended
	busy  int       // guarded by backups.mu; reads under way
	ended bool      // guarded by backups.mu; to be closed by the last read
}

// BeginBackup makes a point-in-time image of p as a file, or takes the newest
// snapshot if p has not changed since, and opens it: every write that was
// acknowledged before the call is in it. Read with ReadBackup, then call
// EndBackup.
//
// Errors: those of BeginRead, ErrBackupBusy, ErrBackupMemory, of the disk.
func (n *Node) BeginBackup(ctx context.Context, p *Partition) (BackupInfo, error) {
	if !n.Ready() {
		return BackupInfo{}, ErrClosed
	}
	if err := n.awaitRead(ctx, p); err != nil {
		return BackupInfo{}, err
	}
	bs, most := &n.backups, backupsMost
	if n.dir == nil {
		most = backupsMostInMemory
	}
	if err := bs.reserve(most, n.opts.Clock()); err != nil {
		return BackupInfo{}, err
	}
	least := p.State().Index
	b, err := n.openBackup(ctx, p)
	if err == nil && b.Index < least {
		err = ErrNoLeader // the replica is being replaced meanwhile: it does not lead any more
	}
	if err == nil {
		b.Token, err = n.drawToken()
	}
	if err = bs.add(b, err, n.opts.Clock()); err != nil {
		return BackupInfo{}, err
	}
	return b.BackupInfo, nil
}

// awaitRead returns when a linearizable read of p may be executed.
func (n *Node) awaitRead(ctx context.Context, p *Partition) error {
	told := make(readSignal, 1)
	grant, err := n.BeginRead(p, wire.Linearizable, 0, told)
	if err != nil || !grant.Wait {
		return err
	}
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readSignal is a ReadWaiter that can be waited for; its capacity is 1.
type readSignal chan error

func (s readSignal) Done()            { s <- nil }
func (s readSignal) Failed(err error) { s <- err }

// openBackup makes the file and opens it.
func (n *Node) openBackup(ctx context.Context, p *Partition) (*backup, error) {
	if n.dir == nil || p.State().Index == 0 { // nothing was ever written: there is no snapshot to take
		return n.openMemoryBackup(ctx, p)
	}
	// Another snapshot may be published and this one pruned before it is open.
	for attempt := 0; ; attempt++ {
		if _, err := n.snapshotPartition(p); err != nil {
			return nil, fmt.Errorf("snapshot partition %d for a backup: %w", p.Number, err)
		}
		path := filepath.Join(n.dir.SnapshotDir(), snapshot.FileName(groupID(p.Number), p.snapshotIndex.Load()))
		b, err := openSnapshot(n.fs, path, p.Number)
		if err == nil || attempt == 3 || !errors.Is(err, os.ErrNotExist) {
			return b, err
		}
	}
}

func openSnapshot(fs vfs.FS, path string, partition int) (*backup, error) {
	f, size, meta, err := snapshot.OpenForSend(fs, path)
	if err != nil {
		return nil, err
	}
	return &backup{file: f.(backupFile), BackupInfo: BackupInfo{
		Partition: partition, Size: size, Index: meta.Index, Entries: meta.Entries,
	}}, nil
}

// openMemoryBackup writes the file into memory.
func (n *Node) openMemoryBackup(ctx context.Context, p *Partition) (*backup, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.snapshots.ctx, cancel)() // the node closes
	fs := vfs.NewMem()                                 // goes with the file
	fs.SetLimit(backupMemory)
	p.mu.Lock()
	if p.replacing {
		p.mu.Unlock()
		return nil, ErrNoLeader
	}
	state := p.group.State()
	img := p.Table.Image()
	p.mu.Unlock()
	defer img.Close()
	cluster, err := ring.ParseNodeID(n.clusterID)
	if err != nil {
		return nil, err
	}
	info, err := snapshot.Write(ctx, fs, "/", snapshot.Meta{
		Group: groupID(p.Number), Term: state.Term, Index: state.Index, Stamp: state.Stamp,
		Partitions: uint32(len(n.partitions)), Cluster: cluster,
	}, img, snapshot.WriteOptions{Now: n.opts.Clock})
	if errors.Is(err, syscall.ENOSPC) {
		return nil, ErrBackupMemory
	}
	if err != nil {
		return nil, err
	}
	return openSnapshot(fs, info.Path, p.Number)
}

func (n *Node) drawToken() (uint64, error) {
	for {
		var b [8]byte
		if _, err := io.ReadFull(n.opts.Rand, b[:]); err != nil {
			return 0, fmt.Errorf("draw a backup's token: %w", err)
		}
		if token := binary.LittleEndian.Uint64(b[:]); token != 0 {
			return token, nil
		}
	}
}

// reserve keeps a place for one that is about to be opened. If there is none, the one
// that has been idle for longest makes room.
func (bs *backups) reserve(most int, now time.Time) error {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.closed {
		return ErrClosed
	}
	if len(bs.open)+bs.opening >= most {
		var idle *backup
		for _, b := range bs.open {
			if b.busy == 0 && now.Sub(b.used) > backupIdle && (idle == nil || b.used.Before(idle.used)) {
				idle = b
			}
		}
		if idle == nil {
			return ErrBackupBusy
		}
		delete(bs.open, idle.Token)
		idle.close()
	}
	bs.opening++
	bs.working.Add(1)
	return nil
}

// add gives up the place that reserve kept, for b unless err says that there is
// none, and returns what went wrong.
func (bs *backups) add(b *backup, err error, now time.Time) error {
	defer bs.working.Done()
	bs.mu.Lock()
	bs.opening--
	if err == nil && bs.closed {
		err = ErrClosed
	}
	if err == nil {
		if bs.open == nil {
			bs.open = map[uint64]*backup{}
		}
		b.used = now
		bs.open[b.Token] = b
	}
	bs.mu.Unlock()
	if err != nil && b != nil {
		b.close()
	}
	return err
}

// ReadBackup reads the bytes at off of an open backup into buf, at the pace of
// snapshots; fewer come only at the file's end.
func (n *Node) ReadBackup(ctx context.Context, token uint64, off int64, buf []byte) (BackupInfo, int, error) {
	bs := &n.backups
	b := bs.take(token)
	if b == nil {
		return BackupInfo{}, 0, ErrBackupGone
	}
	defer func() { bs.giveBack(b, n.opts.Clock()) }()
	buf = buf[:min(int64(len(buf)), max(b.Size-off, 0))]
	if err := n.snapshots.pacer.Wait(ctx, len(buf)); err != nil {
		return BackupInfo{}, 0, err
	}
	read, err := b.file.ReadAt(buf, off)
	if read == len(buf) {
		err = nil // also where the end of the file was met
	}
	if err != nil {
		return BackupInfo{}, 0, fmt.Errorf("read the backup of partition %d at offset %d: %w", b.Partition, off, err)
	}
	return b.BackupInfo, read, nil
}

// EndBackup lets go of a backup. It is no error if there is none.
func (n *Node) EndBackup(token uint64) {
	bs := &n.backups
	if b := bs.take(token); b != nil {
		bs.mu.Lock()
		b.ended = true
		delete(bs.open, token)
		bs.mu.Unlock()
		bs.giveBack(b, time.Time{})
	}
}

// take finds a backup and keeps it from being closed until giveBack.
func (bs *backups) take(token uint64) *backup {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.open[token]
	if b != nil {
		b.busy++
	}
	return b
}

func (bs *backups) giveBack(b *backup, now time.Time) {
	bs.mu.Lock()
	b.busy--
	b.used = now
	last := b.ended && b.busy == 0
	bs.mu.Unlock()
	if last {
		b.close()
	}
}

// expire closes those that nobody reads any more.
func (bs *backups) expire(now time.Time) {
	bs.end(func(b *backup) bool { return now.Sub(b.used) > backupPatience }, false)
}

// close closes all, and no other will be opened. It waits for those that are about
// to be.
func (bs *backups) close() {
	bs.end(func(*backup) bool { return true }, true)
	bs.working.Wait()
}

func (bs *backups) end(which func(*backup) bool, forGood bool) {
	var idle []*backup
	bs.mu.Lock()
	bs.closed = bs.closed || forGood
	for token, b := range bs.open {
		if b.busy > 0 && !forGood || !which(b) {
			continue
		}
		delete(bs.open, token)
		if b.ended = true; b.busy == 0 {
			idle = append(idle, b)
		}
	}
	bs.mu.Unlock()
	for _, b := range idle {
		b.close()
	}
}

func (b *backup) close() { _ = b.file.Close() } // it was only read

// OpenBackups counts the backups that are being read.
func (n *Node) OpenBackups() int {
	n.backups.mu.Lock()
	defer n.backups.mu.Unlock()
	return len(n.backups.open)
}

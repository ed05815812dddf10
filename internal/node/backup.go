package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/prakashpandey/vegadb/internal/lender"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// backupMemory bounds the image of a partition of a node without a disk, which is made in memory; it takes twice as much.
const backupMemory = 128 << 20

// Refusals of backups, beside those of package lender.
var (
	ErrBackupBusy   = lender.ErrBusy
	ErrBackupGone   = lender.ErrGone
	ErrBackupMemory = &wire.Error{Status: wire.Unsupported, Text: "the node keeps nothing on disk and the partition is too large to be copied in memory: use dump"}
)

// BackupInfo says what is being read.
type BackupInfo = lender.Info

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
	most := lender.Most
	if n.dir == nil {
		most = lender.MostInMemory
	}
	if err := n.backups.Reserve(most, n.opts.Clock()); err != nil {
		if errors.Is(err, lender.ErrClosed) {
			err = ErrClosed
		}
		return BackupInfo{}, err
	}
	least := p.State().Index
	b, err := n.openBackup(ctx, p)
	if err == nil && !lender.Recent(b.Index, least) {
		err = ErrNoLeader
	}
	if err == nil {
		b.Token, err = n.drawToken()
	}
	err = n.backups.Add(b, err, n.opts.Clock())
	switch {
	case errors.Is(err, lender.ErrClosed):
		return BackupInfo{}, ErrClosed
	case err != nil:
		return BackupInfo{}, err
	}
	return b.Info, nil
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
func (n *Node) openBackup(ctx context.Context, p *Partition) (*lender.Image, error) {
	if n.dir == nil || p.State().Index == 0 { // nothing was ever written: there is no snapshot to take
		return n.openMemoryBackup(ctx, p)
	}
	// Another snapshot may be published and this one pruned before it is open.
	for attempt := 0; ; attempt++ {
		if lender.Stale(p.snapshotIndex.Load(), p.State().Index) {
			if _, err := n.snapshotPartition(p); err != nil {
				return nil, fmt.Errorf("snapshot partition %d for a backup: %w", p.Number, err)
			}
		}
		path := filepath.Join(n.dir.SnapshotDir(), snapshot.FileName(groupID(p.Number), p.snapshotIndex.Load()))
		b, err := openSnapshot(n.fs, path, p.Number)
		if err == nil || attempt == 3 || !errors.Is(err, os.ErrNotExist) {
			return b, err
		}
	}
}

func openSnapshot(fs vfs.FS, path string, partition int) (*lender.Image, error) {
	f, size, meta, err := snapshot.OpenForSend(fs, path)
	if err != nil {
		return nil, err
	}
	return &lender.Image{File: f.(lender.File), Info: BackupInfo{
		Partition: partition, Size: size, Index: meta.Index, Entries: meta.Entries,
	}}, nil
}

// openMemoryBackup writes the file into memory.
func (n *Node) openMemoryBackup(ctx context.Context, p *Partition) (*lender.Image, error) {
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

// ReadBackup reads the bytes at off of an open backup into buf, at the pace of
// snapshots; fewer come only at the file's end.
func (n *Node) ReadBackup(ctx context.Context, token uint64, off int64, buf []byte) (BackupInfo, int, error) {
	b := n.backups.Take(token)
	if b == nil {
		return BackupInfo{}, 0, ErrBackupGone
	}
	defer func() { n.backups.GiveBack(b, n.opts.Clock()) }()
	buf = buf[:min(int64(len(buf)), max(b.Size-off, 0))]
	if err := n.snapshots.pacer.Wait(ctx, len(buf)); err != nil {
		return BackupInfo{}, 0, err
	}
	read, err := b.File.ReadAt(buf, off)
	if read == len(buf) {
		err = nil // also where the end of the file was met
	}
	if err != nil {
		return BackupInfo{}, 0, fmt.Errorf("read the backup of partition %d at offset %d: %w", b.Partition, off, err)
	}
	return b.Info, read, nil
}

// EndBackup lets go of a backup. It is no error if there is none.
func (n *Node) EndBackup(token uint64) { n.backups.End(token) }

// OpenBackups counts the backups that are being read.
func (n *Node) OpenBackups() int { return n.backups.Len() }

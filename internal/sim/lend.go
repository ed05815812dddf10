package sim

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/driver"
	"github.com/prakashpandey/vegadb/internal/grant"
	"github.com/prakashpandey/vegadb/internal/lender"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// What package node's BeginBackup and ReadBackup, and package server's nativeBackup, do, in steps.

// lendPiece is how much of a file one reply carries at most: small, so that something happens in between.
const lendPiece = 700

// imageAsk is a request of the operation BACKUP, and where its answer goes.
type imageAsk struct {
	group  uint32
	body   wire.BackupBody
	end    bool
	answer func(wire.Response)
}

// lend begins to answer a request.
func (n *node) lend(a *imageAsk) {
	switch {
	case a.end:
		n.desk.End(a.body.Token)
		piece := wire.BackupPiece{Token: a.body.Token}
		a.answer(wire.Response{Status: wire.OK, Body: piece.AppendHeader(nil)})
	case a.body.Token != 0:
		n.lendPiece(a, a.body.Token)
	default:
		p := n.part(a.group)
		switch answer, g := p.view.Begin(wire.Linearizable, 0); answer {
		case grant.Now:
			(&lendWaiter{n, a}).Done()
		case grant.Wait:
			n.read(driver.Read{Group: p.id, At: g.Mark, Lease: g.Lease, Waiter: &lendWaiter{n, a}})
		default:
			a.refuse(replica.ErrNotLeader)
		}
	}
}

// refuse answers with the status of an error.
func (a *imageAsk) refuse(err error) {
	var told *wire.Error
	status := wire.Internal
	switch {
	case errors.As(err, &told):
		status = told.Status
	case errors.Is(err, replica.ErrNotLeader):
		status = wire.NotLeader
	case errors.Is(err, replica.ErrUnknown), errors.Is(err, lender.ErrClosed):
		status = wire.Unavailable
	}
	a.answer(wire.Response{Status: status, Body: []byte(err.Error())})
}

// lendWaiter is told when the linearizable read that a backup begins with may be executed.
type lendWaiter struct {
	n *node
	a *imageAsk
}

func (w *lendWaiter) Failed(err error) { w.a.refuse(err) }

func (w *lendWaiter) Done() {
	n, a := w.n, w.a
	if err := n.desk.Reserve(lender.Most, n.wallTime()); err != nil {
		a.refuse(err)
		return
	}
	least := n.part(a.group).view.Applied()
	var open func()
	open = func() {
		if n.waits || n.disk.stall > n.s.now || n.part(a.group).snapshotting {
			n.later(50*milli, open)
			return
		}
		image, err := n.openImage(a.group)
		if err == nil && !lender.Recent(image.Index, least) {
			err = replica.ErrNotLeader
		}
		if err == nil {
			image.Token = n.s.lifeRand.Uint64() | 1
		}
		if err = n.desk.Add(image, err, n.wallTime()); err != nil {
			if !errors.Is(err, replica.ErrNotLeader) {
				n.excuse("lend a partition to a backup", err)
			}
			a.refuse(err)
			return
		}
		n.lendPiece(a, image.Token)
	}
	n.later(int64(n.s.lifeRand.IntN(int(20*milli))), open)
}

// openImage makes the file and opens it.
func (n *node) openImage(group uint32) (*lender.Image, error) {
	p := n.part(group)
	if _, here := n.host.Has(group); !here {
		return nil, replica.ErrNotLeader // it was dropped meanwhile
	}
	if lender.Stale(p.snapshotIndex, p.view.Applied()) {
		if _, err := n.snapshotPartition(p, n.log.Sync); err != nil {
			return nil, err
		}
	}
	if p.snapshotIndex == 0 {
		return nil, replica.ErrNotLeader
	}
	f, size, meta, err := snapshot.OpenForSend(n.disk.fs(), filepath.Join(n.dir.SnapshotDir(), snapshot.FileName(group, p.snapshotIndex)))
	if err != nil {
		return nil, err
	}
	return &lender.Image{File: f.(lender.File), Info: lender.Info{
		Partition: int(group) - 1, Size: size, Index: meta.Index, Entries: meta.Entries,
	}}, nil
}

// lendPiece answers with a piece of an open file.
func (n *node) lendPiece(a *imageAsk, token uint64) {
	image := n.desk.Take(token)
	if image == nil {
		a.refuse(lender.ErrGone)
		return
	}
	defer n.desk.GiveBack(image, n.wallTime())
	off := int64(a.body.Offset)
	buf := make([]byte, min(lendPiece, max(image.Size-off, 0)))
	if read, err := image.File.ReadAt(buf, off); read < len(buf) {
		a.refuse(fmt.Errorf("read the backup of partition %d at offset %d: %w", image.Partition, off, err))
		return
	}
	piece := wire.BackupPiece{Token: token, Size: uint64(image.Size), Index: image.Index, Entries: image.Entries}
	a.answer(wire.Response{Status: wire.OK, Body: append(piece.AppendHeader(nil), buf...)})
}

// expireImages lets go of what nobody reads any more.
func (n *node) expireImages() { n.desk.Expire(n.wallTime()) }

package server

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	// backupPiece is how much of a file one reply carries at most.
	backupPiece = 1 << 20
	// backupsPerSession is how many requests of a session may be under way: each
	// holds a piece in memory.
	backupsPerSession = 4
)

// backupNode reads partitions as s.node.
type backupNode interface {
	BeginBackup(ctx context.Context, p *node.Partition) (node.BackupInfo, error)
	ReadBackup(ctx context.Context, token uint64, off int64, buf []byte) (node.BackupInfo, int, error)
	EndBackup(token uint64)
}

var errNoPartition = &wire.Error{Status: wire.InvalidArgument, Text: "there is no partition of this number"}

// nativeBackup serves BACKUP on a goroutine of its own: to begin one means to write
// the partition to disk, and reading is paced.
func (s *Session) nativeBackup(req *wire.Request) error {
	var body wire.BackupBody
	if err := body.Decode(req.OpFlags, req.Body); err != nil {
		return err
	}
	switch {
	case int(body.Partition) >= len(s.srv.partitions):
		return errNoPartition
	case s.native.backups >= backupsPerSession:
		return node.ErrBackupBusy
	}
	id, end, deadline := req.ID, req.OpFlags&wire.BackupEnd != 0, time.Duration(0)
	if req.Flags&wire.FlagDeadline != 0 {
		deadline = time.Duration(req.DeadlineMs) * time.Millisecond
	}
	s.native.backups++
	s.nativeAsync(func(ctx context.Context, w *wait) {
		if deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, deadline)
			defer cancel()
		}
		err := s.srv.backUp(ctx, w, id, &body, end)
		if errors.Is(err, context.DeadlineExceeded) {
			err = errDeadline
		}
		switch {
		case errors.Is(err, node.ErrBackupGone):
			w.reply.Buf = wire.AppendReply(w.reply.Buf, id, wire.NotFound, 0, nil) // an answer, not an error: no text
		case err != nil:
			w.answer(nil, err)
		}
	}, func() { s.native.backups-- })
	return nil
}

// backUp renders the reply to one request into w, or returns why there is none.
func (s *Server) backUp(ctx context.Context, w *wait, id uint32, body *wire.BackupBody, end bool) error {
	if end {
		s.node.EndBackup(body.Token)
		piece := wire.BackupPiece{Token: body.Token}
		w.reply.Buf = wire.AppendReply(w.reply.Buf, id, wire.OK, 0, piece.AppendHeader(nil))
		return nil
	}
	token, begun := body.Token, false
	if token == 0 {
		info, err := s.node.BeginBackup(ctx, s.partitions[body.Partition])
		if err != nil {
			return err
		}
		token, begun = info.Token, true
	}
	most := int(min(s.limits.MaxFrame-wire.BackupPieceOverhead, backupPiece))
	if body.Most > 0 {
		most = int(min(uint32(most), body.Most))
	}
	buf := make([]byte, most)
	info, n, err := s.node.ReadBackup(ctx, token, int64(body.Offset), buf)
	if err != nil {
		if begun {
			s.node.EndBackup(token) // nobody was told of it
		}
		return err
	}
	piece := wire.BackupPiece{Token: token, Size: uint64(info.Size), Index: info.Index, Entries: info.Entries}
	start := len(w.reply.Buf)
	w.reply.Buf = piece.AppendHeader(wire.BeginReply(w.reply.Buf, id, wire.OK, 0))
	w.reply.Buf = append(w.reply.Buf, buf[:n]...)
	wire.FinishFrame(w.reply.Buf, start)
	return nil
}

package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	// beginWithin bounds the making of an image: the partition is written to a disk.
	beginWithin = 30 * time.Minute
	// pieceWithin bounds one further piece, which may have to wait for a node's pace.
	pieceWithin = time.Minute
	// startsMost is how often a partition is begun anew because its leader changed.
	startsMost = 10
	// syncEvery is how much of a file may be dirty.
	syncEvery = 32 << 20

	pauseFirst = 50 * time.Millisecond
	pauseLast  = 2 * time.Second
)

// errGone: the node that is asked does not know the token: it is another one, or
// has been restarted.
var errGone = errors.New("the node has let go of the backup")

// receive writes the file of one partition and verifies it.
func (t *taker) receive(ctx context.Context, partition int) (*File, error) {
	var err error
	for range startsMost {
		var f *File
		if f, err = t.receiveOnce(ctx, partition); err == nil || !errors.Is(err, errGone) {
			return f, err
		}
	}
	return nil, fmt.Errorf("begun %d times in vain: %w", startsMost, err)
}

func (t *taker) receiveOnce(ctx context.Context, partition int) (*File, error) {
	path := filepath.Join(t.dir, fileName(partition))
	out, err := t.fs.Create(path + tmpSuffix)
	if err != nil {
		return nil, err
	}
	r := &reception{t: t, partition: partition, out: out, sum: sha256.New()}
	taken := t.o.Now().UTC().Truncate(time.Second)
	err = r.run(ctx)
	if err == nil && !mutant.On(mutant.UnsyncedBackup) { // what was written is taken for durable
		err = out.Sync()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	f := &File{Partition: partition, Name: fileName(partition), Index: r.piece.Index, Entries: r.piece.Entries,
		Bytes: r.off, SHA256: hex.EncodeToString(r.sum.Sum(nil)), Taken: taken}
	if err == nil {
		err = checkSnapshot(t.fs, path+tmpSuffix, t.m, f)
	}
	if err == nil {
		err = t.fs.Rename(path+tmpSuffix, path)
	}
	if err == nil {
		return f, t.fs.SyncDir(t.dir)
	}
	t.received(-r.off)
	if rerr := t.fs.Remove(path + tmpSuffix); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return nil, err
}

// reception is a file on its way.
type reception struct {
	t         *taker
	partition int
	out       vfs.File
	sum       hash.Hash
	off       int64
	unsynced  int
	piece     wire.BackupPiece // the last one; all have the same token, size, index and entries
}

func (r *reception) run(ctx context.Context) error {
	for {
		piece, err := r.ask(ctx, 0)
		if err != nil {
			return err
		}
		switch {
		case r.off == 0:
		case piece.Token != r.piece.Token || piece.Size != r.piece.Size || piece.Index != r.piece.Index || piece.Entries != r.piece.Entries:
			return errors.New("the node changed what it sends on the way")
		case len(piece.Data) == 0:
			return fmt.Errorf("the node sent %d bytes of %d and then no more", r.off, piece.Size)
		}
		if uint64(r.off)+uint64(len(piece.Data)) > piece.Size || piece.Size == 0 {
			return fmt.Errorf("the node sent %d bytes of a file of %d", uint64(r.off)+uint64(len(piece.Data)), piece.Size)
		}
		r.piece = piece
		if err := r.write(piece.Data); err != nil {
			return err
		}
		if uint64(r.off) == piece.Size {
			_, _ = r.ask(ctx, wire.BackupEnd) // a courtesy: it would be let go of by itself
			return nil
		}
	}
}

func (r *reception) write(data []byte) error {
	if _, err := r.out.Write(data); err != nil {
		return err
	}
	r.sum.Write(data)
	r.off += int64(len(data))
	r.t.received(int64(len(data)))
	if r.unsynced += len(data); r.unsynced >= syncEvery {
		r.unsynced = 0
		return r.out.Sync()
	}
	return nil
}

// ask sends one request and waits out what passes: a leader that fails, a node that
// is busy.
func (r *reception) ask(ctx context.Context, flags uint8) (wire.BackupPiece, error) {
	body := wire.BackupBody{Partition: uint32(r.partition), Token: r.piece.Token, Offset: uint64(r.off)}
	if flags&wire.BackupEnd != 0 {
		body.Offset = 0
	}
	within := pieceWithin
	if body.Token == 0 {
		within = beginWithin
	}
	req := wire.Request{Op: wire.OpBackup, OpFlags: flags, Body: body.Append(nil)}
	pause, begun := pauseFirst, r.t.o.Now()
	for {
		piece, again, err := r.askOnce(ctx, within, &req)
		if err == nil || !again || flags&wire.BackupEnd != 0 || r.t.o.Now().Sub(begun) > r.t.o.Patience || ctx.Err() != nil {
			return piece, err
		}
		if !r.t.o.Sleep(ctx, pause) {
			return piece, context.Cause(ctx)
		}
		pause = min(2*pause, pauseLast)
	}
}

// askOnce tells besides whether asking again may bring another answer.
func (r *reception) askOnce(ctx context.Context, within time.Duration, req *wire.Request) (piece wire.BackupPiece, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var reply wire.Response
	if err := r.t.db.Forward(ctx, r.partition, req, &reply); err != nil {
		var failed *client.Error
		again := errors.As(err, &failed) && wire.Status(failed.Status).Retry() != wire.RetryNone
		return piece, again, err
	}
	switch {
	case reply.Status == wire.OK:
		return piece, false, piece.Decode(reply.Body)
	case reply.Status == wire.NotFound:
		return piece, false, errGone
	}
	return piece, reply.Status.Retry() != wire.RetryNone && reply.Status != wire.Internal,
		&client.Error{Op: wire.OpBackup.Name(), Status: client.Status(reply.Status), Message: string(reply.Body)}
}

// sleep waits for d; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

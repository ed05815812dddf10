package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// syncEveryBytes is how much of a file may be dirty at a time.
const syncEveryBytes = 32 << 20

// nextEntries is how many entries are asked of the image at a time: enough to
// spread the cost of the call, few enough to stay in the cache.
const nextEntries = 256

// Source is the image to write; *store.Image is one. Next gives the next
// entries, in dst's room, valid until the next call; none means the end. Len
// is about how many there will be, for progress.
type Source interface {
	Len() int
	Next(dst []store.Entry) []store.Entry
}

// WriteOptions may all be left out.
type WriteOptions struct {
	// Pacer bounds the rate of writing; share one among all writes.
	Pacer *Pacer
	// Duty keeps the writing from taking a whole core.
	Duty *Duty
	// Progress is called after every few hundred entries, from Write's goroutine.
	Progress func(Progress)
	// BeforePublish is called when the file is complete and durable under its
	// temporary name. An error stops the publication. The node makes the log
	// durable up to the image's index here: a snapshot that is ahead of the log
	// would leave a hole in it after a power cut.
	BeforePublish func(context.Context) error
	// Now is the wall clock for Info.Created; nil leaves it zero.
	Now func() time.Time
}

// Progress of one Write.
type Progress struct {
	Entries, Total uint64 // Total is what the image said at first
	Bytes          int64  // written to the file
}

// Write writes img as dir's snapshot of m.Group at m.Index and publishes it.
// When it returns nil the file is durable under its final name. After an error
// it is not there, unless the error came from syncing the directory: then it
// may be, whole, and does no harm; the log must be kept in either case.
//
// Entries that had expired as of m.Stamp are left out: no later command can see
// them, because log time never goes back. The image is not closed; nil is one
// without entries. m.State is written as it is and must not change meanwhile.
func Write(ctx context.Context, fs vfs.FS, dir string, m Meta, img Source, o WriteOptions) (Info, error) {
	path := filepath.Join(dir, FileName(m.Group, m.Index))
	tmp := path + tmpSuffix
	info, err := writeFile(ctx, fs, tmp, newHeader(m, &o), img, &o, syncEveryBytes)
	if err == nil && o.BeforePublish != nil {
		err = o.BeforePublish(ctx)
	}
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err != nil {
		return Info{}, discard(fs, tmp, fmt.Errorf("snapshot: write group %d at index %d to %s: %w", m.Group, m.Index, dir, err))
	}
	if err := fs.SyncDir(dir); err != nil {
		return Info{}, fmt.Errorf("snapshot: publish %s: %w", path, err)
	}
	info.Path = path
	return info, nil
}

// newHeader is the header of a snapshot that is about to be written.
func newHeader(m Meta, o *WriteOptions) header {
	h := header{Meta: m, version: formatVersion, stateBytes: uint32(min(len(m.State), MaxStateBytes+1))}
	if o.Now != nil {
		h.created = o.Now().UnixMilli()
	}
	return h
}

// discard removes a file that is not published because of err, and returns that.
// It also gives the file's space back, if it was the lack of that.
func discard(fs vfs.FS, tmp string, err error) error {
	if rerr := fs.Remove(tmp); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		return errors.Join(err, rerr)
	}
	return err
}

// writeFile writes the whole file under its temporary name and syncs it, in between after
// each syncEvery bytes; 0: not at all.
func writeFile(ctx context.Context, fs vfs.FS, tmp string, h header, img Source, o *WriteOptions, syncEvery int64) (Info, error) {
	if h.stateBytes > MaxStateBytes {
		return Info{}, fmt.Errorf("the group's state takes %d bytes, the limit is %d", len(h.State), MaxStateBytes)
	}
	f, err := fs.Create(tmp)
	if err != nil {
		return Info{}, err
	}
	w, err := newFileWriter(ctx, f, h, o, syncEvery)
	if err == nil {
		err = w.addState(h.State)
	}
	if err == nil && img != nil {
		err = w.addAll(img, o.Progress)
	}
	if err == nil {
		err = w.finish()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Info{}, err
	}
	info := Info{Meta: h.Meta, Bytes: int64(w.foot.fileBytes), Created: h.created, Expired: w.foot.expired}
	info.Entries = w.foot.entries
	return info, nil
}

// addAll drains the image.
func (w *fileWriter) addAll(img Source, progress func(Progress)) error {
	total := uint64(max(img.Len(), 0))
	room := make([]store.Entry, nextEntries)
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.duty.Rest(w.ctx); err != nil {
			return err
		}
		batch := img.Next(room)
		if len(batch) == 0 {
			return nil
		}
		for i := range batch {
			e := &batch[i]
			// Strictly before: whichever side of the very millisecond the rest of
			// the system counts as expired, this entry is.
			if e.ExpireAt != 0 && e.ExpireAt < w.h.Stamp {
				w.foot.expired++
				continue
			}
			if err := w.add(e); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(Progress{Entries: w.foot.entries + w.foot.expired, Total: total, Bytes: int64(w.foot.fileBytes)})
		}
	}
}

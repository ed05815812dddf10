package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// OpenForSend opens the published snapshot at path, to be sent to another node as
// it is: size bytes, of a snapshot of meta. Header, footer and state have been
// verified; the rest is verified where it is received, so a file that proves bad
// there is to be verified here. It may be pruned meanwhile. The caller closes it.
func OpenForSend(fs vfs.FS, path string) (f io.ReadCloser, size int64, meta Meta, err error) {
	r, err := openReader(fs, path)
	if err != nil {
		return nil, 0, Meta{}, err
	}
	if err := r.readState(context.Background()); err != nil {
		r.Close()
		return nil, 0, Meta{}, err
	}
	return &outgoing{io.NewSectionReader(r.f, 0, r.size), r.f}, r.size, r.h.Meta, nil
}

// outgoing reads a file from its beginning, wherever else it has been read.
type outgoing struct {
	*io.SectionReader
	io.Closer
}

// WriteForSend writes img as a snapshot that is sent to another node and is of no use here
// afterwards: as [Write] does, but under a temporary name, which it keeps, and without a
// sync. The node's log and whoever else uses the disk need not wait for what nobody will
// read again. Closing f removes the file; after a crash [Clean] does.
func WriteForSend(ctx context.Context, fs vfs.FS, dir string, m Meta, img Source, o WriteOptions) (f io.ReadCloser, size int64, err error) {
	fail := func(err error) (io.ReadCloser, int64, error) {
		return nil, 0, fmt.Errorf("snapshot: write group %d at index %d to send it: %w", m.Group, m.Index, err)
	}
	tmp, err := temporary(dir, m.Group, m.Index, rand.Reader)
	if err != nil {
		return fail(err)
	}
	info, err := writeFile(ctx, fs, tmp, newHeader(m, &o), img, &o, 0)
	if err != nil {
		return fail(discard(fs, tmp, err))
	}
	file, err := fs.Open(tmp)
	if err != nil {
		return fail(discard(fs, tmp, err))
	}
	return &outgoing{io.NewSectionReader(file, 0, info.Bytes), &transient{file, fs, tmp}}, info.Bytes, nil
}

// transient is a file that goes when it is closed.
type transient struct {
	vfs.File
	fs   vfs.FS
	path string
}

// Close implements io.Closer. The file may have gone with all there was of its group.
func (t *transient) Close() error { return discard(t.fs, t.path, t.File.Close()) }

// temporary draws a path for a file of its own of a snapshot.
func temporary(dir string, group uint32, index uint64, random io.Reader) (string, error) {
	var tag [8]byte
	if _, err := io.ReadFull(random, tag[:]); err != nil {
		return "", fmt.Errorf("draw a temporary name: %w", err)
	}
	return filepath.Join(dir, receivedName(group, index, tag)), nil
}

// ReceiveOptions may all be left out.
type ReceiveOptions struct {
	// MaxBytes bounds the file; 0: no bound but the disk.
	MaxBytes int64
	// Pacer bounds the rate of writing; share one among all receptions.
	Pacer *Pacer
	// Duty keeps the reception from taking a whole core.
	Duty *Duty
	// BeforePublish is called when the file is complete, durable under its temporary
	// name and verified. info has the State, and Path is where the file will be. An
	// error stops the publication.
	BeforePublish func(ctx context.Context, info Info) error
	// Rand gives each reception a name of its own. Default: crypto/rand.Reader.
	Rand io.Reader
}

// Receive reads a snapshot of size bytes from r, as OpenForSend gave it on another
// node, into dir and publishes it as Write does. When it returns nil the file is
// durable under its final name, in place of one of the same group and index if
// there was one: both are images of the same state. After an error it is not
// there, with Write's exception of a directory that could not be synced.
//
// check, which may be nil, is asked before anything is written, with what the
// header says: neither State nor Entries are known then. It must refuse what is not
// wanted here: another group, cluster or number of partitions, an index that
// is of no more use. Not a byte beyond size is read. What was sent damaged, or is
// not a snapshot, is refused with an error that matches ErrCorrupt or ErrVersion.
//
// ctx is looked at between reads: whoever ends it must also make a pending Read of
// r return.
func Receive(ctx context.Context, fs vfs.FS, dir string, r io.Reader, size int64, check func(Meta) error, o ReceiveOptions) (Info, error) {
	in := &incoming{fs: fs, dir: dir, r: r, size: size, o: &o}
	if err := in.begin(check); err != nil {
		return Info{}, fmt.Errorf("snapshot: receive into %s: %w", dir, err)
	}
	info, err := in.finish(ctx)
	if err != nil {
		return Info{}, discard(fs, in.tmp, fmt.Errorf("snapshot: receive group %d at index %d into %s: %w", in.h.Group, in.h.Index, dir, err))
	}
	if err := fs.SyncDir(dir); err != nil {
		return Info{}, fmt.Errorf("snapshot: publish %s: %w", info.Path, err)
	}
	return info, nil
}

// incoming is one reception.
type incoming struct {
	fs   vfs.FS
	dir  string
	r    io.Reader
	size int64
	o    *ReceiveOptions

	front [headerBytes]byte
	h     header
	tmp   string // its path until it is published
}

// begin reads the header and decides whether the rest is wanted, and what to call
// it. Nothing is written.
func (in *incoming) begin(check func(Meta) error) error {
	if in.size < headerBytes+footerBytes {
		return fmt.Errorf("%d bytes were announced; header and footer alone take %d", in.size, headerBytes+footerBytes)
	}
	if in.o.MaxBytes > 0 && in.size > in.o.MaxBytes {
		return fmt.Errorf("%d bytes were announced, the limit is %d", in.size, in.o.MaxBytes)
	}
	if _, err := in.read(in.front[:], 0); err != nil {
		return err
	}
	var err error
	if in.h, err = decodeHeader("the snapshot from the other node", in.front[:]); err != nil {
		return err
	}
	if check != nil {
		if err := check(in.h.Meta); err != nil {
			return err
		}
	}
	random := in.o.Rand
	if random == nil {
		random = rand.Reader
	}
	in.tmp, err = temporary(in.dir, in.h.Group, in.h.Index, random)
	return err
}

// read fills b with what belongs at offset off of the file.
func (in *incoming) read(b []byte, off int64) (int, error) {
	n, err := io.ReadFull(in.r, b)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("the sender ended after %d of %d bytes: %w", off+int64(n), in.size, io.ErrUnexpectedEOF)
	case err != nil:
		return n, fmt.Errorf("after %d of %d bytes: %w", off+int64(n), in.size, err)
	}
	return n, nil
}

// finish writes the file, verifies what has been written, and renames it.
func (in *incoming) finish(ctx context.Context) (Info, error) {
	if err := in.writeFile(ctx); err != nil {
		return Info{}, err
	}
	info, err := verify(ctx, in.fs, in.tmp, in.o.Duty)
	if err != nil {
		return Info{}, err
	}
	info.Path = filepath.Join(in.dir, FileName(in.h.Group, in.h.Index))
	if in.o.BeforePublish != nil {
		if err := in.o.BeforePublish(ctx, info); err != nil {
			return Info{}, err
		}
	}
	return info, in.fs.Rename(in.tmp, info.Path)
}

func (in *incoming) writeFile(ctx context.Context) error {
	f, err := in.fs.Create(in.tmp)
	if err != nil {
		return err
	}
	err = in.copyTo(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// copyTo writes the whole file to f, at the pace allowed and synced as it goes.
func (in *incoming) copyTo(ctx context.Context, f vfs.File) error {
	buf := make([]byte, min(in.size, readChunkBytes))
	have := copy(buf, in.front[:]) // read already
	unsynced := 0
	for off := int64(0); off < in.size; {
		n := int(min(int64(len(buf)), in.size-off))
		if _, err := in.read(buf[have:n], off+int64(have)); err != nil {
			return err
		}
		have = 0
		if err := in.o.Pacer.Wait(ctx, n); err != nil {
			return err
		}
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		off += int64(n)
		if unsynced += n; unsynced >= syncEveryBytes && off < in.size {
			unsynced = 0
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

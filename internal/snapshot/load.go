package snapshot

import (
	"context"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Sink takes the entries of one snapshot, each once, in no order that means
// anything. The entry and its slices are valid until it returns.
type Sink = func(*store.Entry) error

// Load reads one file. open is called once, when header, footer and state have
// been verified, with the state and the exact number of entries to come; it
// returns where they go. Blocks are verified as they are read, so entries of a file that later
// proves bad have then been handed out: on any error what the sink was given
// must be dropped.
func Load(fs vfs.FS, path string, open func(Meta) (Sink, error)) (Meta, error) {
	return load(context.Background(), fs, path, nil, open, nil)
}

// Verify reads all of a file and checks everything that Load would. The result has
// the State.
func Verify(fs vfs.FS, path string) (Info, error) {
	return verify(context.Background(), fs, path, nil)
}

func verify(ctx context.Context, fs vfs.FS, path string, duty *Duty) (Info, error) {
	r, err := openReader(fs, path)
	if err != nil {
		return Info{}, err
	}
	defer r.Close()
	if err := r.readState(ctx); err != nil {
		return Info{}, err
	}
	if err := r.each(ctx, duty.Sink(ctx, func(*store.Entry) error { return nil }), nil); err != nil {
		return Info{}, err
	}
	return r.info(), nil
}

// load is Load with a check of the header (nil: none), a context and progress.
func load(ctx context.Context, fs vfs.FS, path string, check func(string, Meta) error,
	open func(Meta) (Sink, error), progress func(int64),
) (Meta, error) {
	r, err := openReader(fs, path)
	if err != nil {
		return Meta{}, err
	}
	defer r.Close()
	if check != nil {
		if err := check(path, r.h.Meta); err != nil {
			return Meta{}, err
		}
	}
	if err := r.readState(ctx); err != nil {
		return Meta{}, err
	}
	if progress != nil {
		progress(r.off - headerBytes)
	}
	sink, err := open(r.h.Meta)
	if err != nil {
		return Meta{}, err
	}
	if err := r.each(ctx, sink, progress); err != nil {
		return Meta{}, err
	}
	return r.h.Meta, nil
}

// readMeta reads and verifies header, footer and state of a file.
func readMeta(ctx context.Context, fs vfs.FS, path string) (Meta, error) {
	r, err := openReader(fs, path)
	if err != nil {
		return Meta{}, err
	}
	defer r.Close()
	if err := r.readState(ctx); err != nil {
		return Meta{}, err
	}
	return r.h.Meta, nil
}

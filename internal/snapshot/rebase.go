package snapshot

import (
	"context"
	"fmt"
	"iter"

	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Rebase writes the entries of the snapshot at path (none: an empty one) as
// dir's snapshot of m. It declares the state at a later index to be what it was
// at an earlier one, and so gives up what the log holds in between: it is for
// repair, when that can no longer be applied. The state is that file's, unless m
// has one.
func Rebase(ctx context.Context, fs vfs.FS, dir, path string, m Meta) (Info, error) {
	if path == "" {
		return Write(ctx, fs, dir, m, nil, WriteOptions{})
	}
	if m.State == nil {
		from, err := readMeta(ctx, fs, path)
		if err != nil {
			return Info{}, fmt.Errorf("read %s: %w", path, err)
		}
		m.State = from.State
	}
	src := &pulled{}
	next, stop := iter.Pull(func(yield func(*store.Entry) bool) {
		_, src.err = load(ctx, fs, path, nil, func(from Meta) (Sink, error) {
			src.left = int(min(from.Entries, 1<<31-1))
			return func(e *store.Entry) error {
				if !yield(e) {
					return context.Canceled // the writer has failed and says why
				}
				return nil
			}, nil
		}, nil)
	})
	defer stop()
	src.next = next
	return Write(ctx, fs, dir, m, src, WriteOptions{
		// A file that proved bad half way ends the entries early; it is noticed
		// before anything is published.
		BeforePublish: func(context.Context) error {
			if src.err != nil {
				return fmt.Errorf("read %s: %w", path, src.err)
			}
			return nil
		},
	})
}

// pulled is a Source over the entries of a file. Its fields are written by the
// other side of iter.Pull, which never runs at the same time.
type pulled struct {
	next func() (*store.Entry, bool)
	left int
	err  error
}

func (p *pulled) Len() int { return p.left }

// Next gives one entry at a time: the reader's buffer holds no more for certain.
func (p *pulled) Next(dst []store.Entry) []store.Entry {
	e, ok := p.next()
	if !ok {
		return nil
	}
	dst[0] = *e
	return dst[:1]
}

package lender

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	// Most is how many images are open at a time on a node, MostInMemory on one without a disk.
	Most         = 8
	MostInMemory = 2
	// Patience is how long one is kept open for a reader who does not come.
	Patience = time.Minute
	// Idle is how long one must have been idle to make room for another: its reader has probably gone.
	Idle = 10 * time.Second
)

// Refusals.
var (
	ErrBusy   = &wire.Error{Status: wire.Busy, Text: "other backups are being read; one of them must end first"}
	ErrGone   = &wire.Error{Status: wire.NotFound, Text: "no such backup is open: it has ended, or nobody has read it for a while"}
	ErrClosed = errors.New("the node is closing")
)

// Stale reports whether a snapshot must be written for a backup: the newest one is of index newest, and the partition has
// applied everything up to applied.
func Stale(newest, applied uint64) bool {
	if mutant.On(mutant.StaleBackup) { // a backup takes any snapshot that there is
		return newest == 0
	}
	return newest < applied
}

// Recent reports whether an image of index will do for a backup that was begun when everything up to least had been
// applied. It will not when the replica is being replaced meanwhile: then it does not lead any more.
func Recent(index, least uint64) bool { return index >= least || mutant.On(mutant.StaleBackup) }

// File is what is lent: what snapshot.OpenForSend gives.
type File interface {
	io.ReaderAt
	io.Closer
}

// Info says what is being read.
type Info struct {
	Token     uint64 // names it, never 0
	Partition int
	Size      int64  // of the file, in bytes
	Index     uint64 // log index of the partition that it is an image at
	Entries   uint64
}

// Image is one open file.
type Image struct {
	Info
	File  File
	used  time.Time // guarded by Desk.mu; when the last read ended
	busy  int       // guarded by Desk.mu; reads under way
	ended bool      // guarded by Desk.mu; to be closed by the last read
}

func (b *Image) close() { _ = b.File.Close() } // it was only read

// Desk is where they are lent. The zero value is ready.
type Desk struct {
	mu      sync.Mutex
	open    map[uint64]*Image // guarded by mu; by token
	opening int               // guarded by mu; about to be open
	working sync.WaitGroup    // those about to be open
	closed  bool              // guarded by mu
}

// Reserve keeps a place for one that is about to be opened. If there is none, the one
// that has been idle for longest makes room.
func (d *Desk) Reserve(most int, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if len(d.open)+d.opening >= most {
		var idle *Image
		for _, b := range d.open {
			if b.busy == 0 && now.Sub(b.used) > Idle && (idle == nil || b.used.Before(idle.used)) {
				idle = b
			}
		}
		if idle == nil {
			return ErrBusy
		}
		delete(d.open, idle.Token)
		idle.close()
	}
	d.opening++
	d.working.Add(1)
	return nil
}

// Add gives up the place that Reserve kept, for b unless err says that there is
// none, and returns what went wrong.
func (d *Desk) Add(b *Image, err error, now time.Time) error {
	defer d.working.Done()
	d.mu.Lock()
	d.opening--
	if err == nil && d.closed {
		err = ErrClosed
	}
	if err == nil {
		if d.open == nil {
			d.open = map[uint64]*Image{}
		}
		b.used = now
		d.open[b.Token] = b
	}
	d.mu.Unlock()
	if err != nil && b != nil {
		b.close()
	}
	return err
}

// Take finds an image and keeps it from being closed until GiveBack; nil: there is none.
func (d *Desk) Take(token uint64) *Image {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.open[token]
	if b != nil {
		b.busy++
	}
	return b
}

// GiveBack ends what Take began.
func (d *Desk) GiveBack(b *Image, now time.Time) {
	d.mu.Lock()
	b.busy--
	b.used = now
	last := b.ended && b.busy == 0
	d.mu.Unlock()
	if last {
		b.close()
	}
}

// End lets go of an image. It is no error if there is none.
func (d *Desk) End(token uint64) {
	if b := d.Take(token); b != nil {
		d.mu.Lock()
		b.ended = true
		delete(d.open, token)
		d.mu.Unlock()
		d.GiveBack(b, time.Time{})
	}
}

// Expire closes those that nobody reads any more.
func (d *Desk) Expire(now time.Time) {
	d.end(func(b *Image) bool { return now.Sub(b.used) > Patience }, false)
}

// Close closes all, and no other will be opened. It waits for those that are about
// to be.
func (d *Desk) Close() {
	d.end(func(*Image) bool { return true }, true)
	d.working.Wait()
}

func (d *Desk) end(which func(*Image) bool, forGood bool) {
	var idle []*Image
	d.mu.Lock()
	d.closed = d.closed || forGood
	for token, b := range d.open {
		if b.busy > 0 && !forGood || !which(b) {
			continue
		}
		delete(d.open, token)
		if b.ended = true; b.busy == 0 {
			idle = append(idle, b)
		}
	}
	d.mu.Unlock()
	for _, b := range idle {
		b.close()
	}
}

// Len counts the images that are open.
func (d *Desk) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

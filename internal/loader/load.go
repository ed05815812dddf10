package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Store puts the records of one batch. It calls fail for each record that the
// server refuses for a reason that concerns this record alone, and returns an
// error when the batch as a whole, or the rest of it, did not get through.
// Storing a batch a second time must do no harm: see LoadOptions.Retry.
type Store func(ctx context.Context, batch []Record, fail func(i int, err error)) error

// LoadOptions say how Load goes about it.
type LoadOptions struct {
	Store       Store
	Concurrency int // batches stored at once; 0: 4
	BatchSize   int // records of a batch; 0: 256. A batch is also cut at batchBytes.

	SkipBad bool          // go on after bad lines and refused records
	Prefix  string        // put before every key
	TTL     time.Duration // for records that bring no expiry of their own

	// OnBad is told of each bad line and refused record, from one goroutine at
	// a time. May be nil.
	OnBad func(err error)
	// Retry tells whether a batch that failed with err may be stored again, and
	// after how long, for the attempt'th time (from 1). nil: never.
	Retry func(err error, attempt int) (time.Duration, bool)
	// Name is the input's, for messages.
	Name string
	Now  func() time.Time // nil: time.Now
}

const batchBytes = 1 << 20

// Progress counts while Load is at work.
type Progress struct {
	Loaded  atomic.Int64 // records stored
	Bad     atomic.Int64 // bad lines and refused records
	Expired atomic.Int64 // records whose time had already come; not stored
	Bytes   atomic.Int64 // keys and values stored
}

// Load stores all records of in. It returns when everything that was read has
// been stored or has failed; p counts meanwhile. The error of a stop at a bad
// line is its *LineError.
func Load(ctx context.Context, in Reader, o LoadOptions, p *Progress) error {
	l := &load{o: o, p: p}
	if l.o.Concurrency <= 0 {
		l.o.Concurrency = 4
	}
	if l.o.BatchSize <= 0 {
		l.o.BatchSize = 256
	}
	if l.o.Now == nil {
		l.o.Now = time.Now
	}
	ctx, l.cancel = context.WithCancelCause(ctx)
	defer l.cancel(nil)
	full := make(chan *batch)
	l.free = make(chan *batch, l.o.Concurrency+2)
	for range cap(l.free) {
		l.free <- &batch{}
	}
	var workers sync.WaitGroup
	for range l.o.Concurrency {
		workers.Go(func() {
			for b := range full {
				l.store(ctx, b)
				l.free <- b
			}
		})
	}
	err := l.read(ctx, in, full)
	close(full)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// load is the state of one call of Load.
type load struct {
	o      LoadOptions
	p      *Progress
	cancel context.CancelCauseFunc
	free   chan *batch // bounds the batches alive

	badMu sync.Mutex // serialises OnBad
}

// batch owns the bytes of its records.
type batch struct {
	records []Record
	bytes   []byte
	ends    []int // of key and value of each record in bytes, in turn
}

func (b *batch) reset() { b.records, b.bytes, b.ends = b.records[:0], b.bytes[:0], b.ends[:0] }

func (b *batch) add(prefix string, r *Record) {
	b.bytes = append(b.bytes, prefix...)
	b.bytes = append(b.bytes, r.Key...)
	b.ends = append(b.ends, len(b.bytes))
	b.bytes = append(b.bytes, r.Value...)
	b.ends = append(b.ends, len(b.bytes))
	b.records = append(b.records, *r)
}

// seal points the records at their bytes, which do not move any more.
func (b *batch) seal() {
	start := 0
	for i := range b.records {
		key, value := b.ends[2*i], b.ends[2*i+1]
		b.records[i].Key = b.bytes[start:key:key]
		b.records[i].Value = b.bytes[key:value:value]
		start = value
	}
}

// read turns the input into batches. It owns the reader.
func (l *load) read(ctx context.Context, in Reader, full chan<- *batch) error {
	var b *batch
	var r Record
	send := func() bool {
		b.seal()
		select {
		case full <- b:
			b = nil
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		if b == nil {
			select {
			case b = <-l.free:
				b.reset()
			case <-ctx.Done():
				return nil // Load knows the cause
			}
		}
		err := in.Read(&r)
		var bad *LineError
		switch {
		case err == io.EOF:
			if len(b.records) > 0 {
				send()
			}
			return nil
		case errors.As(err, &bad):
			if stop := l.bad(err); stop {
				if len(b.records) > 0 {
					send() // what stands before the bad line is stored
				}
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("read %s: %w", l.o.Name, err)
		}
		if !l.settleExpiry(&r) {
			continue
		}
		b.add(l.o.Prefix, &r)
		if len(b.records) >= l.o.BatchSize || len(b.bytes) >= batchBytes {
			if !send() {
				return nil
			}
		}
	}
}

// settleExpiry turns the ways of giving an expiry into one, TTL, and tells
// whether the record is still alive.
func (l *load) settleExpiry(r *Record) bool {
	if r.ExpireAt > 0 {
		r.TTL = r.ExpireAt - l.o.Now().UnixMilli()
		if r.TTL <= 0 {
			l.p.Expired.Add(1)
			return false
		}
	}
	if r.TTL == 0 {
		r.TTL = l.o.TTL.Milliseconds()
	}
	return true
}

// bad reports err and tells whether the load must stop.
func (l *load) bad(err error) bool {
	l.p.Bad.Add(1)
	if !l.o.SkipBad {
		return true
	}
	if l.o.OnBad != nil {
		l.badMu.Lock()
		defer l.badMu.Unlock()
		l.o.OnBad(err)
	}
	return false
}

// store puts one batch, again and again where Retry allows.
func (l *load) store(ctx context.Context, b *batch) {
	var refused []error // of the last attempt: a repetition asks for all records anew
	fail := func(i int, err error) {
		refused = append(refused, &LineError{File: l.o.Name, Line: b.records[i].Line, Err: err})
	}
	for attempt := 1; ; attempt++ {
		refused = refused[:0]
		err := l.o.Store(ctx, b.records, fail)
		if err == nil {
			break
		}
		wait, again := time.Duration(0), false
		if l.o.Retry != nil {
			wait, again = l.o.Retry(err, attempt)
		}
		if !again || !sleep(ctx, wait) {
			first, last := b.records[0].Line, b.records[len(b.records)-1].Line
			l.cancel(fmt.Errorf("store lines %d to %d of %s: %w", first, last, l.o.Name, err))
			return
		}
	}
	for _, err := range refused {
		if l.bad(err) {
			l.cancel(err)
		}
	}
	l.p.Loaded.Add(int64(len(b.records) - len(refused)))
	l.p.Bytes.Add(int64(len(b.bytes)))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

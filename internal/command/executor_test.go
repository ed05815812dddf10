package command

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// executor is the smallest thing that serves data commands with this package: one
// partition, no log, a clock set by hand. Sessions in package server do the same
// with locks, limits and partitions around it.
type executor struct {
	table   *store.Table
	applier Applier
	index   uint64
	now     int64
	w       resp.Writer
	parser  resp.Parser
	args    [][]byte
	entry   []byte
}

func newExecutor(t testing.TB, proto int) *executor {
	x := &executor{table: store.New(store.Options{}), now: 1_700_000_000_000}
	x.w.Proto = proto
	x.parser.Limits = resp.DefaultLimits()
	t.Cleanup(x.table.Close)
	return x
}

// line executes an inline command and returns the reply's bytes.
func (x *executor) line(line string) string {
	args, n, err := x.parser.Next([]byte(line+"\r\n"), x.args[:0])
	if err != nil {
		return err.Error()
	}
	if n == 0 || len(args) == 0 {
		return ""
	}
	x.args = args
	return x.run(args)
}

func (x *executor) run(args [][]byte) string {
	x.w.Buf = x.w.Buf[:0]
	spec, err := Resolve(args)
	if err == nil && spec.Check != nil {
		err = spec.Check(args)
	}
	if err == nil {
		switch {
		case spec.Kind == KindRead:
			x.read(spec, args)
		case spec.Kind == KindWrite:
			err = x.write(spec, args)
		case spec.Name == "command" || spec.Parent != nil && spec.Parent.Name == "command":
			WriteCommand(&x.w, args)
		default:
			err = resp.Errorf("ERR", "%s needs a server", spec.FullName())
		}
	}
	if err != nil {
		x.w.Error(err.(*resp.Error))
	}
	return string(x.w.Buf)
}

func (x *executor) read(spec *Spec, args [][]byte) {
	first, step, count := spec.KeyRange(args)
	switch spec.Merge {
	case MergeNone:
		x.readKey(args[first], func(e *store.Entry) { spec.Read(&x.w, args, e, x.now) })
	case MergeArray:
		x.w.Array(count)
		for i := first; i < first+count*step; i += step {
			x.readKey(args[i], func(e *store.Entry) { spec.Read(&x.w, args[i:i+step], e, x.now) })
		}
	case MergeSum:
		var sum int64
		for i := first; i < first+count*step; i += step {
			x.readKey(args[i], func(e *store.Entry) {
				if e != nil {
					sum++
				}
			})
		}
		x.w.Int(sum)
	}
}

func (x *executor) readKey(key []byte, f func(e *store.Entry)) {
	h := x.table.Hash(key)
	s := x.table.Stripe(h)
	s.Lock()
	defer s.Unlock()
	var e store.Entry
	if !s.Find(h, key, &e) || Expired(e.ExpireAt, x.now) {
		f(nil)
		return
	}
	f(&e)
}

func (x *executor) write(spec *Spec, args [][]byte) (err error) {
	x.entry = Begin(x.entry[:0])
	if spec.Merge == MergeNone {
		if x.entry, err = spec.Encode(x.entry, args, x.now); err != nil {
			return err
		}
		var mode uint8
		if spec.Mode != nil {
			mode = spec.Mode(args)
		}
		x.apply(SinkFunc(func(_ int, r *Result) { spec.Reply(&x.w, r, mode) }))
		return nil
	}
	first, step, count := spec.KeyRange(args)
	for i := first; i < first+count*step; i += step {
		if x.entry, err = spec.Encode(x.entry, args[i:i+step], x.now); err != nil {
			return err
		}
	}
	SetCount(x.entry, count)
	var sum int64
	x.apply(SinkFunc(func(_ int, r *Result) { sum += r.Int }))
	if spec.Merge == MergeSum {
		x.w.Int(sum)
	} else {
		x.w.OK()
	}
	return nil
}

func (x *executor) apply(sink Sink) {
	x.index++
	SetStamp(x.entry, x.now)
	if err := x.applier.Apply(x.table, x.index, x.entry, sink); err != nil {
		panic(err) // we encoded it ourselves
	}
}

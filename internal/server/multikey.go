package server

import (
	"cmp"
	"slices"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
)

// multiKey is a session's scratch for commands with any number of keys.
type multiKey struct {
	keys  []keyPlace
	parts []node.Part
}

// keyPlace is one key of a command: its partition and where its arguments begin.
type keyPlace struct {
	p   *node.Partition
	arg int
}

// keepKeys is the largest scratch that a session keeps.
const keepKeys = 1024

// release lets go of partitions and of an unusually large scratch.
func (m *multiKey) release() {
	if cap(m.keys) > keepKeys {
		*m = multiKey{}
		return
	}
	clear(m.parts)
	m.keys, m.parts = m.keys[:0], m.parts[:0]
}

// locate finds the partition of each key of a request, in the order of the request.
func (m *multiKey) locate(s *Server, spec *command.Spec, args [][]byte) {
	m.keys = m.keys[:0]
	for i := spec.FirstKey; i < len(args); i += spec.KeyStep {
		m.keys = append(m.keys, keyPlace{s.partition(args[i]), i})
	}
}

func (m *multiKey) onePartition() bool {
	for i := range m.keys {
		if m.keys[i].p != m.keys[0].p {
			return false
		}
	}
	return true
}

// errReplyTooLarge refuses a read whose reply the client could not be sent. Never
// changed.
var errReplyTooLarge = &resp.Error{Code: "ERR", Text: "the values asked for exceed output-limit: ask for fewer keys at once"}

// readKeys serves a read of any number of keys. Keys of one partition are read
// as of one moment; between partitions there is no such promise.
func (s *Session) readKeys(spec *command.Spec, args [][]byte) {
	m := &s.multi
	m.locate(s.srv, spec, args)
	defer m.release()
	var locked *store.Table
	var mask uint64
	if len(m.keys) > 1 && m.onePartition() {
		locked = m.keys[0].p.Table
		for _, k := range m.keys {
			mask |= 1 << locked.StripeIndex(locked.Hash(args[k.arg]))
		}
		locked.LockMask(mask)
		defer locked.UnlockMask(mask)
	}
	mark := len(s.w.Buf)
	if spec.Merge == command.MergeArray {
		s.w.Array(len(m.keys))
	}
	var present int64
	limit := s.srv.live.Current().OutputLimit
	for _, k := range m.keys {
		if s.readOne(spec, k.p.Table, args[k.arg:k.arg+spec.KeyStep], locked == nil) {
			present++
		}
		if int64(len(s.w.Buf)-mark) > limit {
			s.w.Buf = s.w.Buf[:mark]
			writeError(&s.w, errReplyTooLarge)
			return
		}
	}
	if spec.Merge == command.MergeSum {
		s.w.Int(present)
	}
}

// readOne reads one key of several and reports whether it is present.
func (s *Session) readOne(spec *command.Spec, t *store.Table, args [][]byte, lock bool) bool {
	h := t.Hash(args[0])
	stripe := t.Stripe(h)
	if lock {
		stripe.Lock()
		defer stripe.Unlock()
	}
	found := stripe.Find(h, args[0], &s.entry) && !command.Expired(s.entry.ExpireAt, s.now)
	if spec.Merge == command.MergeArray {
		if found {
			spec.Read(&s.w, args, &s.entry, s.now)
		} else {
			spec.Read(&s.w, args, nil, s.now)
		}
	}
	if found {
		s.batch.hits++
	} else {
		s.batch.misses++
	}
	return found
}

// writeKeys serves a write of any number of keys: one entry per partition, all
// of them in one append to the log.
func (s *Session) writeKeys(spec *command.Spec, args [][]byte) {
	m := &s.multi
	m.locate(s.srv, spec, args)
	defer m.release()
	slices.SortStableFunc(m.keys, func(a, b keyPlace) int { return cmp.Compare(a.p.Number, b.p.Number) })
	limit := s.srv.live.Current().MaxValueBytes
	for rest := m.keys; len(rest) > 0; {
		p, n := rest[0].p, 1
		for n < len(rest) && rest[n].p == p {
			n++
		}
		entry := command.Begin(make([]byte, 0, 64*n))
		command.SetCount(entry, n)
		command.SetValueLimit(entry, limit)
		var err error
		for _, k := range rest[:n] {
			if entry, err = spec.Encode(entry, args[k.arg:k.arg+spec.KeyStep], s.now); err != nil {
				writeError(s.writer(), err)
				s.drain()
				return
			}
		}
		m.parts = append(m.parts, node.Part{Partition: p, Entry: entry})
		rest = rest[n:]
	}
	s.submitParts(spec, m.parts, args)
}

// submitParts hands a write of several partitions to the node.
func (s *Session) submitParts(spec *command.Spec, parts []node.Part, args [][]byte) {
	if !s.deferred {
		s.inline.spec, s.inline.sum = spec, merge{}
		for i := range parts {
			parts[i].Sink = &s.inline
		}
		switch err := s.submitAllInline(parts); {
		case s.becameDeferred(err): // go on below
		case err != nil:
			s.refused(spec, err, args)
			return
		default:
			s.inline.sum.reply(spec, &s.w)
			return
		}
	}
	w := s.newWait()
	w.spec = spec
	if s.clustered {
		w.slot = s.routed.slot
	}
	w.expect(len(parts))
	if len(parts) == 1 {
		w.p = parts[0].Partition
	}
	for i := range parts {
		parts[i].Sink = w
	}
	s.submitted(w, s.settleLater(s.srv.node.SubmitAll(s.now, parts)), args)
}

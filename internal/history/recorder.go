package history

import (
	"sync"
	"time"
)

// Monotonic returns a clock for a Recorder: the time since now, unaffected by changes of the system's clock.
func Monotonic() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// Recorder collects the operations of concurrent clients. Its methods may be called by any goroutine.
type Recorder struct {
	now func() time.Duration

	mu  sync.Mutex
	ops []Op // guarded by mu
}

// NewRecorder returns an empty Recorder. now must never go back.
func NewRecorder(now func() time.Duration) *Recorder { return &Recorder{now: now} }

// Call is an operation in flight.
type Call struct {
	r  *Recorder
	at int
}

// Begin records that op is about to be asked. To be called right before the request is sent: the operation counts as in
// flight, and its effect as possible, from here on.
func (r *Recorder) Begin(op Op) Call {
	op.Reply = Reply{Outcome: Unknown}
	op.Return = Open
	r.mu.Lock()
	defer r.mu.Unlock()
	op.Call = int64(r.now())
	r.ops = append(r.ops, op)
	return Call{r, len(r.ops) - 1}
}

// End records the reply. To be called once, right after it came. An operation of unknown outcome keeps its end open.
func (c Call) End(reply Reply) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	op := &c.r.ops[c.at]
	op.Reply = reply
	if reply.Outcome != Unknown {
		op.Return = int64(c.r.now())
	}
}

// Len returns how many operations have begun.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// Now returns the recorder's time.
func (r *Recorder) Now() time.Duration { return r.now() }

// History returns a copy of what has been recorded. Operations in flight are in it, as unknown.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(History(nil), r.ops...)
}

// History is what clients did, in order of the calls.
type History []Op

// ByKey splits the history into those of the single keys.
func (h History) ByKey() map[string]History {
	keys := make(map[string]History)
	for _, op := range h {
		keys[op.Key] = append(keys[op.Key], op)
	}
	return keys
}

// AsLinearizable returns the history as if every read had asked for linearizability.
func (h History) AsLinearizable() History {
	strict := append(History(nil), h...)
	for i := range strict {
		strict[i].Level, strict[i].MaxAge = Linearizable, 0
	}
	return strict
}

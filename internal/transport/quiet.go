package transport

import (
	"sync"
	"time"
)

// quiet keeps what strangers can cause from filling the log: one line of each kind per second.
type quiet struct {
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // guarded by mu; kinds are a handful of constants
}

func (q *quiet) log(kind string, line func()) {
	q.mu.Lock()
	now := q.now()
	if last, ok := q.last[kind]; ok && now.Sub(last) < time.Second {
		q.mu.Unlock()
		return
	}
	if q.last == nil {
		q.last = map[string]time.Time{}
	}
	q.last[kind] = now
	q.mu.Unlock()
	line()
}

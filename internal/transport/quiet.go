package transport

import (
	"maps"
	"sync"
	"time"
)

const (
	quietFor  = 10 * time.Second
	quietKeys = 256
)

// quiet keeps what comes again and again, or can be caused by anybody, from filling the log: one line of each kind in
// quietFor, and of quietKeys kinds at most.
type quiet struct {
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

// allow reports whether a line of this kind may be logged now.
func (q *quiet) allow(kind string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if last, ok := q.last[kind]; ok && now.Sub(last) < quietFor {
		return false
	}
	if q.last == nil {
		q.last = map[string]time.Time{}
	}
	if len(q.last) >= quietKeys {
		maps.DeleteFunc(q.last, func(_ string, last time.Time) bool { return now.Sub(last) >= quietFor })
	}
	if len(q.last) >= quietKeys {
		return false
	}
	q.last[kind] = now
	return true
}

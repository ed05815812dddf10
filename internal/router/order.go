package router

// task is one request on its way to the cluster.
type task struct {
	request
	keys  []uint64 // hashes of the keys it names; equal hashes of different keys only cost time
	one   [1]uint64
	after []*task // those that wait for this one, among others
	waits int     // how many this one waits for
}

// order keeps, for one connection, requests that have a key in common apart: each
// waits until those before it have been answered. It is guarded by its
// connection's mu.
//
// Invariant: last holds, for each key of an unanswered task, the latest of these
// tasks; so a task waits for at most one task per key, which waits for the one
// before it.
type order struct {
	last map[uint64]*task
	most int // entries that last has had
}

// keepOrder is the largest map that a connection keeps while it has nothing to do.
const keepOrder = 1024

// add files a task and reports whether it may be sent at once. Otherwise a later
// remove returns it.
func (o *order) add(t *task) (ready bool) {
	if o.last == nil {
		o.last = make(map[uint64]*task)
	}
	for _, key := range t.keys {
		before := o.last[key]
		if before == t {
			continue // the key is named twice
		}
		if before != nil {
			before.after = append(before.after, t)
			t.waits++
		}
		o.last[key] = t
	}
	o.most = max(o.most, len(o.last))
	return t.waits == 0
}

// remove strikes an answered task out, and appends those that may be sent now.
func (o *order) remove(t *task, ready []*task) []*task {
	for _, key := range t.keys {
		if o.last[key] == t {
			delete(o.last, key)
		}
	}
	for _, next := range t.after {
		if next.waits--; next.waits == 0 {
			ready = append(ready, next)
		}
	}
	t.after = nil
	if len(o.last) == 0 && o.most > keepOrder {
		o.last, o.most = nil, 0
	}
	return ready
}

// waiting returns the task that a further one for key would wait for, if that one
// waits itself, has no other key and can answer others.
func (o *order) waiting(key uint64) *task {
	if t := o.last[key]; t != nil && t.waits > 0 && t.canMerge && len(t.keys) == 1 {
		return t
	}
	return nil
}

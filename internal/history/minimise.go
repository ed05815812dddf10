package history

import (
	"cmp"
	"slices"
	"time"
)

// minimise returns the smallest illegal history of one key that it can find in the given time, with the state at its
// start. Every step turns legal histories into legal ones, so what is left proves what the whole one does.
func minimise(h History, o Options) (State, History) {
	m := &minimiser{limits: o.limits(), until: time.Now().Add(o.MinimiseTime)}
	m.h = slices.Clone(h)
	slices.SortStableFunc(m.h, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	m.tidy()
	m.truncate()
	for before := -1; before != len(m.h) && !m.late(); {
		before = len(m.h)
		m.dropObservers()
		m.absorb()
		m.dropWrites()
	}
	return m.start, m.h
}

type minimiser struct {
	limits limits
	until  time.Time
	start  State
	h      History // illegal from start on; in order of calls
}

func (m *minimiser) late() bool { return time.Now().After(m.until) }

// try takes h and start over if they are illegal too.
func (m *minimiser) try(h History, start State) bool {
	if m.late() || search(h, start, m.limits) != Illegal {
		return false
	}
	m.h, m.start = h, start
	return true
}

// tidy drops what the search does not look at.
func (m *minimiser) tidy() {
	tidy := slices.DeleteFunc(slices.Clone(m.h), func(op Op) bool {
		return op.Outcome == Failed || op.Kind == Get && (op.Outcome != OK || !op.Level.Linearizes())
	})
	m.try(tidy, m.start)
}

// truncate finds the earliest moment at which the history has become illegal. A prefix of a legal history is legal:
// what had not ended by then is in flight.
func (m *minimiser) truncate() {
	var ends []int64
	for _, op := range m.h {
		if op.Return != Open {
			ends = append(ends, op.Return)
		}
	}
	slices.Sort(ends)
	whole := m.h
	n, _ := slices.BinarySearchFunc(ends, true, func(at int64, _ bool) int {
		if m.late() || search(prefix(whole, at), m.start, m.limits) == Illegal {
			return 0
		}
		return -1
	})
	if n < len(ends) {
		m.try(prefix(whole, ends[n]), m.start)
	}
}

// prefix is the history as it was at a moment.
func prefix(h History, at int64) History {
	var out History
	for _, op := range h {
		switch {
		case op.Call > at:
		case op.Return <= at:
			out = append(out, op)
		case op.Kind.Writes():
			op.Return, op.Reply = Open, Reply{Outcome: Unknown, Error: "in flight"}
			out = append(out, op)
		}
	}
	return out
}

// dropObservers drops what only reads, as much at a time as possible. That a legal history stays legal without an
// observer is plain.
func (m *minimiser) dropObservers() {
	for size := len(m.h) / 2; size > 0; size /= 2 {
		for from := 0; from < len(m.h) && !m.late(); {
			if !m.dropRange(from, size) {
				from += size
			}
		}
	}
}

// dropRange tries to do without the observers in h[from:from+size], and reports whether it could do without any.
func (m *minimiser) dropRange(from, size int) bool {
	to := min(from+size, len(m.h))
	kept := slices.DeleteFunc(slices.Clone(m.h[from:to]), observes)
	if len(kept) == to-from {
		return false
	}
	return m.try(slices.Concat(m.h[:from], kept, m.h[to:]), m.start)
}

// observes reports whether an operation of known outcome has changed nothing.
func observes(op Op) bool {
	return op.Outcome == OK && (op.Kind == Get || (op.Kind == Delete || op.Kind == CompareAndPut) && !op.Found)
}

// absorb makes the oldest writes part of the state at the start, but for one, so that the reader sees who wrote.
func (m *minimiser) absorb() {
	for !m.late() && acknowledged(m.h) > 1 {
		i := oldest(m.h)
		if i < 0 || !isFirst(m.h, i) {
			return
		}
		start, ok := after(m.h[i])
		if !ok || !m.try(slices.Delete(slices.Clone(m.h), i, i+1), start) {
			return
		}
	}
}

// acknowledged counts the writes that have taken effect and said so.
func acknowledged(h History) int {
	n := 0
	for _, op := range h {
		if op.Outcome == OK && !observes(op) {
			n++
		}
	}
	return n
}

// oldest is the acknowledged write with the lowest version or, where versions are not told, the one that ended first;
// -1 if there is none.
func oldest(h History) int {
	at := -1
	for i, op := range h {
		if op.Outcome != OK || observes(op) {
			continue
		}
		if at < 0 || cmp.Or(cmp.Compare(op.Version, h[at].Version), cmp.Compare(op.Return, h[at].Return)) < 0 {
			at = i
		}
	}
	return at
}

// isFirst reports whether the oldest write comes before everything else of known effect in any order that explains the
// replies. What is uncertain may as well come later.
func isFirst(h History, oldest int) bool {
	w := h[oldest]
	for i, op := range h {
		if i == oldest || op.Outcome != OK || op.Call > w.Return {
			continue
		}
		if v := cmp.Or(written(op), shown(op)); w.Version == 0 || v < w.Version {
			return false // it may have seen an older state, or none
		}
	}
	return true
}

// after is the state that an acknowledged write leaves.
func after(w Op) (State, bool) {
	switch w.Kind {
	case Increment:
		return State{}.write(formatInt(w.Sum), w.Version)
	case Delete:
		return State{}.remove(w.Version)
	}
	return State{}.write(w.Value, w.Version)
}

// dropWrites drops the writes that no remaining operation has observed, but for the last one.
func (m *minimiser) dropWrites() {
	for i := 0; i < len(m.h) && !m.late(); {
		if acknowledged(m.h) == 1 && m.h[i].Outcome == OK || !unobserved(m.h, i) || !m.try(slices.Delete(slices.Clone(m.h), i, i+1), m.start) {
			i++
		}
	}
}

// unobserved reports whether the replies to all other operations would be the same without the write h[i]. It may
// say no where yes would be right.
func unobserved(h History, i int) bool {
	w := h[i]
	if w.Kind == Increment || observes(w) {
		return false
	}
	for j, op := range h {
		if j == i {
			continue
		}
		if op.Kind == Increment || w.Kind == Delete && observesAbsence(op) || w.Kind != Delete && observesPut(h, w, op) {
			return false
		}
	}
	return true
}

func observesAbsence(op Op) bool {
	switch op.Kind {
	case Get, Delete:
		return op.Outcome == OK && !op.Found
	case CompareAndPut:
		return op.Expect == 0 || op.Outcome == OK && op.Version == 0
	}
	return false
}

func observesPut(h History, w, op Op) bool {
	v := written(w)
	switch op.Kind {
	case Get:
		return op.Found && op.Got == w.Value
	case CompareAndPut:
		return v == 0 || op.Expect == v || op.Outcome == OK && !op.Found && op.Version == v
	case Delete:
		return op.Outcome == OK && op.Found && (v == 0 || written(op) == 0 || !putBetween(h, v, op.Version))
	}
	return false
}

// putBetween reports whether another put is known to lie between two versions.
func putBetween(h History, low, high uint64) bool {
	return high < low || slices.ContainsFunc(h, func(op Op) bool {
		v := written(op)
		return op.Kind != Delete && v > low && v < high
	})
}

package replica

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A leader without a majority steps down; what it may hold until then is bounded, and so is
// what one keeps for laggards.
func TestTheLogInMemoryIsBounded(t *testing.T) {
	b := newByHand(t, voters(3), nil)
	b.lead()
	b.ack()
	for range 200 {
		b.h.Propose(testGroup, putEntry("k", strings.Repeat("x", 1000)), nil, false)
		b.work()
		b.ack()
		b.beat()
		b.pass(50)
	}
	if most := b.h.hardKeepBytes() + 10_000; b.h.Held() > most {
		t.Errorf("%d bytes are held, at most %d should be", b.h.Held(), most)
	}
}

// raft.Storage's contract at the edges, which Raft relies on.
func TestTheLogInMemoryAtItsEdges(t *testing.T) {
	var l memLog
	entries := func(term uint64, indexes ...uint64) (all []*raftpb.Entry) {
		for _, i := range indexes {
			all = append(all, (&Entry{Type: RecordEntry, Term: term, Index: i, Payload: []byte("12345")}).pb())
		}
		return all
	}
	l.reset(10, 2)
	check := func(step string, first, last uint64, terms ...uint64) {
		t.Helper()
		f, _ := l.FirstIndex()
		e, _ := l.LastIndex()
		if f != first || e != last {
			t.Errorf("%s: %d to %d, want %d to %d", step, f, e, first, last)
		}
		for i, want := range terms {
			if got, err := l.Term(first - 1 + uint64(i)); err != nil || got != want {
				t.Errorf("%s: term of %d is %d (%v), want %d", step, first-1+uint64(i), got, err, want)
			}
		}
		if _, err := l.Term(first - 2); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("%s: before the first: %v", step, err)
		}
		if _, err := l.Term(last + 1); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("%s: behind the last: %v", step, err)
		}
		if _, err := l.Entries(first-1, last+1, 1<<20); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("%s: entries from before the first: %v", step, err)
		}
		if _, err := l.Entries(first, last+2, 1<<20); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("%s: entries to behind the last: %v", step, err)
		}
		want := int64(0)
		for _, e := range l.entries {
			want += entryBytes(e)
		}
		if l.bytes != want {
			t.Errorf("%s: %d bytes are counted, %d are there", step, l.bytes, want)
		}
	}
	check("after a snapshot", 11, 10, 2)
	l.append(entries(3, 11, 12, 13))
	check("entries", 11, 13, 2, 3, 3, 3)
	held, _ := l.Entries(11, 14, 1<<20)
	l.append(entries(4, 12))
	check("overwritten", 11, 12, 2, 3, 4)
	if held[1].GetTerm() != 3 {
		t.Error("what Raft holds has changed")
	}
	l.append(entries(4, 13, 14, 15))
	if got, _ := l.Entries(11, 16, uint64(2*entryBytes(held[0]))); len(got) != 2 {
		t.Errorf("%d entries of two entries' size", len(got))
	}
	if got, _ := l.Entries(11, 16, 1); len(got) != 1 {
		t.Errorf("%d entries of too little size", len(got))
	}
	l.compact(13)
	check("compacted", 14, 15, 4, 4, 4)
	l.compact(12)
	check("compacted to before that", 14, 15, 4, 4, 4)
	l.append(entries(4, 13, 14, 15, 16)) // the first is given up already
	check("reaching before the first", 14, 16, 4, 4, 4, 4)
	l.append(entries(4, 12, 13))
	check("before the first alone", 14, 16, 4, 4, 4, 4)
	l.compact(16)
	check("all of it", 17, 16, 4)
	if !slices.Equal(l.entries, nil) {
		t.Errorf("%d entries are left", len(l.entries))
	}
	l.reset(40, 6)
	check("another snapshot", 41, 40, 6)
	l.append(entries(7, 41))
	l.append(entries(9, 42, 43))
	check("two terms", 41, 43, 6, 7, 9, 9)
	l.append(entries(8, 42)) // of a leader that had not heard of the later term's
	check("overwritten by an older term", 41, 42, 6, 7, 8)
	l.append(entries(8, 41, 42, 43))
	check("overwritten from earlier on by the newest term", 41, 43, 6, 8, 8, 8)
	l.compact(42)
	check("compacted within a term", 43, 43, 8, 8)
}

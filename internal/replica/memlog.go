package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// memLog is the part of a group's log that is kept in memory: what is not applied
// yet, and behind that as much as laggards may want. It is what Raft reads; the log
// on disk is written by the shell and read by a start alone.
//
// An entry is here from the moment the shell is told to append it. Raft reads it from
// here only after it has been told that it is durable.
type memLog struct {
	hard raftpb.HardState
	conf *raftpb.ConfState
	// offset and offsetTerm are the entry before the first that is kept.
	offset, offsetTerm uint64
	entries            []*raftpb.Entry
	bytes              int64 // payloads kept
	// newest is the term of the newest entry, and that of all from newestFrom on: Raft asks for
	// terms all the time, mostly of the last entries, and each of them lies somewhere else.
	newest, newestFrom uint64
	// applied tells what a snapshot taken now would cover.
	applied func() (index, term uint64, conf *raftpb.ConfState)
}

var _ raft.Storage = (*memLog)(nil)

// entryOverhead is about what an entry takes beside its payload.
const entryOverhead = 150

func entryBytes(e *raftpb.Entry) int64 { return int64(len(e.Data)) + entryOverhead }

func (l *memLog) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return &l.hard, l.conf, nil
}

func (l *memLog) last() uint64 { return l.offset + uint64(len(l.entries)) }

// LastIndex returns the index of the newest entry.
func (l *memLog) LastIndex() (uint64, error) { return l.last(), nil }

// FirstIndex returns the index of the oldest entry that is kept.
func (l *memLog) FirstIndex() (uint64, error) { return l.offset + 1, nil }

// Term returns the term of an entry, or of the one before the first.
func (l *memLog) Term(index uint64) (uint64, error) {
	switch {
	case index < l.offset:
		return 0, raft.ErrCompacted
	case index == l.offset:
		return l.offsetTerm, nil
	case index > l.last():
		return 0, raft.ErrUnavailable
	case index >= l.newestFrom:
		return l.newest, nil
	}
	return l.entries[index-l.offset-1].GetTerm(), nil
}

// Entries returns entries [lo, hi) of at most maxBytes, and at least one.
func (l *memLog) Entries(lo, hi, maxBytes uint64) ([]*raftpb.Entry, error) {
	switch {
	case lo <= l.offset:
		return nil, raft.ErrCompacted
	case hi > l.last()+1:
		return nil, raft.ErrUnavailable
	}
	from, to := int(lo-l.offset-1), int(hi-l.offset-1)
	size := uint64(0)
	for i := from; i < to; i++ {
		size += uint64(entryBytes(l.entries[i]))
		if size > maxBytes && i > from {
			to = i
			break
		}
	}
	return l.entries[from:to:to], nil
}

// Snapshot describes a snapshot that the shell can make now. Its contents do not
// travel in Raft's messages.
func (l *memLog) Snapshot() (*raftpb.Snapshot, error) {
	index, term, conf := l.applied()
	if index == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &index, Term: &term, ConfState: conf}}, nil
}

// append takes entries over, those that they overwrite included.
func (l *memLog) append(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if first <= l.offset { // what was given up is committed and the same
		skip := min(int(l.offset-first)+1, len(entries))
		entries = entries[skip:]
		if len(entries) == 0 {
			return
		}
		first = entries[0].GetIndex()
	}
	keep := int(first - l.offset - 1)
	for _, e := range l.entries[keep:] {
		l.bytes -= entryBytes(e)
	}
	// A fresh slice when something is overwritten: Raft may still hold the old one.
	if keep < len(l.entries) {
		l.entries = append(l.entries[:keep:keep], entries...)
	} else {
		l.entries = append(l.entries, entries...)
	}
	for _, e := range entries {
		l.bytes += entryBytes(e)
		if term := e.GetTerm(); term != l.newest {
			l.newest, l.newestFrom = term, e.GetIndex()
		}
	}
}

// compact lets go of the entries up to index.
func (l *memLog) compact(index uint64) {
	if index <= l.offset {
		return
	}
	n := int(index - l.offset)
	l.offsetTerm = l.entries[n-1].GetTerm()
	for _, e := range l.entries[:n] {
		l.bytes -= entryBytes(e)
	}
	rest := l.entries[n:]
	if n >= len(rest) { // what goes is more than what stays: give its memory back
		rest = append(make([]*raftpb.Entry, 0, len(rest)+16), rest...)
	}
	l.entries, l.offset = rest, index
}

// reset begins anew behind a snapshot.
func (l *memLog) reset(index, term uint64) {
	l.entries, l.bytes = nil, 0
	l.offset, l.offsetTerm = index, term
	l.newest, l.newestFrom = term, index
}

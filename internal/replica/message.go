package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// Message is one Raft message between two replicas of a group, or a round of a host's.
type Message struct {
	Group uint32
	Raft  *raftpb.Message
	Round *Round // not nil: then there is no Raft
}

// A frame between nodes holds messages one after another, each
//
//	length u32, little-endian | group uvarint | type u8 | flags u8 | to | from | term | log term | index | commit | reject hint
//	| [context: length uvarint, bytes] | [entries: count uvarint, then each: type u8 | term | index | length uvarint, bytes]
//
// with numbers as uvarints. Flags: 1 reject, 2 context, 4 entries. The message that
// announces a snapshot travels with the snapshot, not here. Between them lie rounds: see rounds.go.
const (
	msgReject  = 1
	msgContext = 2
	msgEntries = 4
)

// AppendMessage appends the encoding of m, which must not carry a snapshot.
func AppendMessage(dst []byte, group uint32, m *raftpb.Message) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(group))
	var flags byte
	if m.GetReject() {
		flags |= msgReject
	}
	if m.Context != nil {
		flags |= msgContext
	}
	if len(m.GetEntries()) > 0 {
		flags |= msgEntries
	}
	dst = append(dst, byte(m.GetType()), flags)
	for _, v := range [...]uint64{m.GetTo(), m.GetFrom(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetRejectHint()} {
		dst = binary.AppendUvarint(dst, v)
	}
	if flags&msgContext != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(m.Context)))
		dst = append(dst, m.Context...)
	}
	if flags&msgEntries != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(m.GetEntries())))
		for _, e := range m.GetEntries() {
			dst = append(dst, byte(e.GetType()))
			dst = binary.AppendUvarint(dst, e.GetTerm())
			dst = binary.AppendUvarint(dst, e.GetIndex())
			dst = binary.AppendUvarint(dst, uint64(len(e.Data)))
			dst = append(dst, e.Data...)
		}
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// ErrMessage is matched by errors about frames that hold no messages.
var ErrMessage = errors.New("not a frame of messages between replicas")

// DecodeMessages calls f with each message of a frame. Contexts, and the entries of a
// message that is most of the frame, are views into frame, which must stay unchanged for as
// long as the messages live. Other entries are copied: one that is kept for long must not
// keep a whole frame of other groups' entries with it.
func DecodeMessages(frame []byte, f func(*Message)) error {
	whole := len(frame)
	for len(frame) > 0 {
		if len(frame) < 4 {
			return fmt.Errorf("%w: cut off", ErrMessage)
		}
		n := binary.LittleEndian.Uint32(frame)
		if uint64(n) > uint64(len(frame)-4) {
			return fmt.Errorf("%w: a message of %d bytes, %d are left", ErrMessage, n, len(frame)-4)
		}
		m, err := decodeMessage(frame[4 : 4+n])
		if err != nil {
			return err
		}
		if int(n) < whole/2 {
			copyEntries(m.Raft.GetEntries())
		}
		f(m)
		frame = frame[4+n:]
	}
	return nil
}

// copyEntries gives entries memory of their own.
func copyEntries(entries []*raftpb.Entry) {
	size := 0
	for _, e := range entries {
		size += len(e.Data)
	}
	if size == 0 {
		return
	}
	b := make([]byte, 0, size)
	for _, e := range entries {
		start := len(b)
		b = append(b, e.Data...)
		e.Data = b[start:len(b):len(b)]
	}
}

// message is a Message with the memory for all its numbers.
type message struct {
	m    Message
	raft raftpb.Message
	kind raftpb.MessageType
	nums [7]uint64
	no   bool
}

func decodeMessage(b []byte) (*Message, error) {
	if isRound(b) {
		q, err := decodeRound(b)
		return &Message{Round: q}, err
	}
	d := decoder{b: b}
	v := &message{}
	v.m.Raft = &v.raft
	group := d.uvarint()
	v.kind = raftpb.MessageType(d.byte())
	flags := d.byte()
	for i := range v.nums {
		v.nums[i] = d.uvarint()
	}
	if group > 1<<32-1 || flags&^(msgReject|msgContext|msgEntries) != 0 || !travels(v.kind) {
		return nil, fmt.Errorf("%w: group %d, type %d, flags %#x", ErrMessage, group, v.kind, flags)
	}
	v.m.Group = uint32(group)
	r := &v.raft
	r.Type, r.To, r.From, r.Term, r.LogTerm, r.Index = &v.kind, &v.nums[0], &v.nums[1], &v.nums[2], &v.nums[3], &v.nums[4]
	r.Commit, r.RejectHint = &v.nums[5], &v.nums[6]
	v.no = flags&msgReject != 0
	r.Reject = &v.no
	if flags&msgContext != 0 {
		r.Context = d.bytes(d.uvarint())
		if r.Context == nil {
			r.Context = []byte{}
		}
	}
	if flags&msgEntries != 0 {
		r.Entries = d.entries()
	}
	if d.failed || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: a message is cut off or has bytes behind it", ErrMessage)
	}
	if !sound(r) {
		return nil, fmt.Errorf("%w: a %v that makes no sense", ErrMessage, v.kind)
	}
	return &v.m, nil
}

// travels reports whether messages of this kind come from other nodes. That to hand over
// leadership does not: a leader does so of itself, after it has given up its lease.
func travels(kind raftpb.MessageType) bool {
	switch kind {
	case raftpb.MsgProp, raftpb.MsgApp, raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
		raftpb.MsgTimeoutNow, raftpb.MsgReadIndex, raftpb.MsgReadIndexResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp:
		return true
	}
	return false
}

// sound reports whether Raft can take the message: what it finds impossible it answers
// with a panic.
func sound(m *raftpb.Message) bool {
	if m.GetTerm() > maxTerm {
		return false
	}
	entries := m.GetEntries()
	switch m.GetType() {
	case raftpb.MsgProp: // changes of the configuration are proposed by leaders alone
		for _, e := range entries {
			if e.GetType() != raftpb.EntryNormal {
				return false
			}
		}
		return m.GetTerm() == 0 && len(entries) > 0
	case raftpb.MsgReadIndex:
		return m.GetTerm() == 0 && len(entries) == 1
	case raftpb.MsgReadIndexResp:
		return m.GetTerm() > 0 && len(entries) == 1
	case raftpb.MsgApp:
		term := m.GetLogTerm()
		for i, e := range entries {
			if e.GetIndex() != m.GetIndex()+1+uint64(i) || e.GetTerm() < max(term, 1) || e.GetTerm() > m.GetTerm() {
				return false
			}
			term = e.GetTerm()
		}
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp:
		if n := len(m.GetContext()); n != 0 && n != 8 { // Raft's own
			return false
		}
	}
	return m.GetTerm() > 0
}

// wireEntry is an entry with the memory for its numbers.
type wireEntry struct {
	e           raftpb.Entry
	kind        raftpb.EntryType
	term, index uint64
}

func (d *decoder) entries() []*raftpb.Entry {
	n := d.count(4)
	if n == 0 {
		d.fail()
		return nil
	}
	all := make([]wireEntry, n)
	entries := make([]*raftpb.Entry, n)
	for i := range all {
		w := &all[i]
		w.kind, w.term, w.index = raftpb.EntryType(d.byte()), d.uvarint(), d.uvarint()
		if w.kind != raftpb.EntryNormal && w.kind != raftpb.EntryConfChangeV2 {
			d.fail()
			return nil
		}
		w.e.Type, w.e.Term, w.e.Index = &w.kind, &w.term, &w.index
		w.e.Data = d.bytes(d.uvarint())
		entries[i] = &w.e
	}
	return entries
}

// CutMessages returns how many bytes at the front of what AppendMessage has made are
// whole messages of at most limit bytes together, and at least one.
func CutMessages(b []byte, limit int) int {
	n := 0
	for n < len(b) {
		size := 4 + int(binary.LittleEndian.Uint32(b[n:]))
		if n > 0 && n+size > limit {
			break
		}
		n += size
	}
	return n
}

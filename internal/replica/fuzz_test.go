package replica

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// within fails the test if fn allocates more than ceiling bytes.
func within(t *testing.T, ceiling int, fn func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(ceiling) {
		t.Fatalf("allocated %d bytes, the ceiling is %d", got, ceiling)
	}
}

// noise is what the runtime and the fuzzer may allocate in between.
const noise = 256 << 10

// someMessages is one message of each kind that travels.
func someMessages() (frames [][]byte) {
	kind := func(k raftpb.MessageType) *raftpb.Message {
		m := &raftpb.Message{}
		to, from, term := uint64(2), uint64(1), uint64(5)
		m.Type, m.To, m.From, m.Term = &k, &to, &from, &term
		return m
	}
	entry := func(term, index uint64) *raftpb.Entry {
		normal := raftpb.EntryNormal
		return &raftpb.Entry{Type: &normal, Term: &term, Index: &index, Data: bytes.Repeat([]byte{byte(index)}, 20)}
	}
	zero, four := uint64(0), uint64(4)
	for _, k := range []raftpb.MessageType{
		raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgTimeoutNow, raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
	} {
		frames = append(frames, AppendMessage(nil, 1, kind(k)))
	}
	app := kind(raftpb.MsgApp)
	app.LogTerm, app.Index, app.Commit, app.Entries = &four, &four, &four, []*raftpb.Entry{entry(4, 5), entry(5, 6)}
	beat := kind(raftpb.MsgHeartbeat)
	beat.Context = make([]byte, 8)
	prop, ask, answer := kind(raftpb.MsgProp), kind(raftpb.MsgReadIndex), kind(raftpb.MsgReadIndexResp)
	prop.Term, prop.Entries = &zero, []*raftpb.Entry{entry(0, 0)}
	ask.Term, ask.Entries = &zero, []*raftpb.Entry{entry(0, 0)}
	answer.Entries = []*raftpb.Entry{entry(0, 0)}
	for _, m := range []*raftpb.Message{app, beat, prop, ask, answer} {
		frames = append(frames, AppendMessage(nil, 7, m))
	}
	e := roundEntry{group: 7, to: 2, from: 1, term: 5}
	return append(frames, appendRound(nil, 300, false, e.append(e.append(nil))), appendRound(nil, 300, true, e.append(nil)))
}

// FuzzMessages: frames from peers. What is taken for messages is what AppendMessage makes of them again.
func FuzzMessages(f *testing.F) {
	all := []byte{}
	for _, frame := range someMessages() {
		f.Add(frame)
		all = append(all, frame...)
	}
	f.Add(all)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		var messages []*Message
		var err error
		// A field of one byte becomes a structure: an entry of four bytes one of about 200.
		within(t, noise+256*len(frame), func() {
			err = DecodeMessages(frame, func(m *Message) { messages = append(messages, m) })
		})
		if err != nil && !errors.Is(err, ErrMessage) {
			t.Fatalf("an error of another kind: %v", err)
		}
		for _, m := range messages {
			if m.Round != nil {
				again := appendRound(nil, m.Round.Seq, m.Round.Answer, m.Round.body)
				if err := DecodeMessages(again, func(other *Message) {
					if q := other.Round; q == nil || q.Seq != m.Round.Seq || q.Answer != m.Round.Answer || !bytes.Equal(q.body, m.Round.body) {
						t.Fatalf("encoded %x, decoded %+v", again, other)
					}
				}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if !sound(m.Raft) || !travels(m.Raft.GetType()) {
				t.Fatalf("not to be stepped: %v", m.Raft)
			}
			again := AppendMessage(nil, m.Group, m.Raft)
			n := 0
			if err := DecodeMessages(again, func(other *Message) {
				n++
				if got := AppendMessage(nil, other.Group, other.Raft); !bytes.Equal(got, again) {
					t.Fatalf("encoded %x, decoded and encoded %x", again, got)
				}
			}); err != nil || n != 1 {
				t.Fatalf("%d messages, %v", n, err)
			}
		}
	})
}

// TestEveryKindOfMessageThatTravelsIsTaken keeps FuzzMessages from fuzzing nothing but refusals.
func TestEveryKindOfMessageThatTravelsIsTaken(t *testing.T) {
	for _, frame := range someMessages() {
		n := 0
		if err := DecodeMessages(frame, func(*Message) { n++ }); err != nil || n != 1 {
			t.Errorf("%x: %d messages, %v", frame, n, err)
		}
	}
}

// someState is a state with a configuration and sessions.
func someState() []byte {
	c := &Configuration{Index: 9, Revision: 3, Voters: []uint64{1, 2, 3}, Learners: []uint64{4}, Outgoing: []uint64{1, 2}, AutoLeave: true}
	for id := range uint64(4) {
		c.nodes = append(c.nodes, place{id + 1, ring.NodeID{byte(id)}})
	}
	s := NewSessions()
	for i := range byte(3) {
		id := command.Session{ID: [16]byte{0, 0, 1, 0x99, 0, 0, 0, 0, i}, Seq: 1}
		record, execute := s.begin(id, id.CreatedAt(), 1, nil)
		if execute && record != nil {
			s.end()
		}
	}
	return appendState(nil, c, s)
}

// FuzzState: what a snapshot holds beside its entries. What is taken for a state has one encoding.
func FuzzState(f *testing.F) {
	f.Add(someState())
	f.Add(appendState(nil, &Configuration{}, NewSessions()))
	f.Add([]byte{stateVersion, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c *Configuration
		var s *Sessions
		var err error
		within(t, noise+256*len(b), func() { c, s, err = decodeState(b) })
		if err != nil {
			if !errors.Is(err, errState) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		once := appendState(nil, c, s)
		c, s, err = decodeState(once)
		if err != nil {
			t.Fatalf("what was encoded is refused: %v", err)
		}
		if twice := appendState(nil, c, s); !bytes.Equal(once, twice) {
			t.Fatalf("encoded %x, decoded and encoded %x", once, twice)
		}
	})
}

func TestAStateOfALaterVersionIsRefusedByName(t *testing.T) {
	b := someState()
	b[0]++
	if _, _, err := decodeState(b); !errors.Is(err, errState) {
		t.Errorf("%v", err)
	}
}

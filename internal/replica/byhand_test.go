package replica

import (
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// byHand is replica 1 of a group; the others are the test.
type byHand struct {
	t       *testing.T
	h       *Host
	r       *Raft
	now     int64
	fx      Effects
	records []wal.Record
	out     []*raftpb.Message // what it has sent since it was looked at last
	rounds  []sentRound
	install *Install

	applied []string
	fetched []int // how many entries at a time
	lease   int64
	conf    *Configuration
	slow    bool // records do not become durable
}

func (b *byHand) Apply(index, term uint64, e []byte, sink command.Sink) error {
	b.applied = append(b.applied, string(e[16:]))
	if sink != nil {
		sink.Result(0, &command.Result{})
	}
	return nil
}
func (b *byHand) Advance(_, _ uint64, conf *Configuration) {
	if conf != nil {
		b.conf = conf
	}
}
func (b *byHand) Lease(until int64) {
	if until == 0 || until > b.lease {
		b.lease = until
	}
}
func (b *byHand) Fresh(int64)             {}
func (b *byHand) Fetch(entries [][]byte)  { b.fetched = append(b.fetched, len(entries)) }
func (b *byHand) Refusal(err error) error { return err }

// voters is a configuration of the first n replicas, each on the node of its number.
func voters(n int) *Configuration {
	c := &Configuration{}
	for i := 1; i <= n; i++ {
		c.Voters = append(c.Voters, uint64(i))
		c.nodes = append(c.nodes, place{uint64(i), nodeID(i)})
	}
	return c
}

// newByHand makes a replica of a group that has applied one entry.
func newByHand(t *testing.T, conf *Configuration, change func(*RaftConfig)) *byHand {
	b := &byHand{t: t, now: 10_000}
	b.h = NewHost(Options{TickMs: 50, ElectionTicks: 12, HeartbeatTicks: 2, KeepBytes: 4 << 10, TotalKeepBytes: 64 << 10, Seed: 1, Logger: quiet()}, b.now)
	c := RaftConfig{
		Group: testGroup, Hard: HardState{Replica: 1, Term: 1, Commit: 1}, Conf: conf, Machine: b,
		Applied: 1, AppliedTerm: 1, StampAt: 8,
	}
	if change != nil {
		change(&c)
	}
	if err := b.h.Add(c); err != nil {
		t.Fatal(err)
	}
	b.r = b.h.rafts[testGroup]
	b.work()
	return b
}

// work lets the host work, with a disk that is as fast as can be.
func (b *byHand) work() {
	b.t.Helper()
	for again := true; again; {
		if err := b.h.Work(&b.fx); err != nil {
			b.t.Fatal(err)
		}
		for _, rec := range b.fx.Records {
			rec.Payload = slices.Clone(rec.Payload)
			b.records = append(b.records, rec)
		}
		for to, frame := range b.fx.Out {
			take := func(m *Message) {
				if m.Round != nil {
					b.rounds = append(b.rounds, sentRound{nodeIndex(to), m.Round})
					return
				}
				b.out = append(b.out, m.Raft)
			}
			if err := DecodeMessages(slices.Clone(frame), take); err != nil {
				b.t.Fatal(err)
			}
		}
		for _, in := range b.fx.Installs {
			b.install = &in
		}
		again = b.fx.Batch != 0 && !b.slow
		if again {
			b.h.Persisted(b.fx.Batch)
		}
		b.fx.Reset()
	}
}

// pass lets time pass, tick by tick.
func (b *byHand) pass(ms int) {
	for range ms / 50 {
		b.now += 50
		b.h.Now(b.now)
		b.h.Tick()
		b.work()
	}
}

// hear has a message arrive.
func (b *byHand) hear(m *raftpb.Message) {
	b.t.Helper()
	m.To = proto.Uint64(1)
	frame := AppendMessage(nil, testGroup, m)
	if err := DecodeMessages(frame, func(m *Message) { b.h.Receive(nodeID(int(m.Raft.GetFrom())), m) }); err != nil {
		b.t.Fatal(err)
	}
}

func newMessage(t raftpb.MessageType, from, term uint64) *raftpb.Message {
	return &raftpb.Message{Type: t.Enum(), From: &from, Term: &term}
}

// sent takes what has been sent of one kind.
func (b *byHand) sent(t raftpb.MessageType) (all []*raftpb.Message) {
	for _, m := range b.out {
		if m.GetType() == t {
			all = append(all, m)
		}
	}
	b.out = slices.DeleteFunc(b.out, func(m *raftpb.Message) bool { return m.GetType() == t })
	return all
}

// lead makes it the leader, by the votes of replica 2.
func (b *byHand) lead() (term uint64) {
	b.t.Helper()
	for range 100 {
		b.pass(50)
		for _, m := range slices.Concat(b.sent(raftpb.MsgPreVote), b.sent(raftpb.MsgVote)) {
			if m.GetTo() == 2 {
				answer := raftpb.MsgPreVoteResp
				if m.GetType() == raftpb.MsgVote {
					answer = raftpb.MsgVoteResp
				}
				b.hear(newMessage(answer, 2, m.GetTerm()))
				b.work()
			}
		}
		if s := b.status(); s.Leads {
			return s.Term
		}
	}
	b.t.Fatal("it does not become the leader")
	return 0
}

// ack has replica 2 say that it has everything.
func (b *byHand) ack() {
	m := newMessage(raftpb.MsgAppResp, 2, b.status().Term)
	m.Index = proto.Uint64(b.status().Last)
	b.hear(m)
	b.work()
}

// acksOf has replicas say that they have everything.
func (b *byHand) acksOf(ids ...uint64) {
	for _, id := range ids {
		m := newMessage(raftpb.MsgAppResp, id, b.status().Term)
		m.Index = proto.Uint64(b.status().Last)
		b.hear(m)
	}
	b.work()
}

// beat has replica 2 answer heartbeats.
func (b *byHand) beat() {
	for _, m := range b.sent(raftpb.MsgHeartbeat) {
		if m.GetTo() == 2 {
			answer := newMessage(raftpb.MsgHeartbeatResp, 2, m.GetTerm())
			answer.Context = m.GetContext()
			b.hear(answer)
		}
	}
	b.work()
}

func (b *byHand) status() Status {
	s, _ := b.h.Status(testGroup)
	return s
}

// appends has a leader append entries, each "index@term", behind one.
func (b *byHand) appends(from, term, prev, prevTerm, commit uint64, terms ...uint64) {
	m := newMessage(raftpb.MsgApp, from, term)
	m.Index, m.LogTerm, m.Commit = &prev, &prevTerm, &commit
	for i := range terms {
		e := &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: &terms[i], Index: proto.Uint64(prev + 1 + uint64(i))}
		e.Data = putEntry("k", string(run(terms[i], prev+1+uint64(i))[0].Payload))
		m.Entries = append(m.Entries, e)
	}
	b.hear(m)
}

package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/prakashpandey/vegadb/internal/invariants"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// A leader may answer a linearizable read once it knows that it still led after the read
// had come. Raft's way to learn that is a heartbeat to each voter, group by group. But
// reads come to all groups that a node leads, and the nodes to be asked are the same few.
// So a Host asks each node once per round, about all groups that have reads waiting: is
// your replica in this term, and does it follow this leader? One message answers for all of
// which that is so.
//
// What an answer proves is what Raft's heartbeats prove: nobody can know yet of a vote in a
// later term of a voter that gives it after the round has begun (should it have cast one a
// moment ago, that is not on disk), and each later leader needs the vote of at least one of
// the majority that has. So when the round began nothing had been committed in a later
// term, and the leader's commit index covers all that had been.
//
// What it does not do is to have the voters wait another election time-out: a round
// begins no lease. A read that is to begin one takes Raft's way: see Host.Read.
//
// docs/decisions/0020 has the argument in full.

// Round is a leader's question to a node, or the answer to it.
type Round struct {
	Seq    uint64
	Answer bool
	body   []byte // of roundEntry, one after the other
}

// roundEntry says, in a question, of a leader and one of its voters: "you, replica To, are in
// this term and follow me, replica From?" In an answer: "yes, I, replica From, do."
type roundEntry struct {
	group          uint32
	to, from, term uint64
}

// In a frame, rounds lie among the messages of groups:
//
//	length u32, little-endian | 0 | type u8: 254 question, 255 answer | sequence | entries: group | to | from | term
//
// with numbers as uvarints.
const (
	typeQuestion = 254
	typeAnswer   = 255
	roundHead    = 2
)

func appendRound(dst []byte, seq uint64, answer bool, entries []byte) []byte {
	start := len(dst)
	kind := byte(typeQuestion)
	if answer {
		kind = typeAnswer
	}
	dst = append(dst, 0, 0, 0, 0, 0, kind)
	dst = binary.AppendUvarint(dst, seq)
	dst = append(dst, entries...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

func (e *roundEntry) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(e.group))
	dst = binary.AppendUvarint(dst, e.to)
	dst = binary.AppendUvarint(dst, e.from)
	return binary.AppendUvarint(dst, e.term)
}

// isRound reports whether a message is a round.
func isRound(b []byte) bool { return len(b) >= roundHead && b[0] == 0 && b[1] >= typeQuestion }

// decodeRound decodes what isRound. The round is a view into b.
func decodeRound(b []byte) (*Round, error) {
	d := decoder{b: b[roundHead:]}
	q := &Round{Answer: b[1] == typeAnswer, Seq: d.uvarint()}
	q.body = d.b
	for len(d.b) > 0 {
		d.roundEntry()
	}
	if d.failed {
		return nil, fmt.Errorf("%w: a round that is cut off", ErrMessage)
	}
	return q, nil
}

func (d *decoder) roundEntry() roundEntry {
	group := d.uvarint()
	e := roundEntry{group: uint32(group), to: d.uvarint(), from: d.uvarint(), term: d.uvarint()}
	if group > 1<<32-1 {
		d.fail()
	}
	return e
}

// rounds is a host's side of them.
type rounds struct {
	newest   uint64
	began    int64 // of the newest
	answered bool  // somebody has answered the newest, or nobody was asked
	asking   []*Raft
	peers    []peer
	askedAll uint64       // the last round in which all voters were asked
	allAt    int64        // when that began
	places   int          // how many nodes have answered it
	yes      []byte       // scratch
	answers  []nodeAnswer // for the next Work
	text     []byte       // theirs
}

// peer is a node that is asked.
type peer struct {
	node    ring.NodeID
	entries []byte // of the round that begins
	place   int    // in which it answered the last round in which all were asked; 0: it has not
}

// nodeAnswer is an answer to a node, which ends there in rounds.text.
type nodeAnswer struct {
	node ring.NodeID
	end  int
}

// askNext has the group take part in the next round.
func (r *Raft) askNext() {
	if !r.reads.asking {
		r.reads.asking = true
		r.host.rounds.asking = append(r.host.rounds.asking, r)
	}
}

// beginRound begins a round for the groups that want one. The more reads share it the
// better, so it waits until somebody has answered the last one: whichever node is
// fastest sets the pace, and none that is slow or dead does. If nobody answers, a tick does.
//
// Once per tick, and so after a round without an answer, all voters are asked. Until the
// next time those that were the fastest to answer then are, as many as a majority takes.
func (h *Host) beginRound(fx *Effects) {
	q := &h.rounds
	if len(q.asking) == 0 || h.Asked() {
		return
	}
	q.newest++
	if h.now >= q.allAt+h.o.TickMs {
		q.askedAll, q.allAt, q.places = q.newest, h.now, 0
		for i := range q.peers {
			q.peers[i].place = 0
		}
	}
	q.began, q.answered = h.now, true
	for i := range q.peers {
		q.peers[i].entries = q.peers[i].entries[:0]
	}
	for i, r := range q.asking {
		q.asking[i] = nil
		r.reads.asking = false
		if len(r.reads.fresh)+len(r.reads.asked) == 0 {
			continue
		}
		if h.rafts[r.c.Group] == r && r.role == raft.StateLeader && !r.untold() {
			r.takePart()
		}
	}
	q.asking = q.asking[:0]
	for i := range q.peers {
		if p := &q.peers[i]; len(p.entries) > 0 {
			q.answered = false
			fx.put(p.node, appendRound(fx.out(p.node), q.newest, false, p.entries))
		}
	}
}

// Asked reports whether a round is under way. Further reads may as well come after its answer.
func (h *Host) Asked() bool { return !h.rounds.answered && h.now < h.rounds.began+h.o.TickMs }

// takePart asks the group's voters in the round that begins.
func (r *Raft) takePart() {
	invariants.Check(r.commit == r.rn.BasicStatus().GetCommit(), "a round begins when all that Raft had to say has been heard")
	r.host.counters.ReadRounds++
	r.reads.ask(r)
	q := &r.host.rounds
	last := q.lastPlace(r)
	for _, v := range r.conf.nodes {
		if v.id == r.c.Hard.Replica || !r.conf.votes(v.id) {
			continue
		}
		if p := q.peer(v.node); last == 0 || p.place != 0 && p.place <= last {
			e := roundEntry{r.c.Group, v.id, r.c.Hard.Replica, r.term}
			p.entries = e.append(p.entries)
		}
	}
	r.agreed() // the only voter agrees with itself
}

// lastPlace says who is to be asked: those who came in this place or before it are
// just enough; 0: everybody is.
func (q *rounds) lastPlace(r *Raft) int {
	if r.conf.Joint() || q.newest == q.askedAll {
		return 0
	}
	var places []int
	var few [8]int
	places = few[:0]
	for _, v := range r.conf.nodes {
		if place := q.peer(v.node).place; place != 0 && v.id != r.c.Hard.Replica && r.conf.votes(v.id) {
			places = append(places, place)
		}
	}
	need := len(r.conf.Voters) / 2
	if !r.conf.votes(r.c.Hard.Replica) {
		need++
	}
	if need == 0 || need > len(places) {
		return 0
	}
	slices.Sort(places)
	return places[need-1]
}

// peer returns a node's. There are few.
func (q *rounds) peer(node ring.NodeID) *peer {
	for i := range q.peers {
		if q.peers[i].node == node {
			return &q.peers[i]
		}
	}
	q.peers = append(q.peers, peer{node: node})
	return &q.peers[len(q.peers)-1]
}

// votes reports whether replica id is a voter of any of the configurations.
func (c *Configuration) votes(id uint64) bool {
	return slices.Contains(c.Voters, id) || slices.Contains(c.Outgoing, id)
}

// maxAnswers bounds the bytes of answers that wait for the next Work, about, and keepAnswers
// what of their memory is kept.
const (
	maxAnswers  = 16 << 20
	keepAnswers = 1 << 20
)

// hearRound takes a question or an answer from a node.
func (h *Host) hearRound(from ring.NodeID, m *Round) {
	if m.Answer {
		h.hearAnswer(from, m)
		return
	}
	q := &h.rounds
	if len(q.text) > maxAnswers {
		return
	}
	yes := q.yes[:0]
	for d := (decoder{b: m.body}); len(d.b) > 0; {
		e := d.roundEntry()
		if r := h.rafts[e.group]; r != nil && r.c.Hard.Replica == e.to && r.term == e.term && r.lead == e.from {
			e.to, e.from = e.from, e.to
			yes = e.append(yes)
		}
	}
	q.yes = yes
	q.text = appendRound(q.text, m.Seq, true, yes)
	q.answers = append(q.answers, nodeAnswer{from, len(q.text)})
}

// hearAnswer counts a node's answer to a round for each group in it.
func (h *Host) hearAnswer(from ring.NodeID, m *Round) {
	q := &h.rounds
	if m.Seq > q.newest { // no round of this process
		return
	}
	q.answered = q.answered || m.Seq == q.newest
	if p := q.peer(from); m.Seq == q.askedAll && p.place == 0 {
		q.places++
		p.place = q.places
	}
	for d := (decoder{b: m.body}); len(d.b) > 0; {
		e := d.roundEntry()
		r := h.rafts[e.group]
		if r == nil || r.role != raft.StateLeader || r.c.Hard.Replica != e.to || r.term != e.term || !r.conf.votes(e.from) {
			continue
		}
		r.reads.answer(e.from, m.Seq)
		r.agreed()
	}
}

// sendAnswers sends what was asked.
func (h *Host) sendAnswers(fx *Effects) {
	q := &h.rounds
	start := 0
	for _, a := range q.answers {
		fx.put(a.node, append(fx.out(a.node), q.text[start:a.end]...))
		start = a.end
	}
	q.answers, q.text = q.answers[:0], q.text[:0]
	if cap(q.text) > keepAnswers {
		q.answers, q.text, q.yes = nil, nil, nil
	}
}

// out is what goes to a node so far, and put puts back what has become of it.
func (fx *Effects) out(node ring.NodeID) []byte { return fx.Out[node] }

func (fx *Effects) put(node ring.NodeID, b []byte) {
	if fx.Out == nil {
		fx.Out = make(map[ring.NodeID][]byte)
	}
	fx.Out[node] = b
}

// inRound is the reads of a group that wait for the answers of a round.
type inRound struct {
	seq     uint64
	index   uint64 // committed when it began
	began   int64
	since   int64 // of the oldest of the reads
	readers []ReadWaiter
}

type roundAnswer struct {
	id, seq uint64
}

// ask has the reads that have come wait for the round that begins. When many rounds are
// under way, the reads of the last of them go along: a later round serves them as well.
func (q *readQueue) ask(r *Raft) {
	h := r.host
	in := inRound{seq: h.rounds.newest, index: r.commit, began: h.now, since: h.now, readers: q.fresh}
	if len(q.fresh) > 0 {
		in.since = q.since
	}
	q.fresh, q.spare = q.spare, nil
	if n := len(q.asked); n == maxRounds {
		last := &q.asked[n-1]
		in.since = min(in.since, last.since)
		in.readers = append(last.readers, in.readers...)
		*last = inRound{}
		q.asked = q.asked[:n-1]
	}
	q.asked = append(q.asked, in)
}

// answer notes that a voter has said yes.
func (q *readQueue) answer(id, seq uint64) {
	for i := range q.answers {
		if a := &q.answers[i]; a.id == id {
			a.seq = max(a.seq, seq)
			return
		}
	}
	q.answers = append(q.answers, roundAnswer{id, seq})
}

// agreed ends the newest round that a majority has said yes to, and those before it: who
// led after a later one had begun led after these had.
func (r *Raft) agreed() {
	q := &r.reads
	for n := len(q.asked); n > 0; n-- {
		if !r.majority(r.conf.Voters, q.asked[n-1].seq) || r.conf.Joint() && !r.majority(r.conf.Outgoing, q.asked[n-1].seq) {
			continue
		}
		for i := range q.asked[:n] {
			r.host.counters.ReadRoundsOK++
			r.confirmed(q.asked[i].index, q.asked[i].began, q.asked[i].readers)
			q.keep(q.asked[i].readers)
		}
		q.asked = slices.Delete(q.asked, 0, n)
		return
	}
}

// majority reports whether most of the voters have said yes to a round since seq, the leader
// itself included.
func (r *Raft) majority(voters []uint64, seq uint64) bool {
	yes := 0
	for _, id := range voters {
		if id == r.c.Hard.Replica || slices.ContainsFunc(r.reads.answers, func(a roundAnswer) bool { return a.id == id && a.seq >= seq }) {
			yes++
		}
	}
	return yes > len(voters)/2
}

// keepReaders bounds what keep keeps.
const keepReaders = 1024

// keep keeps the memory of reads that are done for those to come.
func (q *readQueue) keep(done []ReadWaiter) {
	clear(done)
	if q.spare == nil && cap(done) <= keepReaders {
		q.spare = done[:0]
	}
}

// repeat has questions asked again that have not been answered for a while.
func (q *readQueue) repeat(r *Raft) {
	if n := len(q.asked); n > 0 && r.host.now-q.asked[n-1].began >= r.host.o.TickMs {
		r.askNext()
	}
}

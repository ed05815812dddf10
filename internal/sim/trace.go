package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A trace is everything that happened, in order. Its hash covers every event, whether or not it is kept; what is kept
// is the last part of it.
//
// # Format
//
// [Result.WriteTrace] writes JSON lines, so that a viewer can read them one by one:
//
//	{"vega-sim-trace":1,"seed":7,"nodes":3,"clients":4,"groups":4,"hash":"…"}    the first line
//	{"t":12034,"k":"send","n":1,"p":2,"a":3,"b":118}                             each further one is an Event
//
//	t  simulated time in µs
//	k  kind, see below
//	n  where: nodes are 1, 2, …, clients 101, 102, …; 0 is the world itself
//	p  the other end, if there is one
//	id which message it is: a "send" and its "recv" or "drop" have the same
//	g  the group
//	a, b  numbers, by kind
//	s  words, by kind
//
//	start    node n is up                        a: its how-manieth start
//	down     node n has ended                    s: why
//	send     a message to p goes on its way      id, b: bytes
//	recv     it arrives at n from p              id
//	drop     it does not arrive                  id
//	append   n appends to its log                a: position, b: records
//	sync     n's log is durable                  a: up to this position
//	lead     n's role or term has changed        g, a: term, s: leader, follower
//	apply    n applies an entry                  g, a: index, b: a hash of the entry
//	snap     n writes, sends, receives or installs a snapshot   g, a: index, s: which
//	meta     n is the first to apply a command of the meta group   a: index, s: which, and what became of it
//	conf     n is the first to apply a configuration      g, a: index, s: who belongs to it
//	move     n takes a group a step further, or drops its replica  g, s: how
//	admin    somebody asks n for something                s: for what
//	call     client n begins an operation        s: what
//	dial     client n connects to p              id
//	ask      it asks p for the topology          id
//	try      it sends its operation to p         id
//	reset    n's machine runs, its server does not: p is refused, or its connection ends   id, b: bytes
//	reply    it has its outcome                  s: what
//	backup   the operator begins or ends a backup         s: which, and what became of it
//	fault    something is broken or repaired     n, p, s: what
//	phase    the run goes on to its next phase   s: which
//
// More kinds and fields may come; none will get another meaning within one version.
type trace struct {
	hash   uint64
	count  uint64
	keep   int
	events []Event // the newest, up to keep (twice that for a while)
}

// Event is one line of a trace.
type Event struct {
	At    int64  `json:"t"`
	Kind  string `json:"k"`
	Node  int    `json:"n,omitempty"`
	Peer  int    `json:"p,omitempty"`
	ID    uint64 `json:"id,omitempty"`
	Group uint32 `json:"g,omitempty"`
	A     uint64 `json:"a,omitempty"`
	B     uint64 `json:"b,omitempty"`
	Text  string `json:"s,omitempty"`
}

// fnv is FNV-1a, 64 bits.
const (
	fnvOffset uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
)

func fnvNumber(h, v uint64) uint64 {
	for range 8 {
		h = (h ^ v&0xFF) * fnvPrime
		v >>= 8
	}
	return h
}

func fnvBytes[T string | []byte](h uint64, b T) uint64 {
	for i := range len(b) {
		h = (h ^ uint64(b[i])) * fnvPrime
	}
	return h
}

func (t *trace) add(e Event) {
	h := t.hash
	for _, v := range [...]uint64{uint64(e.At), uint64(e.Node)<<32 | uint64(e.Peer), e.ID, uint64(e.Group), e.A, e.B} {
		// One multiplication for eight bytes: this is the simulator's hottest loop.
		h = (h ^ v) * fnvPrime
		h ^= h >> 29
	}
	t.hash = fnvBytes(fnvBytes(h, e.Kind), e.Text)
	t.count++
	if t.keep == 0 {
		return
	}
	if len(t.events) >= 2*t.keep {
		t.events = append(t.events[:0], t.events[t.keep:]...)
	}
	t.events = append(t.events, e)
}

// tell adds an event of the present moment.
func (s *Sim) tell(e Event) {
	e.At = s.now
	s.trace.add(e)
}

// last returns the newest n events that were kept.
func (t *trace) last(n int) []Event { return t.events[max(0, len(t.events)-n):] }

// WriteTrace writes what was kept of the trace: see Format above.
func (r *Result) WriteTrace(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "{\"vega-sim-trace\":1,\"seed\":%d,\"nodes\":%d,\"clients\":%d,\"groups\":%d,\"hash\":\"%016x\"}\n",
		r.Config.Seed, r.Config.Nodes, r.Config.Clients, r.Config.Partitions, r.Hash)
	enc := json.NewEncoder(b)
	for i := range r.events {
		if err := enc.Encode(&r.events[i]); err != nil {
			return err
		}
	}
	return b.Flush()
}

// spaceTime draws events as a table: a column for each node, time downwards.
func spaceTime(events []Event, nodes int) string {
	const width = 30
	var b strings.Builder
	fmt.Fprintf(&b, "%12s ", "ms")
	for n := 1; n <= nodes; n++ {
		fmt.Fprintf(&b, "│ %-*s ", width, fmt.Sprintf("node %d", n))
	}
	b.WriteString("│ clients and the world\n")
	for i := range events {
		e := &events[i]
		fmt.Fprintf(&b, "%12.3f ", float64(e.At)/float64(milli))
		text := e.line()
		if e.Node < 1 || e.Node > nodes {
			for range nodes {
				fmt.Fprintf(&b, "│ %-*s ", width, "")
			}
			fmt.Fprintf(&b, "│ %s\n", text)
			continue
		}
		for n := 1; n <= nodes; n++ {
			cell := ""
			if n == e.Node {
				cell = text
			}
			if len(cell) > width {
				cell = cell[:width-1] + "~"
			}
			fmt.Fprintf(&b, "│ %-*s ", width, cell)
		}
		b.WriteString("│\n")
	}
	return b.String()
}

// line shows an event in a few words.
func (e *Event) line() string {
	place := func(n int) string {
		if n == backerPlace {
			return "backup"
		}
		if n > firstClient {
			return fmt.Sprintf("client %d", n-firstClient)
		}
		return fmt.Sprintf("node %d", n)
	}
	text := e.Kind
	if e.Node > firstClient {
		text = place(e.Node) + " " + text
	}
	switch e.Kind {
	case "send", "try":
		text += fmt.Sprintf(" #%d to %s", e.ID, place(e.Peer))
	case "recv", "drop":
		text += fmt.Sprintf(" #%d from %s", e.ID, place(e.Peer))
	case "append":
		text += fmt.Sprintf(" %d records, pos %d", e.B, e.A)
	case "sync":
		text += fmt.Sprintf(" pos %d", e.A)
	case "apply":
		text += fmt.Sprintf(" g%d/%d %04x", e.Group, e.A, e.B&0xFFFF)
	case "lead":
		text = fmt.Sprintf("%s g%d term %d", e.Text, e.Group, e.A)
	case "snap":
		text = fmt.Sprintf("snapshot %s g%d/%d", e.Text, e.Group, e.A)
	case "start":
		text += fmt.Sprintf(" no. %d", e.A)
	default:
		if e.Node >= 1 && e.Node < firstClient && e.Kind == "fault" {
			text += fmt.Sprintf(" %s", place(e.Node))
		}
		if e.Peer != 0 {
			text += " " + place(e.Peer)
		}
		text += ": " + e.Text
	}
	return text
}

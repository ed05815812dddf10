package sim

// network carries messages between places: nodes and clients.
//
// Without faults a link keeps its order, as a connection does, and takes a fraction of a millisecond.
type network struct {
	s     *Sim
	links map[[2]int]*link // by from, to; never walked
	id    uint64

	// For every link, as probabilities per message. What is duplicated or late also overtakes: between nodes alone,
	// because a client's connection keeps its order or breaks.
	loss, twice, late float64
}

// link is one direction between two places.
type link struct {
	cut    bool
	held   int64 // nothing arrives before this moment, but nothing is lost
	slowBy int64 // µs that every message takes longer
	newest int64 // arrival of the newest message, so that the next does not overtake it
}

func newNetwork(s *Sim) *network { return &network{s: s, links: make(map[[2]int]*link)} }

func (w *network) link(from, to int) *link {
	l := w.links[[2]int{from, to}]
	if l == nil {
		l = &link{}
		w.links[[2]int{from, to}] = l
	}
	return l
}

// heal ends all trouble.
func (w *network) heal() {
	w.loss, w.twice, w.late = 0, 0, 0
	for from := 0; from <= len(w.s.nodes); from++ {
		for to := 0; to <= len(w.s.nodes); to++ {
			l := w.link(from, to)
			l.cut, l.held, l.slowBy = false, 0, 0
		}
	}
}

// send puts a message on its way. arrive is called when it is there, unless it gets lost. kind is "send" or "try".
func (w *network) send(kind string, from, to int, size int, arrive func()) {
	s := w.s
	w.id++
	id := w.id
	s.tell(Event{Kind: kind, Node: from, Peer: to, ID: id, B: uint64(size)})
	// Clients reach a node over one link from, and one to, "the outside", 0.
	a, b := from, to
	peers := a < firstClient && b < firstClient
	if a > firstClient {
		a = 0
	}
	if b > firstClient {
		b = 0
	}
	l := w.link(a, b)
	rng := s.netRand
	if l.cut || rng.Float64() < w.loss {
		if !l.cut {
			s.strikes("message lost")
		}
		s.tell(Event{Kind: "drop", Node: to, Peer: from, ID: id})
		return
	}
	times := 1
	if peers && rng.Float64() < w.twice {
		times = 2
		s.strikes("message doubled")
	}
	for range times {
		at := s.now + 50 + int64(rng.IntN(450)) + l.slowBy
		if peers && rng.Float64() < w.late {
			at += int64(rng.IntN(3_000_000)) // out of order, and perhaps from an old term
			s.strikes("message late")
		} else {
			at = max(at, l.held, l.newest)
			l.newest = at
		}
		s.at(at, func() {
			if l.cut { // what is on its way when a link is cut is lost with it
				s.tell(Event{Kind: "drop", Node: to, Peer: from, ID: id})
				return
			}
			s.tell(Event{Kind: "recv", Node: to, Peer: from, ID: id})
			arrive()
		})
	}
}

package transport

import (
	"bytes"
	"slices"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Stats are counted since the start of the process.
type Stats struct {
	Peers       []PeerStats // in the order of their ids
	Connections int         // established incoming connections
	Handshakes  int         // incoming connections that have not said who they are
}

// PeerStats are one peer's. Frames do not include keepalives; bytes include headers.
type PeerStats struct {
	Node      ring.NodeID
	Addr      string    // dialled last
	Connected bool      // this node's frames can go there
	Since     time.Time // of Connected being as it is
	Incoming  bool      // the peer's frames can come here
	Boot      uint64    // of the process that has connected last

	QueueBytes                    int
	SentFrames, SentBytes         uint64 // given to the socket
	ReceivedFrames, ReceivedBytes uint64
	Dropped                       uint64 // frames that Send refused or that were queued when a connection failed

	LastError   string // why there is no connection; "" while there is one
	LastErrorAt time.Time
}

// Stats returns the present numbers.
func (t *Transport) Stats() Stats {
	t.mu.RLock()
	s := Stats{Connections: t.established, Handshakes: len(t.waiting)}
	peers := make([]*peer, 0, len(t.peers))
	for _, p := range t.peers {
		peers = append(peers, p)
	}
	t.mu.RUnlock()
	for _, p := range peers {
		s.Peers = append(s.Peers, p.stats())
	}
	slices.SortFunc(s.Peers, func(a, b PeerStats) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	return s
}

func (p *peer) stats() PeerStats {
	s := PeerStats{
		Node: p.node, QueueBytes: p.queue.size(), Dropped: p.dropped.Load(),
		SentFrames: p.sentFrames.Load(), SentBytes: p.sentBytes.Load(),
		ReceivedFrames: p.receivedFrames.Load(), ReceivedBytes: p.receivedBytes.Load(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Addr, s.Connected, s.Since, s.Incoming, s.Boot = p.addr, p.connected, p.since, p.in != nil, p.boot
	s.LastError, s.LastErrorAt = p.lastErr, p.lastErrAt
	return s
}

// Connected reports whether frames for a node can be delivered at present, as far as is known.
func (t *Transport) Connected(node ring.NodeID) bool {
	t.mu.RLock()
	p := t.peers[node]
	t.mu.RUnlock()
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connected
}

package server

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// noteTopology takes note of a change of the topology. Called by the node, which has
// better things to do than to make a topology for each change.
func (s *Server) noteTopology() {
	select {
	case s.topologyChanged <- struct{}{}:
	default: // the pusher is about to look
	}
}

// topology is the node's topology as this session's client is shown it: the address of
// a node that does not know its own is the one by which the client came.
func (s *Session) topology() (t *wire.Topology, version uint64) {
	t, version = s.srv.node.Topology()
	for i := range t.Nodes {
		if t.Nodes[i].Address == "" {
			shown := *t
			shown.Nodes = append([]wire.TopologyNode(nil), t.Nodes...)
			for i := range shown.Nodes {
				if shown.Nodes[i].Address == "" {
					shown.Nodes[i].Address = s.local.String()
				}
			}
			return &shown, version
		}
	}
	return t, version
}

func (s *Session) nativeTopology(req *wire.Request) error {
	if err := wire.CheckEmpty(req.Body); err != nil {
		return err
	}
	t, version := s.topology()
	if p := s.meta.push.Load(); p != nil {
		p.version.Store(version)
	}
	s.nativeReply(req, wire.OK, 0, t.Append(nil))
	return nil
}

// push is the state of a native session whose client wants topologies pushed.
type push struct {
	w       wait          // brings the session's goroutine to it
	queued  atomic.Bool   // w is on its way
	version atomic.Uint64 // of the last topology that the client was sent
}

// wantPushes has the client sent each topology later than version.
func (s *Session) wantPushes(version uint64) {
	p := &push{}
	p.w.s, p.w.push = s, p
	p.version.Store(version)
	s.meta.push.Store(p)
}

// pushEvery is the least time between two topologies pushed to a client.
const pushEvery = 100 * time.Millisecond

// runPusher tells clients of changes of the topology.
func (s *Server) runPusher() {
	defer s.background.Done()
	pause := time.NewTicker(pushEvery)
	defer pause.Stop()
	for behind := false; ; {
		if !behind {
			select {
			case <-s.ctx.Done():
				return
			case <-s.topologyChanged:
			}
		}
		behind = s.pushToAll()
		pause.Reset(pushEvery)
		select {
		case <-s.ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// lookAtTopology returns the topology's version. It is what moves Server.epoch.
func (s *Server) lookAtTopology() (version uint64) {
	t, version := s.node.Topology()
	s.epoch.Store(t.Epoch)
	return version
}

// pushToAll has every session push the topology that wants that and has not sent it
// yet. It reports whether there were any, which then are to be looked at once more: a
// client that does not take what it is sent gets no more for now, and the newest when
// it goes on.
func (s *Server) pushToAll() (behind bool) {
	version := s.lookAtTopology()
	for _, ses := range s.door.Open() {
		p := ses.meta.push.Load()
		if p == nil || p.version.Load() >= version {
			continue
		}
		behind = true
		if ses.meta.outSince.Load() == 0 && !p.queued.Swap(true) {
			ses.link.deliver(&p.w)
		}
	}
	return behind
}

// pushTopology sends the topology as it is now. On the session's goroutine.
func (s *Session) pushTopology(p *push) {
	p.queued.Store(false)
	t, version := s.topology()
	if s.closing || len(s.w.Buf) >= crowdedOutput || version <= p.version.Load() {
		return
	}
	p.version.Store(version)
	s.w.Buf = wire.AppendTopologyPush(s.w.Buf, t)
}

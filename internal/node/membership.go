package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/transport"
)

// clusterInfo answers callInfo.
type clusterInfo struct {
	Cluster    ring.NodeID `json:"cluster"`
	Partitions int         `json:"partitions"`
	Node       ring.NodeID `json:"node"` // who answers
}

// verdict is what became of a command, for another node.
type verdict struct {
	OK   bool   `json:"ok"`
	Gone bool   `json:"gone"` // the node is not a member
	Text string `json:"text"`
}

func verdictOf(r meta.Result) verdict {
	return verdict{r.Code == meta.OK, r.Code == meta.RemovedNode || r.Code == meta.UnknownNode, r.Text}
}

// joinReply answers callJoin.
type joinReply struct {
	verdict
	// Replica is the id of the new node's replica of the meta group.
	Replica uint64     `json:"replica"`
	Peers   []peerInfo `json:"peers"`
}

type peerInfo struct {
	ID       ring.NodeID `json:"id"`
	PeerAddr string      `json:"peer_addr"`
}

const (
	joinPatience  = time.Minute     // for the seeds to answer a node that needs them
	seedPatience  = time.Second     // and one that does not
	callPatience  = 5 * time.Second // for one call
	helloPatience = 2 * time.Second // for what may be no node at all to answer
	joinPause     = 200 * time.Millisecond
)

// askSeeds learns, for a node that is to join a cluster with a new data directory,
// what cluster that is.
func (n *Node) askSeeds(want *datadir.Want) error {
	o := n.opts.Cluster
	if o == nil || len(o.Join) == 0 {
		return nil
	}
	exists, err := datadir.Exists(n.fs, n.opts.Dir)
	if err != nil {
		return err
	}
	patience := joinPatience
	if exists {
		patience = seedPatience
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := n.callSeeds(ctx, !exists)
	if exists {
		// It knows where it belongs, and finds its peers by itself. But should the seeds be
		// of another cluster, somebody expects what will not happen.
		if err == nil {
			want.Cluster = datadir.ID(info.Cluster)
		}
		return nil
	}
	if err != nil && !mayBecomeNode(err) {
		return fmt.Errorf("cannot join a cluster: %w", err)
	}
	if err != nil {
		return fmt.Errorf("cannot join a cluster: %w; are the addresses of --join peer addresses (port 8344 by default) of running members?", err)
	}
	if want.Partitions != 0 && want.Partitions != info.Partitions {
		return fmt.Errorf("the cluster %v has %d partitions, not %d: leave --partitions out", info.Cluster, info.Partitions, want.Partitions)
	}
	want.Cluster, want.Partitions = datadir.ID(info.Cluster), info.Partitions
	return nil
}

// callSeeds asks the seeds one after the other until one answers, if insist again and
// again.
func (n *Node) callSeeds(ctx context.Context, insist bool) (info clusterInfo, err error) {
	var stranger ring.NodeID
	if _, err := io.ReadFull(n.opts.Rand, stranger[:]); err != nil {
		return info, err
	}
	t, err := transport.New(transport.Options{
		Node: stranger, Boot: 1, Listen: "127.0.0.1:0", TLS: n.opts.Cluster.TLS, Logger: n.logger,
		Resolve: func(ring.NodeID) (string, bool) { return "", false }, Handler: nobody{},
		Limits: transport.Limits{Handshake: helloPatience},
	})
	if err != nil {
		return info, err
	}
	defer t.Close()
	seeds := n.opts.Cluster.Join
	failed := make([]error, len(seeds)) // the last of each seed
	for round := 0; ; round++ {
		for i, addr := range seeds {
			reply, callErr := call(ctx, t, addr, callInfo, nil)
			if callErr == nil {
				return info, json.Unmarshal(reply, &info)
			}
			if ctx.Err() == nil || failed[i] == nil { // else: what was wrong before says more
				failed[i] = aboutSeed(addr, callErr)
			}
			if errors.As(callErr, new(*transport.RefusedError)) || untrusted(callErr) {
				return info, failed[i]
			}
		}
		if !insist || !slices.ContainsFunc(failed, mayBecomeNode) {
			return info, &seedsError{failed}
		}
		if round == 0 { // whoever waits before a terminal should know what for
			for i, addr := range seeds {
				n.logger.Warn("no answer from a member of the cluster yet; trying for a minute", "seed", addr, "err", failed[i])
			}
		}
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
			return info, &seedsError{failed}
		}
	}
}

// seedsError is why none of the seeds could be asked.
type seedsError struct{ each []error }

func (e *seedsError) Unwrap() []error { return e.each }

func (e *seedsError) Error() string {
	texts := make([]string, len(e.each))
	for i, err := range e.each {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// aboutSeed names the seed in err, if it does not do so itself.
func aboutSeed(addr string, err error) error {
	if strings.Contains(err.Error(), addr) {
		return err
	}
	return fmt.Errorf("%s: %w", addr, err)
}

// mayBecomeNode reports whether a node may yet answer where err came from: it may be starting.
func mayBecomeNode(err error) bool { return !errors.As(err, new(*transport.StrangerError)) }

// untrusted reports whether one side does not trust the other's certificate: trying
// again changes nothing.
func untrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	var certificate x509.CertificateInvalidError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	return errors.As(err, &authority) || errors.As(err, &certificate) || errors.As(err, &alert) || errors.As(err, &record)
}

func call(ctx context.Context, t *transport.Transport, addr string, kind uint8, body []byte) ([]byte, error) {
	calling, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	reply, err := t.Call(calling, addr, kind, body)
	if err != nil && calling.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("no answer within %v: %w", callPatience, err)
	}
	return reply, err
}

// nobody answers nothing.
type nobody struct{}

func (nobody) Frame(ring.NodeID, []byte)  {}
func (nobody) PeerUp(ring.NodeID, uint64) {}
func (nobody) PeerDown(ring.NodeID)       {}
func (nobody) Snapshot(context.Context, ring.NodeID, []byte, int64, io.Reader) error {
	return errors.New("not a member")
}
func (nobody) Call(context.Context, ring.NodeID, uint8, []byte) ([]byte, error) {
	return nil, errors.New("not a member")
}

// join makes the node a member, and waits until it has the cluster's state. The worker
// runs already.
func (n *Node) join(ctx context.Context) error {
	n.joining.Store(true) // until Load has ended: the others write as soon as they can
	n.progress.begin("joining the cluster")
	c := n.cluster
	body, err := json.Marshal(meta.Join{Cluster: ring.NodeID(n.dir.Cluster), Partitions: len(n.partitions), Node: c.describe()})
	if err != nil {
		return err
	}
	for {
		reply, err := n.askToJoin(ctx, body)
		if err != nil {
			return err
		}
		if reply != nil {
			for _, p := range reply.Peers {
				c.peers.Store(p.ID, p.PeerAddr)
			}
			var addErr error
			if !n.worker.ask(func() {
				if _, here := n.worker.host.Has(0); !here {
					addErr = n.addMeta(replica.HardState{Replica: reply.Replica}, nil, false)
				}
			}) {
				return ErrClosed
			}
			if addErr != nil {
				return addErr
			}
		}
		if n.awaitState(ctx) {
			return ctx.Err()
		}
	}
}

// awaitState waits a while for the cluster's state, and reports whether to wait no
// longer.
func (n *Node) awaitState(ctx context.Context) bool {
	deadline := time.After(callPatience)
	tick := time.NewTicker(joinPause / 10)
	defer tick.Stop()
	for n.meta.view.Load() == nil {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		case <-ctx.Done():
			return true
		}
	}
	return true
}

// askToJoin asks the seeds once each. nil without an error: nobody could be asked.
func (n *Node) askToJoin(ctx context.Context, body []byte) (*joinReply, error) {
	for _, addr := range n.cluster.o.Join {
		b, err := call(ctx, n.cluster.transport, addr, callJoin, body)
		if err != nil {
			n.logger.Warn("cannot join yet", "seed", addr, "err", err)
			if refused := (*transport.RefusedError)(nil); errors.As(err, &refused) {
				return nil, err
			}
			continue
		}
		var reply joinReply
		if err := json.Unmarshal(b, &reply); err != nil {
			return nil, fmt.Errorf("join by %s: %w", addr, err)
		}
		if !reply.OK {
			return nil, fmt.Errorf("the cluster does not take this node in: %s", reply.Text)
		}
		return &reply, nil
	}
	return nil, nil
}

// Call answers a call.
func (h *peerHandler) Call(ctx context.Context, from ring.NodeID, kind uint8, body []byte) ([]byte, error) {
	n := (*Node)(h)
	view := n.meta.view.Load()
	if !n.ready.Load() || view == nil {
		return nil, errors.New("this node is still starting")
	}
	switch kind {
	case callInfo:
		return json.Marshal(clusterInfo{ring.NodeID(n.dir.Cluster), len(n.partitions), n.cluster.self})
	case callJoin:
		return n.answerJoin(ctx, body)
	case callAnnounce:
		var d meta.Describe
		if err := json.Unmarshal(body, &d); err != nil {
			return nil, err
		}
		return n.answerAnnounce(ctx, &d)
	case callStatus:
		return json.Marshal(n.localStatus())
	case callTransfer:
		return nil, n.answerTransfer(body)
	case callHold:
		return nil, n.answerHold(body)
	}
	return nil, fmt.Errorf("unknown call %d: is this node of an older version?", kind)
}

// answerAnnounce notes where a member is now. A run of it that has ended is noted as
// such first: this node is connected to the new one.
func (n *Node) answerAnnounce(ctx context.Context, d *meta.Describe) ([]byte, error) {
	if m := n.meta.view.Load().Member(d.ID); m != nil && m.Up() && m.Boot != d.Boot && n.hears(d.ID, d.Boot) {
		if _, err := n.proposeMeta(ctx, &meta.MarkDown{Node: m.ID, Boot: m.Boot}); err != nil {
			return nil, err
		}
	}
	result, err := n.proposeMeta(ctx, &meta.UpdateMember{Node: *d})
	if err != nil {
		return nil, err
	}
	return json.Marshal(verdictOf(result))
}

func (n *Node) answerJoin(ctx context.Context, body []byte) ([]byte, error) {
	var op meta.Join
	if err := json.Unmarshal(body, &op); err != nil {
		return nil, err
	}
	if m := n.meta.view.Load().Member(op.Node.ID); m != nil && m.Boot != op.Node.Boot && n.hears(m.ID, m.Boot) {
		return json.Marshal(joinReply{verdict: verdict{Text: fmt.Sprintf(
			"a node with the id %v is running at %s: is this a copy of its data directory? Start it with a new one", m.ID, m.PeerAddr)}})
	}
	if group, voter := votes(n.meta.view.Load(), op.Node.ID); voter {
		return json.Marshal(joinReply{verdict: verdict{Text: fmt.Sprintf(
			"the node %v votes in group %d already, and comes as if it had never been here: its data directory has lost what was in it; "+
				"remove that node from the cluster, and start it with a new, empty data directory", op.Node.ID, group)}})
	}
	// From here on others rely on this node's votes, and its log is no more to be given up.
	if err := n.markClustered(ctx); err != nil {
		return nil, err
	}
	result, err := n.proposeMeta(ctx, &op)
	if err != nil {
		return nil, err
	}
	reply := joinReply{verdict: verdictOf(result)}
	view := n.meta.view.Load()
	for _, r := range view.Meta.Target {
		if r.Node == op.Node.ID {
			reply.Replica = r.ID
		}
	}
	for i := range view.Members {
		reply.Peers = append(reply.Peers, peerInfo{view.Members[i].ID, view.Members[i].PeerAddr})
	}
	return json.Marshal(reply)
}

// votes reports whether a node has a vote in a group, and in which. It got that after it
// had caught up, so with its replica's hard state on disk: one that joins, which only
// those do that have no replica of the meta group, has lost it.
func votes(view *meta.State, node ring.NodeID) (group int, voter bool) {
	for group = range len(view.Placements) + 1 {
		for _, r := range view.Group(uint64(group)).Actual {
			if r.Node == node && r.Role == meta.Voter {
				return group, true
			}
		}
	}
	return 0, false
}

// hears reports whether that run of a node has been heard of within a few seconds.
func (n *Node) hears(node ring.NodeID, boot uint64) bool {
	s, ok := n.cluster.heard.Load(node)
	return ok && s.(*sign).boot == boot && n.cluster.steadyMs()-s.(*sign).at.Load() < silentMs
}

// steadyMs is unix time in ms as of the start, and goes on from there whatever is done to the wall clock: it says how long
// ago something was. By a clock that was set back an hour, a node that has died would seem to be there for an hour.
func (c *cluster) steadyMs() int64 { return c.began.UnixMilli() + time.Since(c.began).Milliseconds() }

// unixOf is the wall clock's time, in ms, of a moment as steadyMs counts.
func (c *cluster) unixOf(at int64) int64 { return time.Now().UnixMilli() - (c.steadyMs() - at) }

// lastHeard is when a node was last heard of, as steadyMs counts; 0: never.
func (n *Node) lastHeard(node ring.NodeID) int64 {
	if s, ok := n.cluster.heard.Load(node); ok {
		return s.(*sign).at.Load()
	}
	return 0
}

// lastHeardUnix is the same by the wall clock, in unix ms, for people.
func (n *Node) lastHeardUnix(node ring.NodeID) int64 {
	if at := n.lastHeard(node); at != 0 {
		return n.cluster.unixOf(at)
	}
	return 0
}

// silentMs is how long a node may be silent until it counts as down.
const silentMs = 3000

// proposeMeta has the meta group carry out op, and returns what became of it.
func (n *Node) proposeMeta(ctx context.Context, op meta.Op) (meta.Result, error) {
	var id meta.RequestID
	if _, err := io.ReadFull(n.opts.Rand, id[:]); err != nil {
		return meta.Result{}, err
	}
	b, err := meta.EncodeCommand(id, op)
	if err != nil {
		return meta.Result{}, err
	}
	told := make(chan meta.Result, 1)
	n.meta.mu.Lock()
	n.meta.waiting[id] = told
	n.meta.mu.Unlock()
	defer func() {
		n.meta.mu.Lock()
		delete(n.meta.waiting, id)
		n.meta.mu.Unlock()
	}()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			// Again now and then: what was forwarded may have been lost. The id makes it count
			// once.
			entry := binary.LittleEndian.AppendUint64(nil, uint64(n.Now()))
			entry = append(entry, b...)
			n.worker.do(func() { n.worker.driver.ProposeMeta(entry) })
			again.Reset(time.Second)
		case result := <-told:
			return result, nil
		case <-ctx.Done():
			return meta.Result{}, fmt.Errorf("the meta group has not agreed to %s in time: has it a leader and a majority? %w", op.Type(), ctx.Err())
		case <-n.workerDone: // the node stops, or cannot go on
			return meta.Result{}, ErrClosed
		}
	}
}

// runMembership keeps what the cluster knows of this node right, and tells it whom
// this node leads.
func (n *Node) runMembership() {
	defer n.wg.Done()
	tick := time.NewTicker(joinPause)
	defer tick.Stop()
	removed := 0 // rounds to pass without a word, after having heard to be no member
	noted := false
	for round := 0; ; round++ {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
		n.feel()
		n.seek()
		if !noted && round%25 == 0 {
			noted = n.noteCompany()
		}
		if round%5 == 0 {
			n.worker.do(n.tellLeaders)
			n.tellDamaged()
			if !n.cluster.current.Load() {
				n.worker.read(0, 0, false, &currency{n.cluster})
			}
		}
		if removed > 0 {
			removed--
			continue
		}
		view := n.meta.view.Load()
		d := n.cluster.describe()
		if m := view.Member(d.ID); m == nil || !sameMember(m, &d) {
			if n.announce(d, round) {
				removed = removedPatience
			}
		}
	}
}

// currency is the ReadWaiter that learns that the meta state is current.
type currency struct{ c *cluster }

// Done is told when everything committed by then has been applied here.
func (w *currency) Done() { w.c.current.Store(true) }

// Failed: it is asked again.
func (w *currency) Failed(error) {}

func sameMember(m *meta.Member, d *meta.Describe) bool {
	return m.Addr == d.Addr && m.PeerAddr == d.PeerAddr && m.AdminAddr == d.AdminAddr && m.Zone == d.Zone &&
		m.Capacity == d.Capacity && m.Version == d.Version && m.Boot == d.Boot
}

// removedPatience is how many rounds a node that is no member waits before it asks
// again: a minute.
const removedPatience = 300

// announce tells the cluster where this node is now. It goes by way of every member
// in turn: at its old address, this node hears of no leader. It reports whether the
// cluster says that it has no such member.
func (n *Node) announce(d meta.Describe, round int) (removed bool) {
	ctx, cancel := context.WithTimeout(n.cluster.ctx, 2*time.Second)
	defer cancel()
	view := n.meta.view.Load()
	others := slices.DeleteFunc(slices.Clone(view.Members), func(m meta.Member) bool { return m.ID == d.ID })
	var v verdict
	var err error
	if len(others) == 0 || round%2 == 0 {
		var result meta.Result
		result, err = n.proposeMeta(ctx, &meta.UpdateMember{Node: d})
		v = verdictOf(result)
	} else {
		v, err = n.announceTo(ctx, &others[round/2%len(others)], d)
	}
	switch {
	case err != nil:
		n.logger.Debug("cannot announce this node yet", "err", err)
	case v.Gone:
		n.cluster.contact.removed.Store(true)
		n.logger.Error("this node is not a member of its cluster any more: stop it; it can come back with a new data directory and --join", "said", v.Text)
	case !v.OK:
		n.logger.Error("the cluster does not accept what this node says of itself", "said", v.Text)
	}
	var refused *transport.RefusedError
	return v.Gone || errors.As(err, &refused)
}

func (n *Node) announceTo(ctx context.Context, m *meta.Member, d meta.Describe) (v verdict, err error) {
	body, err := json.Marshal(d)
	if err != nil {
		return v, err
	}
	reply, err := n.cluster.transport.CallNode(ctx, m.ID, callAnnounce, body)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(reply, &v)
}

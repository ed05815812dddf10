package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// fakeCluster is several fakeServers over one store. What one of them leads, the
// others refuse. It remembers sessions as a real one does, and complains about
// clients that break their side of the contract.
type fakeCluster struct {
	t     testing.TB
	store *fakeServer // has the data; listens nowhere
	nodes []*fakeServer

	mu       sync.Mutex
	epoch    uint64                   // guarded by mu, as all that follows
	leaders  []int                    // by partition; -1: none
	terms    []uint64                 // by partition
	members  []int                    // nodes in the topology
	replicas [][]int                  // by partition
	zones    []string                 // by node
	hints    bool                     // NOT_LEADER names the leader
	pushing  bool                     // changes are pushed
	noTerms  bool                     // topologies do not tell terms
	applied  []uint64                 // by partition: log index
	outcomes map[fakeWrite]fakeResult // of sessions
	acked    map[wire.SessionID]uint64
	writes   map[fakeWrite][]byte // what each sequence number was sent for
	hung     map[int]chan struct{}
	down     map[int]bool
	refused  int                                                   // NOT_LEADERs
	log      []string                                              // of requests executed: "node op key"
	before   func(node int, fs *fakeSession, r *wire.Request) bool // see fakeServer.intercept
	after    func(node int, fs *fakeSession, r *wire.Request)      // executed, the reply not yet sent
}

type fakeWrite struct {
	session   wire.SessionID
	sequence  uint64
	partition int
}

type fakeResult struct{ reply []byte }

// newFakeCluster makes a cluster whose partitions are led in turn and replicated on all.
// Its nodes listen on pipes, at node-0:1 and so on.
func newFakeCluster(t testing.TB, nodes, partitions int) *fakeCluster {
	fc := &fakeCluster{t: t, store: newPipeServer(t), epoch: 1, hints: true, pushing: true,
		outcomes: map[fakeWrite]fakeResult{}, acked: map[wire.SessionID]uint64{}, writes: map[fakeWrite][]byte{},
		hung: map[int]chan struct{}{}, down: map[int]bool{}, zones: make([]string, nodes)}
	for i := range nodes {
		s := newPipeServer(t)
		s.hello = func(h wire.ClientHello) wire.ServerHello {
			return wire.ServerHello{Version: h.Negotiate(), Limits: wire.DefaultLimits(), ClusterID: "c", NodeID: fmt.Sprint("id-", i),
				Features: h.Features & (wire.FeaturePush | wire.FeatureSessions), TimeMs: uint64(time.Now().UnixMilli())}
		}
		s.on(func(fs *fakeSession, r *wire.Request) bool { return fc.handle(i, fs, r) })
		fc.nodes = append(fc.nodes, s)
		fc.members = append(fc.members, i)
	}
	for p := range partitions {
		fc.leaders = append(fc.leaders, p%nodes)
		fc.terms = append(fc.terms, 1)
		fc.replicas = append(fc.replicas, slices.Clone(fc.members))
	}
	fc.applied = make([]uint64, partitions)
	return fc
}

func fakeAddress(node int) string { return fmt.Sprintf("node-%d:1", node) }

// dial is for Options.Dial.
func (fc *fakeCluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for i, s := range fc.nodes {
		if address == fakeAddress(i) {
			fc.mu.Lock()
			down := fc.down[i]
			fc.mu.Unlock()
			if down {
				return nil, errors.New("connection refused")
			}
			return s.dialPipe(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("no route to %s", address)
}

// stop ends everything.
func (fc *fakeCluster) stop() {
	fc.mu.Lock()
	for i := range fc.hung {
		close(fc.hung[i])
		delete(fc.hung, i)
	}
	fc.mu.Unlock()
	for _, s := range fc.nodes {
		s.stop()
	}
}

// clusterBubble runs f in a bubble of its own with a client of a cluster.
func clusterBubble(t *testing.T, nodes, partitions int, f func(t *testing.T, fc *fakeCluster, c *Client), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fc := newFakeCluster(t, nodes, partitions)
		c := fc.open(t, change...)
		synctest.Wait()
		f(t, fc, c)
		must(t, c.Close())
		fc.stop()
	})
}

// open connects a client by way of the first node.
func (fc *fakeCluster) open(t testing.TB, change ...func(*Options)) *Client {
	t.Helper()
	opts := Options{Addresses: []string{fakeAddress(0)}, Dial: fc.dial}
	for _, f := range change {
		f(&opts)
	}
	c, err := Open(context.Background(), opts)
	must(t, err)
	return c
}

// topology is what every node says. Needs mu.
func (fc *fakeCluster) topology() *wire.Topology {
	t := &wire.Topology{Epoch: fc.epoch, ClusterID: "c"}
	index := map[int]uint16{}
	for at, i := range fc.members {
		index[i] = uint16(at)
		t.Nodes = append(t.Nodes, wire.TopologyNode{ID: fmt.Sprint("id-", i), Address: fakeAddress(i), Zone: fc.zones[i]})
	}
	for p, leader := range fc.leaders {
		part := wire.TopologyPartition{Leader: wire.NoLeader, Term: fc.terms[p]}
		if fc.noTerms {
			part.Term = 0
		}
		if at, ok := index[leader]; ok {
			part.Leader = at
		}
		for _, r := range fc.replicas[p] {
			if at, ok := index[r]; ok {
				part.Replicas = append(part.Replicas, at)
			}
		}
		t.Partitions = append(t.Partitions, part)
	}
	return t
}

// lead makes a node the leader of partitions (-1: nobody), in a new term, and tells the
// clients if changes are pushed.
func (fc *fakeCluster) lead(node int, partitions ...int) {
	fc.mu.Lock()
	for _, p := range partitions {
		fc.leaders[p] = node
		fc.terms[p]++
	}
	pushing := fc.pushing
	fc.mu.Unlock()
	if pushing {
		fc.push()
	}
}

// failOver gives what a node leads to the next member that is up.
func (fc *fakeCluster) failOver(node int) {
	fc.mu.Lock()
	to := -1
	for _, i := range fc.members {
		if i != node && !fc.down[i] && fc.hung[i] == nil {
			to = i
			break
		}
	}
	var moved []int
	for p, leader := range fc.leaders {
		if leader == node {
			moved = append(moved, p)
		}
	}
	fc.mu.Unlock()
	fc.lead(to, moved...)
}

// push tells every client of a node that can talk what the topology is.
func (fc *fakeCluster) push() {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	frame := wire.AppendTopologyPush(nil, fc.topology())
	for i, s := range fc.nodes {
		if fc.hung[i] == nil && !fc.down[i] {
			s.push(frame)
		}
	}
}

// kill ends a node's connections and refuses new ones; revive takes that back.
func (fc *fakeCluster) kill(node int) {
	fc.mu.Lock()
	fc.down[node] = true
	fc.mu.Unlock()
	fc.nodes[node].dropConnections()
}

func (fc *fakeCluster) revive(node int) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	delete(fc.down, node)
}

// hang lets a node take requests without answering; unhang lets it go on with them.
func (fc *fakeCluster) hang(node int) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	fc.hung[node] = make(chan struct{})
}

func (fc *fakeCluster) unhang(node int) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	if fc.hung[node] != nil {
		close(fc.hung[node])
		delete(fc.hung, node)
	}
}

// on lets a test misbehave before or after requests are executed.
func (fc *fakeCluster) on(before func(int, *fakeSession, *wire.Request) bool, after func(int, *fakeSession, *wire.Request)) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	fc.before, fc.after = before, after
}

// partitionOf returns that of a request, -1 if it has none.
func (fc *fakeCluster) partitionOf(r *wire.Request) int {
	key := []byte(nil)
	switch r.Op {
	case wire.OpScan:
		return int(binary.LittleEndian.Uint64(r.Body) >> 48)
	case wire.OpCommand:
		_, args := decodeCommand(fc.t.(*testing.T), r.Body)
		key = []byte(args[1])
	case wire.OpGetBatch, wire.OpWriteBatch:
		return -1
	case wire.OpGet, wire.OpPut, wire.OpDelete, wire.OpIncrement, wire.OpExpire, wire.OpPersist:
		key = wire.KeyOf(r.Op, r.OpFlags, r.Body)
	default:
		return -1
	}
	return ring.PartitionOf(key, len(fc.leaders))
}

// handle serves a request at a node. It is an intercept of fakeServer.
func (fc *fakeCluster) handle(node int, fs *fakeSession, r *wire.Request) bool {
	if !fs.late && !fs.nc.closed.Load() {
		fc.check(r)
	}
	fc.mu.Lock()
	hung, before, after := fc.hung[node], fc.before, fc.after
	fc.mu.Unlock()
	if hung != nil {
		<-hung
		fs.late = true
	}
	if before != nil && before(node, fs, r) {
		return true
	}
	fc.execute(node, fs, r)
	if after != nil {
		after(node, fs, r)
	}
	return true
}

// check complains about a sequence number that stands for two writes, and about a
// write that comes although its client has declared to have its outcome. (What is read
// from a connection after it has hung or was closed may be as late as that.)
func (fc *fakeCluster) check(r *wire.Request) {
	if r.Flags&wire.FlagSession == 0 {
		return
	}
	fc.mu.Lock()
	defer fc.mu.Unlock()
	if r.Sequence <= fc.acked[r.Session] {
		fc.t.Errorf("write %d comes although %d are acknowledged", r.Sequence, fc.acked[r.Session])
	}
	if r.Acknowledged >= r.Sequence {
		fc.t.Errorf("write %d acknowledges %d", r.Sequence, r.Acknowledged)
	}
	fc.acked[r.Session] = max(fc.acked[r.Session], r.Acknowledged)
	w := fakeWrite{session: r.Session, sequence: r.Sequence}
	content := append([]byte{byte(r.Op), r.OpFlags}, r.Body...)
	if old, ok := fc.writes[w]; ok && !bytes.Equal(old, content) {
		fc.t.Errorf("write %d was %x and is %x", r.Sequence, old, content)
	}
	fc.writes[w] = content
}

// execute answers a request as the node's role demands.
func (fc *fakeCluster) execute(node int, fs *fakeSession, r *wire.Request) {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	switch r.Op {
	case wire.OpTopology:
		fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, fc.topology().Append(nil))
		return
	case wire.OpGetBatch, wire.OpWriteBatch:
		fc.executeBatch(node, fs, r)
		return
	case wire.OpScan:
		fc.executeScan(node, fs, r)
		return
	case wire.OpCount, wire.OpFlush:
		fc.executeAll(node, fs, r)
		return
	}
	p := fc.partitionOf(r)
	if p >= 0 && !fc.serves(node, p, r) {
		fc.refuse(fs, r, p)
		return
	}
	if r.Flags&wire.FlagSession != 0 && r.Writes() {
		fs.out = fc.once(fakeWrite{r.Session, r.Sequence, p}, r, func() []byte { return fc.single(node, fs, r, p) }, fs.out)
		return
	}
	fs.out = append(fs.out, fc.single(node, fs, r, p)...)
}

// serves reports whether a node answers a request for a partition. Needs mu.
func (fc *fakeCluster) serves(node, p int, r *wire.Request) bool {
	relaxed := r.Flags&wire.FlagConsistency != 0 && r.Consistency >= wire.SessionReads && !r.Writes()
	return fc.leaders[p] == node || relaxed && slices.Contains(fc.replicas[p], node)
}

func (fc *fakeCluster) refuse(fs *fakeSession, r *wire.Request, p int) {
	fc.refused++
	leader := ""
	if fc.hints && fc.leaders[p] >= 0 {
		leader = fakeAddress(fc.leaders[p])
	}
	fs.out = wire.AppendNotLeader(fs.out, r.ID, leader, fc.epoch, "not here")
}

// once answers a write of a session: by executing it, or as the first time. Needs mu.
func (fc *fakeCluster) once(w fakeWrite, r *wire.Request, execute func() []byte, out []byte) []byte {
	if created := binary.BigEndian.Uint64(r.Session[:]); created+600_000 <= uint64(time.Now().UnixMilli()) {
		return wire.AppendErrorReply(out, r.ID, wire.SessionExpired, 0, "too old")
	}
	known, ok := fc.outcomes[w]
	if !ok {
		known = fakeResult{execute()}
		fc.outcomes[w] = known
	}
	start := len(out)
	out = append(out, known.reply...)
	binary.LittleEndian.PutUint32(out[start+8:], r.ID)
	return out
}

// single executes a request for one key and returns its reply. Needs mu.
func (fc *fakeCluster) single(node int, fs *fakeSession, r *wire.Request, p int) []byte {
	if p >= 0 {
		fc.log = append(fc.log, fmt.Sprintf("%d %s %s", node, r.Op, wire.KeyOf(r.Op, r.OpFlags, r.Body)))
	}
	s := fakeSession{server: fc.store, lim: fs.lim}
	if r.Op == wire.OpCommand {
		return wire.AppendReply(nil, r.ID, wire.OK, 0, []byte("+OK\r\n"))
	}
	s.execute(r, &s.lim)
	if p < 0 {
		return s.out
	}
	frame, _, _ := wire.ParseFrame(s.out, wire.DefaultLimits().MaxFrame)
	var reply wire.Response
	must(fc.t, reply.Decode(frame))
	fc.applied[p] = max(fc.applied[p], reply.Version)
	if r.Flags&wire.FlagReceipt != 0 || r.Consistency == wire.SessionReads && r.Flags&wire.FlagConsistency != 0 {
		reply.Flags |= wire.ReplyIndex
		reply.Index = fc.applied[p]
	}
	reply.Body = bytes.Clone(reply.Body)
	return reply.Append(nil)
}

// executeBatch serves each item whose partition the node serves. Needs mu.
func (fc *fakeCluster) executeBatch(node int, fs *fakeSession, r *wire.Request) {
	body := wire.BeginBatch(nil)
	n := 0
	add := func(op wire.Op, flags uint8, item []byte) {
		n++
		one := wire.Request{Op: op, OpFlags: flags, Flags: r.Flags &^ wire.FlagReceipt, Consistency: r.Consistency, Body: item}
		p := fc.partitionOf(&one)
		if !fc.serves(node, p, &one) {
			fc.refused++
			body = wire.AppendItem(body, wire.NotLeader, 0, nil)
			return
		}
		frame, _, _ := wire.ParseFrame(fc.single(node, fs, &one, p), 1<<30)
		var reply wire.Response
		must(fc.t, reply.Decode(frame))
		if reply.Status >= wire.InvalidArgument {
			reply.Body = nil
		}
		body = wire.AppendItem(body, reply.Status, reply.Version, reply.Body)
	}
	if r.Op == wire.OpGetBatch {
		var keys wire.Keys
		must(fc.t, keys.Decode(r.Body, &fs.lim))
		for key, ok, _ := keys.Next(&fs.lim); ok; key, ok, _ = keys.Next(&fs.lim) {
			add(wire.OpGet, 0, key)
		}
		wire.FinishBatch(body, 0, n)
		fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, body)
		return
	}
	var items wire.WriteItems
	must(fc.t, items.Decode(r.Body, &fs.lim))
	partitions := map[int]bool{}
	execute := func() []byte {
		var item wire.WriteItem
		for ok, _ := items.Next(&item); ok; ok, _ = items.Next(&item) {
			add(item.Op, item.OpFlags, item.Body)
		}
		wire.FinishBatch(body, 0, n)
		return wire.AppendReply(nil, r.ID, wire.OK, 0, body)
	}
	walk := items
	var item wire.WriteItem
	first := -1
	for ok, _ := walk.Next(&item); ok; ok, _ = walk.Next(&item) {
		p := ring.PartitionOf(wire.KeyOf(item.Op, item.OpFlags, item.Body), len(fc.leaders))
		partitions[p] = true
		first = p
	}
	if r.Flags&wire.FlagSession == 0 {
		fs.out = append(fs.out, execute()...)
		return
	}
	if len(partitions) > 1 { // from a client that takes the node for a lone one
		fs.out = fc.once(fakeWrite{r.Session, r.Sequence, -1}, r, execute, fs.out)
		return
	}
	if fc.leaders[first] != node {
		fs.out = append(fs.out, execute()...) // each item is refused
		return
	}
	fs.out = fc.once(fakeWrite{r.Session, r.Sequence, first}, r, execute, fs.out)
}

// executeScan serves a page of the cursor's partition; the cursor's lower half is a
// position, plus a number that tells nodes apart. Needs mu.
func (fc *fakeCluster) executeScan(node int, fs *fakeSession, r *wire.Request) {
	var b wire.ScanBody
	must(fc.t, b.Decode(r.Body, &fs.lim))
	p, inner := int(b.Cursor>>48), b.Cursor&(1<<48-1)
	if p >= len(fc.leaders) || !fc.serves(node, p, r) {
		fc.refuse(fs, r, min(p, len(fc.leaders)-1))
		return
	}
	if inner != 0 && int(inner>>32) != node+1 {
		fc.t.Errorf("node %d gets a cursor of node %d", node, int(inner>>32)-1)
	}
	fc.store.mu.Lock()
	defer fc.store.mu.Unlock()
	var keys []string
	for key := range fc.store.entries {
		if ring.PartitionOf([]byte(key), len(fc.leaders)) == p && bytes.HasPrefix([]byte(key), b.Prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	from := min(int(inner&0xFFFFFFFF), len(keys))
	to := min(from+int(b.Limit), len(keys))
	body := wire.BeginScanPage(nil)
	for _, key := range keys[from:to] {
		if r.OpFlags&wire.ScanKeysOnly != 0 {
			body = wire.AppendScanKey(body, []byte(key))
		} else {
			e := fc.store.entries[key]
			body = wire.AppendScanEntry(body, []byte(key), e.value, e.version, e.expireAt)
		}
	}
	next := uint64(p)<<48 | uint64(node+1)<<32 | uint64(to)
	if to == len(keys) {
		next = uint64(p+1) << 48
		if p+1 == len(fc.leaders) {
			next = 0
		}
	}
	wire.FinishScanPage(body, 0, next, to-from)
	fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, body)
}

// executeAll counts or flushes what the node leads. Needs mu.
func (fc *fakeCluster) executeAll(node int, fs *fakeSession, r *wire.Request) {
	fc.store.mu.Lock()
	defer fc.store.mu.Unlock()
	n := 0
	for key := range fc.store.entries {
		if fc.leaders[ring.PartitionOf([]byte(key), len(fc.leaders))] != node {
			continue
		}
		n++
		if r.Op == wire.OpFlush {
			delete(fc.store.entries, key)
		}
	}
	var body []byte
	if r.Op == wire.OpCount {
		body = wire.AppendInt(nil, int64(n))
	}
	fs.out = wire.AppendReply(fs.out, r.ID, wire.OK, 0, body)
}

// keysIn returns n keys of one partition.
func (fc *fakeCluster) keysIn(p, n int) (keys []string) {
	for i := 0; len(keys) < n; i++ {
		if key := fmt.Sprint("key-", i); ring.PartitionOf([]byte(key), len(fc.leaders)) == p {
			keys = append(keys, key)
		}
	}
	return keys
}

func (fc *fakeCluster) keyIn(p int) string { return fc.keysIn(p, 1)[0] }

// refusals returns the count of NOT_LEADERs so far.
func (fc *fakeCluster) refusals() int {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	return fc.refused
}

// executed returns, and forgets, what was executed where.
func (fc *fakeCluster) executed() []string {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	log := fc.log
	fc.log = nil
	return log
}

// dialer returns dial with another address.
func dialer(address func(string) string, dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, a string) (net.Conn, error) { return dial(ctx, network, address(a)) }
}

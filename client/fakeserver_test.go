package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// fakeServer speaks the protocol over a map, one goroutine per connection. Hooks
// let a test misbehave at any point.
type fakeServer struct {
	t        testing.TB
	listener net.Listener
	hello    func(wire.ClientHello) wire.ServerHello // nil: everybody is welcome
	// intercept sees every request before it is executed; true: it was dealt
	// with. It may write to reply.
	intercept atomic.Pointer[func(s *fakeSession, r *wire.Request) bool]

	mu      sync.Mutex
	entries map[string]fakeEntry      // guarded by mu
	version uint64                    // guarded by mu
	conns   map[net.Conn]*fakeSession // guarded by mu
	stopped bool                      // guarded by mu

	wg       sync.WaitGroup
	accepted atomic.Int64
	requests atomic.Int64
}

type fakeEntry struct {
	value    []byte
	version  uint64
	expireAt uint64
}

// fakeSession is one connection; replies gather in out and are written when no
// complete request is left to read.
type fakeSession struct {
	server *fakeServer
	nc     *notedConn
	late   bool // it has hung: what comes may have been given up
	out    []byte
	r      wire.Request
	lim    wire.Limits

	writing sync.Mutex
	greeted bool // the hello has been written; guarded by writing
}

// notedConn knows whether this side has closed it.
type notedConn struct {
	net.Conn
	closed atomic.Bool
}

func (c *notedConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// write sends whole frames; pushes come from other goroutines.
func (s *fakeSession) write(b []byte, greeting bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.greeted = s.greeted || greeting
	_, err := s.nc.Write(b)
	return err
}

// push sends a frame on every connection that has been greeted.
func (s *fakeServer) push(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.conns {
		s.wg.Go(func() {
			session.writing.Lock()
			defer session.writing.Unlock()
			if session.greeted {
				session.nc.Write(frame)
			}
		})
	}
}

func newFakeServer(t testing.TB) *fakeServer {
	s := newPipeServer(t)
	s.listen("127.0.0.1:0")
	t.Cleanup(s.stop)
	return s
}

// newPipeServer returns a server without a socket: connect with dialPipe. It
// lives in a bubble of testing/synctest, where time is the test's own.
func newPipeServer(t testing.TB) *fakeServer {
	return &fakeServer{t: t, entries: map[string]fakeEntry{}, conns: map[net.Conn]*fakeSession{}}
}

// dialPipe is for Options.Dial.
func (s *fakeServer) dialPipe(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if !s.adopt(theirs) {
		return nil, errors.New("fake server is stopped")
	}
	return ours, nil
}

func (s *fakeServer) listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = l
	s.mu.Lock()
	s.stopped = false
	s.mu.Unlock()
	s.wg.Add(1)
	go s.accept(l)
}

func (s *fakeServer) address() string {
	if s.listener == nil {
		return "fake:1"
	}
	return s.listener.Addr().String()
}

// stop ends the listener and every connection at once.
func (s *fakeServer) stop() {
	if s.listener != nil {
		s.listener.Close()
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.dropConnections()
	s.wg.Wait()
}

// restart listens again on the same address, with the same data.
func (s *fakeServer) restart() { s.listen(s.address()) }

func (s *fakeServer) dropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.conns {
		nc.Close()
	}
}

func (s *fakeServer) on(f func(s *fakeSession, r *wire.Request) bool) { s.intercept.Store(&f) }
func (s *fakeServer) behave()                                         { s.intercept.Store(nil) }

func (s *fakeServer) accept(l net.Listener) {
	defer s.wg.Done()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.adopt(nc)
	}
}

// adopt serves a connection; false if the server is stopped.
func (s *fakeServer) adopt(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		nc.Close()
		return false
	}
	session := &fakeSession{server: s, nc: &notedConn{Conn: nc}, lim: wire.DefaultLimits()}
	s.conns[session.nc] = session
	s.accepted.Add(1)
	s.wg.Add(1)
	go s.serve(session)
	return true
}

func (s *fakeServer) serve(session *fakeSession) {
	nc := session.nc
	defer s.wg.Done()
	defer func() {
		nc.Close()
		s.mu.Lock()
		delete(s.conns, nc)
		s.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	start, end := 0, 0
	greeted := false
	for {
		n := 1
		for n > 0 {
			var err error
			if greeted {
				n, err = session.request(buf[start:end])
			} else {
				n, err = session.greet(buf[start:end])
				greeted = n > 0
			}
			start += n
			if err != nil {
				nc.Write(session.out)
				return
			}
		}
		if len(session.out) > 0 {
			if err := session.write(session.out, greeted); err != nil {
				return
			}
			session.out = session.out[:0]
		}
		end = copy(buf, buf[start:end])
		start = 0
		if end == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := nc.Read(buf[end:])
		end += n
		if err != nil {
			return
		}
	}
}

var errRefused = fmt.Errorf("refused")

func (s *fakeSession) greet(buf []byte) (int, error) {
	payload, n, err := wire.ParseHello(buf)
	if err != nil || n == 0 {
		return 0, err
	}
	var theirs wire.ClientHello
	if err := theirs.Decode(payload); err != nil {
		return 0, err
	}
	ours := wire.ServerHello{Version: theirs.Negotiate(), Limits: wire.DefaultLimits(), NodeID: "n", ClusterID: "c"}
	if s.server.hello != nil {
		ours = s.server.hello(theirs)
	}
	s.out = ours.Append(s.out)
	if ours.Status != wire.OK {
		return n, errRefused
	}
	return n, nil
}

func (s *fakeSession) request(buf []byte) (int, error) {
	lim, r := &s.lim, &s.r
	frame, n, err := wire.ParseFrame(buf, lim.MaxFrame)
	if err != nil || n == 0 {
		return 0, err
	}
	s.server.requests.Add(1)
	if err := r.Decode(frame); err != nil {
		s.out = wire.AppendErrorReply(s.out, r.ID, wire.StatusOf(err), 0, err.Error())
		return n, nil
	}
	if f := s.server.intercept.Load(); f != nil && (*f)(s, r) {
		return n, nil
	}
	s.execute(r, lim)
	return n, nil
}

// execute carries out one request and appends its reply.
func (s *fakeSession) execute(r *wire.Request, lim *wire.Limits) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	start := len(s.out)
	reply := wire.Response{ID: r.ID}
	if r.Flags&wire.FlagReceipt != 0 {
		reply.Flags |= wire.ReplyReceipt
		reply.Term, reply.Consistency, reply.Acks, reply.Durability = 7, wire.Linearizable, wire.AcksQuorum, wire.DurabilityAlways
	}
	if r.Flags&wire.FlagTiming != 0 {
		reply.Flags |= wire.ReplyTiming
		reply.QueueNs, reply.ApplyNs, reply.SyncNs = 1, 2, 3
	}
	body, err := s.dispatch(r, &reply, lim)
	if err != nil {
		reply.Status = wire.StatusOf(err)
		body = []byte(err.Error())
	}
	if reply.Version != 0 {
		reply.Flags |= wire.ReplyVersion
	}
	s.out = reply.AppendHeader(s.out)
	s.out = append(s.out, body...)
	wire.FinishFrame(s.out, start)
}

func (s *fakeSession) dispatch(r *wire.Request, reply *wire.Response, lim *wire.Limits) (body []byte, err error) {
	f := s.server
	switch r.Op {
	case wire.OpPing:
		return r.Body, nil
	case wire.OpCount:
		return wire.AppendInt(nil, int64(len(f.entries))), nil
	case wire.OpStats:
		return []byte(`{"keys":` + strconv.Itoa(len(f.entries)) + `}`), nil
	case wire.OpTopology:
		t := wire.Topology{Epoch: 1, ClusterID: "c", Nodes: []wire.TopologyNode{{ID: "n", Address: f.address()}},
			Partitions: []wire.TopologyPartition{{Leader: 0, Replicas: []uint16{0}}, {Leader: wire.NoLeader}}}
		return t.Append(nil), nil
	case wire.OpSnapshot:
		return nil, nil
	case wire.OpFlush:
		clear(f.entries)
		return nil, nil
	case wire.OpScan:
		return f.scan(r, lim)
	case wire.OpGetBatch:
		return f.getBatch(r.Body, lim)
	case wire.OpWriteBatch:
		return f.writeBatch(r.Body, lim)
	case wire.OpGet:
		return f.get(r, reply)
	}
	reply.Status, reply.Version, body, err = f.write(r.Op, r.OpFlags, r.Body, lim)
	return body, err
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }

// find returns a live entry.
func (s *fakeServer) find(key []byte) (fakeEntry, bool) {
	e, ok := s.entries[string(key)]
	if ok && e.expireAt != 0 && e.expireAt <= nowMs() {
		delete(s.entries, string(key))
		return fakeEntry{}, false
	}
	return e, ok
}

func (s *fakeServer) get(r *wire.Request, reply *wire.Response) ([]byte, error) {
	e, ok := s.find(r.Body)
	if !ok {
		reply.Status = wire.NotFound
		return nil, nil
	}
	reply.Version = e.version
	if r.OpFlags&wire.GetMeta == 0 {
		return e.value, nil
	}
	meta := wire.EntryMeta{RemainingMs: -1, ExpireAt: e.expireAt, ValueLen: uint64(len(e.value))}
	if e.expireAt != 0 {
		meta.RemainingMs = int64(e.expireAt - nowMs())
	}
	body := meta.Append(nil)
	if r.OpFlags&wire.GetNoValue == 0 {
		body = append(body, e.value...)
	}
	return body, nil
}

func (s *fakeServer) getBatch(b []byte, lim *wire.Limits) ([]byte, error) {
	var keys wire.Keys
	if err := keys.Decode(b, lim); err != nil {
		return nil, err
	}
	body := wire.BeginBatch(nil)
	for {
		key, ok, err := keys.Next(lim)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if e, ok := s.find(key); ok {
			body = wire.AppendItem(body, wire.OK, e.version, e.value)
		} else {
			body = wire.AppendItem(body, wire.NotFound, 0, nil)
		}
	}
	wire.FinishBatch(body, 0, keys.Len())
	return body, nil
}

func (s *fakeServer) writeBatch(b []byte, lim *wire.Limits) ([]byte, error) {
	var items wire.WriteItems
	if err := items.Decode(b, lim); err != nil {
		return nil, err
	}
	body := wire.BeginBatch(nil)
	var item wire.WriteItem
	for {
		ok, err := items.Next(&item)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		status, version, result, err := s.write(item.Op, item.OpFlags, item.Body, lim)
		if err != nil {
			status, result = wire.StatusOf(err), nil
		}
		body = wire.AppendItem(body, status, version, result)
	}
	wire.FinishBatch(body, 0, items.Len())
	return body, nil
}

func (s *fakeServer) write(op wire.Op, flags uint8, body []byte, lim *wire.Limits) (wire.Status, uint64, []byte, error) {
	switch op {
	case wire.OpPut:
		return s.put(flags, body, lim)
	case wire.OpDelete:
		var d wire.DeleteBody
		if err := d.Decode(flags, body, lim); err != nil {
			return 0, 0, nil, err
		}
		e, ok := s.find(d.Key)
		var old []byte
		if flags&wire.WriteReturnOld != 0 {
			old = wire.AppendOld(nil, ok, e.value)
		}
		if flags&wire.WriteIfVersion != 0 && e.version != d.IfVersion {
			return wire.VersionMismatch, e.version, old, nil
		}
		if !ok {
			return wire.NotFound, 0, old, nil
		}
		delete(s.entries, string(d.Key))
		return wire.OK, s.next(), old, nil
	case wire.OpIncrement:
		return s.increment(flags, body, lim)
	case wire.OpExpire, wire.OpPersist:
		return s.changeExpiry(op, flags, body, lim)
	}
	return 0, 0, nil, wire.ErrUnknownOp
}

func (s *fakeServer) next() uint64 { s.version++; return s.version }

func (s *fakeServer) put(flags uint8, body []byte, lim *wire.Limits) (wire.Status, uint64, []byte, error) {
	var p wire.PutBody
	if err := p.Decode(flags, body, lim); err != nil {
		return 0, 0, nil, err
	}
	e, ok := s.find(p.Key)
	var old []byte
	if flags&wire.WriteReturnOld != 0 {
		old = wire.AppendOld(nil, ok, e.value)
	}
	switch {
	case flags&wire.WriteIfAbsent != 0 && ok:
		return wire.AlreadyExists, e.version, old, nil
	case flags&wire.WriteIfPresent != 0 && !ok:
		return wire.NotFound, 0, old, nil
	case flags&wire.WriteIfVersion != 0 && e.version != p.IfVersion:
		return wire.VersionMismatch, e.version, old, nil
	}
	if flags&wire.WriteKeepTTL == 0 {
		e.expireAt = expiryOf(flags, p.Expiry)
	}
	e.value, e.version = bytes.Clone(p.Value), s.next()
	s.entries[string(p.Key)] = e
	return wire.OK, e.version, old, nil
}

func expiryOf(flags uint8, expiry uint64) uint64 {
	switch {
	case flags&wire.WriteTTL != 0:
		return nowMs() + expiry
	case flags&wire.WriteExpireAt != 0:
		return expiry
	}
	return 0
}

func (s *fakeServer) increment(flags uint8, body []byte, lim *wire.Limits) (wire.Status, uint64, []byte, error) {
	var i wire.IncrementBody
	if err := i.Decode(flags, body, lim); err != nil {
		return 0, 0, nil, err
	}
	e, ok := s.find(i.Key)
	sum := i.Delta
	if ok {
		n, err := strconv.ParseInt(string(e.value), 10, 64)
		if err != nil {
			return wire.NotInteger, e.version, nil, nil
		}
		sum += n
		if (sum > n) != (i.Delta > 0) && i.Delta != 0 {
			return wire.Overflow, e.version, nil, nil
		}
	} else {
		e.expireAt = expiryOf(flags, i.Expiry)
	}
	e.value, e.version = strconv.AppendInt(nil, sum, 10), s.next()
	s.entries[string(i.Key)] = e
	return wire.OK, e.version, wire.AppendInt(nil, sum), nil
}

func (s *fakeServer) changeExpiry(op wire.Op, flags uint8, body []byte, lim *wire.Limits) (wire.Status, uint64, []byte, error) {
	x := wire.ExpireBody{Key: body}
	if op == wire.OpExpire {
		if err := x.Decode(flags, body, lim); err != nil {
			return 0, 0, nil, err
		}
	}
	e, ok := s.find(x.Key)
	if !ok {
		return wire.NotFound, 0, nil, nil
	}
	at := expiryOf(flags, x.Expiry)
	late := func(t uint64) uint64 { return t - 1 } // "none" becomes the latest
	switch {
	case op == wire.OpPersist && e.expireAt == 0,
		op == wire.OpExpire && flags&wire.ExpireIfNone != 0 && e.expireAt != 0,
		op == wire.OpExpire && flags&wire.ExpireIfSome != 0 && e.expireAt == 0,
		op == wire.OpExpire && flags&wire.ExpireIfLater != 0 && late(at) <= late(e.expireAt),
		op == wire.OpExpire && flags&wire.ExpireIfEarlier != 0 && late(at) >= late(e.expireAt):
		return wire.ConditionFailed, e.version, nil, nil
	}
	e.expireAt, e.version = at, s.next()
	s.entries[string(x.Key)] = e
	return wire.OK, e.version, nil, nil
}

func (s *fakeServer) scan(r *wire.Request, lim *wire.Limits) ([]byte, error) {
	var b wire.ScanBody
	if err := b.Decode(r.Body, lim); err != nil {
		return nil, err
	}
	var keys []string
	for key := range s.entries {
		if strings.HasPrefix(key, string(b.Prefix)) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	body := wire.BeginScanPage(nil)
	from := min(b.Cursor, uint64(len(keys)))
	to := min(from+uint64(b.Limit), uint64(len(keys)))
	for _, key := range keys[from:to] {
		e := s.entries[key]
		if r.OpFlags&wire.ScanKeysOnly != 0 {
			body = wire.AppendScanKey(body, []byte(key))
		} else {
			body = wire.AppendScanEntry(body, []byte(key), e.value, e.version, e.expireAt)
		}
	}
	next := to
	if to == uint64(len(keys)) {
		next = 0
	}
	wire.FinishScanPage(body, 0, next, int(to-from))
	return body, nil
}

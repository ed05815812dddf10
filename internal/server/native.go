package server

import (
	"context"
	"errors"
	"time"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// nativeState is what a session that speaks the native protocol has besides.
type nativeState struct {
	greeted bool // the handshake is over
	req     wire.Request
	put     wire.PutBody
	inline  nativeInline
	began   time.Time
	// spareBatch is kept for the next WRITEBATCH.
	spareBatch *writeBatch
	backups    int           // requests for backups under way
	waited     time.Duration // of the read being executed: for leave
	partAt     partIndex     // scratch
}

// consumeNative executes the frames at the front of data and returns how many
// bytes it took.
func (s *Session) consumeNative(data []byte) int {
	n := 0
	for n < len(data) && !s.parked && !s.closing && !s.crowded() {
		if !s.native.greeted {
			took := s.greet(data[n:])
			if took == 0 {
				break
			}
			n += took
			continue
		}
		if s.tooManyWait() {
			s.parked = true
			break
		}
		if took := s.runFramesAhead(data[n:]); took > 0 {
			n += took
			continue
		}
		frame, took, err := wire.ParseFrame(data[n:], s.srv.limits.MaxFrame)
		if err != nil {
			s.lastWords(err)
			return len(data)
		}
		if took == 0 {
			break
		}
		n += took
		s.executeFrame(frame)
	}
	return n
}

// tooManyWait reports whether the peer has sent more than it may have in flight, or
// the reads that wait hold much.
func (s *Session) tooManyWait() bool {
	return s.waits >= int(s.srv.limits.MaxInFlight) || s.readBytes >= maxReadBytes
}

// lastWords tells the peer, in a reply to no request, why the connection ends.
func (s *Session) lastWords(err error) {
	status, text := statusOf(err)
	s.w.Buf = wire.AppendErrorReply(s.w.Buf, 0, status, 0, text)
	s.fail(front.ClosedProtocolError, err)
}

// greet takes the client's hello off the front of data. The session is parked
// while its password is checked.
func (s *Session) greet(data []byte) int {
	payload, took, err := wire.ParseHello(data)
	var hello wire.ClientHello
	if err == nil && took > 0 {
		err = hello.Decode(payload)
	}
	if err != nil {
		s.refuseHello(err)
		s.fail(front.ClosedProtocolError, err)
		return len(data)
	}
	if took == 0 {
		return 0
	}
	if hello.Negotiate() == 0 {
		s.refuseHello(&wire.Error{Status: wire.UnsupportedVersion, Text: "this server speaks protocol version 1"})
		s.fail(front.ClosedProtocolError, errors.New("unknown protocol version"))
		return took
	}
	s.names.Name = hello.ClientName
	s.publishInfo()
	if !s.needAuth {
		s.welcome(&hello)
		return took
	}
	s.checkPassword(&hello)
	return took
}

func (s *Session) refuseHello(err error) {
	status, text := statusOf(err)
	reply := wire.ServerHello{Status: status, Message: text}
	var limited *auth.LimitedError
	if errors.As(err, &limited) {
		reply.RetryAfterMs = uint32(limited.RetryAfter.Milliseconds())
	}
	s.w.Buf = reply.Append(s.w.Buf)
}

// checkPassword authenticates on a goroutine of its own: a key derivation takes
// longer than an event loop may.
func (s *Session) checkPassword(hello *wire.ClientHello) {
	if hello.Auth != wire.AuthPassword {
		err := &wire.Error{Status: wire.Unauthenticated, Text: "this server wants a user name and a password"}
		s.refuseHello(err)
		s.fail(front.ClosedRefused, err)
		return
	}
	name, password := hello.Username, hello.Password
	hello.Password = ""
	if name == "" {
		name = auth.DefaultName
	}
	var user *auth.User
	var loginErr error
	s.parked, s.barrier = true, true
	s.nativeAsync(func(context.Context, *wait) {
		user, loginErr = s.srv.users.Login(s.srv.failures, s.remote.Addr(), name, password)
	}, func() {
		s.barrier = false // Resume goes on with what came behind the hello
		if loginErr != nil {
			s.srv.stats.authFailures.Add(1)
			s.refuseHello(loginErr)
			s.fail(front.ClosedRefused, loginErr)
			return
		}
		s.logIn(user)
		s.welcome(hello)
	})
}

// serverFeatures are the optional abilities that this server has.
const serverFeatures = wire.FeaturePush | wire.FeatureSessions

// welcome ends the handshake.
func (s *Session) welcome(hello *wire.ClientHello) {
	s.native.greeted = true
	s.meta.greeted.Store(true)
	nodeID, clusterID := s.srv.node.Identity()
	topology, version := s.srv.node.Topology()
	reply := wire.ServerHello{
		Status: wire.OK, Version: hello.Negotiate(), Features: hello.Features & serverFeatures, Limits: s.srv.limits, Epoch: topology.Epoch,
		NodeID: nodeID, ClusterID: clusterID, ServerVersion: s.srv.opts.Version, TimeMs: uint64(s.srv.nowMs()),
	}
	if reply.Features&wire.FeaturePush != 0 {
		s.wantPushes(version)
	}
	s.w.Buf = reply.Append(s.w.Buf)
}

// executeFrame serves one request.
func (s *Session) executeFrame(frame []byte) {
	req := &s.native.req
	err := req.Decode(frame)
	if err != nil {
		req.Flags = 0 // what the reply should have is not known
	} else if req.Flags&wire.FlagEpoch != 0 {
		s.compareEpochs(req)
	}
	st, waits := &s.srv.stats.native[req.Op], s.waits
	if err == nil {
		err = s.admitRequest(req)
	}
	if err == nil {
		err = s.serveOp(req)
	}
	if s.waits == waits {
		s.batch.count(st) // otherwise emit does, when it is answered
	}
	if err != nil {
		s.batch.find(st).errors++
		s.w.Buf = appendFailure(s.w.Buf, req, err)
	}
	req.Body = nil
}

// busyRetryMs is the hint that goes with BUSY: by then the log has written a
// good part of its queue.
const busyRetryMs = 5

func appendFailure(dst []byte, req *wire.Request, err error) []byte {
	status, text := statusOf(err)
	var retry uint32
	switch status {
	case wire.NotLeader:
		var elsewhere *node.NotLeaderError
		errors.As(err, &elsewhere)
		return wire.AppendNotLeader(dst, req.ID, elsewhere.Addr, newerEpoch(req), text)
	case wire.Busy:
		retry = busyRetryMs
	}
	return wire.AppendErrorReply(dst, req.ID, status, retry, text)
}

// Refusals of requests. Shared, never changed.
var (
	errDeadline     = &wire.Error{Status: wire.Timeout, Text: "the deadline had passed before the request was executed"}
	errNotReady     = &wire.Error{Status: wire.Loading, Text: "the node is loading its data"}
	errUserGone     = &wire.Error{Status: wire.Unauthenticated, Text: "the user was removed; connect again"}
	errNotDurable   = &wire.Error{Status: wire.Unsupported, Text: "the node keeps nothing on disk: it cannot give the durability asked for"}
	errPeersPolicy  = &wire.Error{Status: wire.Unsupported, Text: "a node with peers gives no more durability than its fsync setting says"}
	errMayNot       = &wire.Error{Status: wire.PermissionDenied, Text: "the user's role does not allow this operation"}
	errKeyForbidden = &wire.Error{Status: wire.PermissionDenied, Text: "the key is outside the user's prefixes"}
	errMemoryLimit  = &wire.Error{Status: wire.MemoryLimit, Text: "the memory limit is reached; delete something or raise memory-limit"}
)

// admitRequest judges what a request asks for before its body is looked at.
func (s *Session) admitRequest(req *wire.Request) error {
	if req.Flags&wire.FlagDeadline != 0 && req.DeadlineMs == 0 {
		return errDeadline
	}
	if !s.ready && req.Op != wire.OpPing && req.Op != wire.OpStats {
		return errNotReady
	}
	if s.wantsSync(req) {
		switch {
		case !s.srv.node.Persistent():
			return errNotDurable
		case s.deferred:
			return errPeersPolicy
		}
	}
	if req.Flags&wire.FlagSession != 0 {
		if err := s.judgeSession(req); err != nil {
			return err
		}
	}
	if !s.needAuth {
		return nil
	}
	user := s.currentUser()
	switch {
	case user == nil:
		return errUserGone
	case req.Writes() && !user.MayWrite(),
		(req.Op == wire.OpSnapshot || req.Op == wire.OpBackup || req.Op == wire.OpAdmin) && !user.MayAdmin(),
		req.Op == wire.OpFlush && !user.AllKeys():
		return errMayNot
	}
	return nil
}

// allowed reports whether the user may touch key.
func (s *Session) allowed(key []byte) bool {
	return !s.needAuth || s.user.AllowsKey(key)
}

func (s *Session) serveOp(req *wire.Request) error {
	switch req.Op {
	case wire.OpGet, wire.OpGetBatch, wire.OpScan:
		return s.nativeRead(req)
	case wire.OpPut, wire.OpDelete, wire.OpIncrement, wire.OpExpire, wire.OpPersist:
		return s.nativeWrite(req)
	case wire.OpWriteBatch:
		return s.nativeWriteBatch(req)
	case wire.OpCount:
		return s.nativeCount(req)
	case wire.OpPing:
		s.nativeReply(req, wire.OK, 0, req.Body)
		return nil
	case wire.OpStats:
		return s.nativeStats(req)
	case wire.OpTopology:
		return s.nativeTopology(req)
	case wire.OpSnapshot:
		return s.nativeSnapshot(req)
	case wire.OpFlush:
		return s.nativeFlush(req)
	case wire.OpBackup:
		return s.nativeBackup(req)
	case wire.OpCommand:
		return s.nativeCommand(req)
	case wire.OpAdmin:
		return s.nativeAdmin(req)
	}
	return wire.ErrUnknownOp
}

// nativeAsync runs work on a goroutine of its own; then is called on the
// session's goroutine before the reply that work left in w.reply goes out.
func (s *Session) nativeAsync(work func(ctx context.Context, w *wait), then func()) {
	w := s.newWait()
	w.asyncFn = then
	if s.native.greeted {
		w.native.req = s.native.req
		w.native.req.Body = nil
	}
	s.srv.background.Add(1)
	go func() {
		defer s.srv.background.Done()
		work(s.srv.ctx, w)
		w.Done()
	}()
}

package server

import (
	"errors"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// COMMAND: a Redis command by way of the native protocol, with its sessions, levels
// and receipts. What the command itself says, its errors included, is the reply's
// body; what keeps it from being executed is a status, as with any other request.

// redisCommand is a command that has been judged.
type redisCommand struct {
	spec  *command.Spec
	args  [][]byte
	proto int
	p     *node.Partition
}

// Refusals of COMMAND. Shared, never changed.
var (
	errNotKeyed     = &wire.Error{Status: wire.Unsupported, Text: "only commands about keys can be sent this way"}
	errNotRead      = &wire.Error{Status: wire.InvalidArgument, Text: "the command may write, and the request says that it does not"}
	errOnePartition = &wire.Error{Status: wire.InvalidArgument, Text: "the command's keys are in several partitions: send a command for each"}
)

// decodeCommand judges the body of a COMMAND. An error of the kind *resp.Error is what
// the command itself has to say.
func (s *Session) decodeCommand(req *wire.Request) (c redisCommand, err error) {
	var in wire.CommandArgs
	if err := in.Decode(req.Body); err != nil {
		return c, err
	}
	c.proto, c.args = int(in.RESPVersion), s.args[:0]
	for {
		arg, ok, err := in.Next()
		if err != nil {
			return c, err
		}
		if !ok {
			break
		}
		c.args = append(c.args, arg)
	}
	s.args = c.args
	if c.spec, err = command.Resolve(c.args); err != nil {
		return c, err
	}
	if c.spec.Check != nil {
		if err := c.spec.Check(c.args); err != nil {
			return c, err
		}
	}
	return c, s.judgeCommand(req, &c)
}

// judgeCommand says why a command cannot be sent as a COMMAND, and finds its partition.
func (s *Session) judgeCommand(req *wire.Request, c *redisCommand) error {
	first, step, count := c.spec.KeyRange(c.args)
	switch {
	case count == 0 || c.spec.Kind == command.KindServer:
		return errNotKeyed
	case req.OpFlags&wire.CommandReads != 0 && c.spec.Kind != command.KindRead:
		return errNotRead
	}
	for i := range count {
		key := c.args[first+i*step]
		if err := wire.CheckKey(key, &s.srv.limits); err != nil {
			return err
		}
		if !s.allowed(key) {
			return errKeyForbidden
		}
		switch p := s.srv.partition(key); {
		case i == 0:
			c.p = p
		case p != c.p:
			return errOnePartition
		}
	}
	return nil
}

// nativeCommand serves a COMMAND.
func (s *Session) nativeCommand(req *wire.Request) error {
	err := s.serveCommand(req)
	s.dropArgs()
	if err == nil {
		return nil
	}
	var says *resp.Error
	if errors.As(err, &says) {
		s.answerCommand(req, func(w *resp.Writer) { w.Error(says) })
		return nil
	}
	return err
}

func (s *Session) serveCommand(req *wire.Request) error {
	if req.OpFlags&wire.CommandReads != 0 {
		return s.nativeRead(req)
	}
	c, err := s.decodeCommand(req)
	switch {
	case err != nil:
		return err
	case c.spec.Kind == command.KindRead:
		return s.nativeRead(req)
	}
	return s.writeCommand(req, &c)
}

// findCommandPart finds the partition of a COMMAND.
func (s *Session) findCommandPart(w *wait, req *wire.Request) error {
	c, err := s.decodeCommand(req)
	w.read.forPartitions(1)
	w.read.parts[0] = readPart{p: c.p}
	return err
}

// answerCommand replies with what the command has to say.
func (s *Session) answerCommand(req *wire.Request, write func(w *resp.Writer)) {
	start := len(s.w.Buf)
	s.w.Buf = s.begin(s.w.Buf, req, wire.OK, 0)
	s.w.Proto = int(req.Body[0])
	write(&s.w)
	wire.FinishFrame(s.w.Buf, start)
}

// readCommand executes a COMMAND that reads. w is the leave it has, nil on a lone node.
func (s *Session) readCommand(req *wire.Request, w *wait) error {
	c, err := s.decodeCommand(req)
	if err != nil {
		return err
	}
	s.startTiming(req)
	start := len(s.w.Buf)
	var version uint64
	if c.spec.Merge == command.MergeNone {
		version = s.readCommandKey(req, &c)
	} else {
		s.answerCommand(req, func(*resp.Writer) { s.readKeys(c.spec, c.args) })
	}
	if len(s.w.Buf)-start > int(s.srv.limits.MaxFrame) {
		s.w.Buf = s.w.Buf[:start]
		return errReplyFrame
	}
	return s.showReply(start, req, wire.OK, version, c.p, w)
}

// readCommandKey reads one key and replies with its version as well.
func (s *Session) readCommandKey(req *wire.Request, c *redisCommand) (version uint64) {
	start := len(s.w.Buf)
	key := c.args[c.spec.FirstKey]
	stripe, found := s.find(place{c.p, c.p.Table.Hash(key)}, key)
	var entry *store.Entry
	if found {
		entry, version = &s.entry, s.entry.Version
	}
	s.w.Buf = s.begin(s.w.Buf, req, wire.OK, version)
	s.w.Proto = c.proto
	c.spec.Read(&s.w, c.args, entry, s.now)
	stripe.Unlock()
	wire.FinishFrame(s.w.Buf, start)
	return version
}

// writeCommand serves a COMMAND that writes: all its keys in one entry.
func (s *Session) writeCommand(req *wire.Request, c *redisCommand) error {
	if err := s.mayWrite(c.args[c.spec.FirstKey], c.spec.Flags&command.FlagDenyOOM != 0); err != nil {
		return err
	}
	entry := beginEntry(s.enc[:0], req)
	command.SetValueLimit(entry, s.srv.live.Current().MaxValueBytes)
	entry, err := c.encode(entry, s.now)
	s.keepEncoded(entry)
	if err != nil {
		return err
	}
	reply := commandReply{spec: c.spec, proto: c.proto}
	if c.spec.Mode != nil {
		reply.mode = c.spec.Mode(c.args)
	}
	return s.submitNative(req, c.p, entry, reply)
}

// encode appends the ops of a command that writes to its entry.
func (c *redisCommand) encode(entry []byte, now int64) ([]byte, error) {
	if c.spec.Merge == command.MergeNone {
		return c.spec.Encode(entry, c.args, now)
	}
	first, step, count := c.spec.KeyRange(c.args)
	command.SetCount(entry, count)
	for i := range count {
		var err error
		at := first + i*step
		if entry, err = c.spec.Encode(entry, c.args[at:at+step], now); err != nil {
			return entry, err
		}
	}
	return entry, nil
}

// commandReply is what the reply to a COMMAND that writes is made of. The zero value
// is that of other requests.
type commandReply struct {
	spec  *command.Spec
	mode  uint8
	proto int
	sum   merge       // of a command that merges its results
	w     resp.Writer // scratch, here so that it does not escape
	// unexecuted is the status of a result that is none of the command's: it says that
	// the session cannot tell.
	unexecuted wire.Status
}

// status is the request's status when its write has the one given. What a command has
// to say of its keys is in its reply; what its session has to say of it is not.
func (c *commandReply) status(result wire.Status) wire.Status {
	if c.spec == nil || result == wire.SessionExpired || result == wire.UnknownOutcome {
		return result
	}
	return wire.OK
}

// merges reports whether there is one reply to several results.
func (c *commandReply) merges() bool { return c.spec != nil && c.spec.Merge != command.MergeNone }

// add takes one of several results.
func (c *commandReply) add(r *command.Result) {
	if status := c.status(r.Status); status != wire.OK {
		c.unexecuted = status
		return
	}
	c.sum.add(c.spec, r)
}

// append appends the command's reply: to r, or to all results that were added.
func (c *commandReply) append(dst []byte, r *command.Result) []byte {
	c.w = resp.Writer{Buf: dst, Proto: c.proto}
	if c.merges() {
		c.sum.reply(c.spec, &c.w)
	} else {
		c.spec.Reply(&c.w, r, c.mode)
	}
	dst, c.w.Buf = c.w.Buf, nil
	return dst
}

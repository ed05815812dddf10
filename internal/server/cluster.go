package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Redirections. A RESP client that knows Redis Cluster is sent on with MOVED, a native
// one with NOT_LEADER. There is no ASK: Redis needs it while the keys of a slot are on
// their way from one node to another and each key is on one of the two. Here a
// partition moves as a replica that catches up with the log, and at any moment one
// leader has all of it. ASKING is accepted, for clients that send it at random.

// noSlot stands for the slot of what concerns no key.
const noSlot = 0xFFFF

// slotOf returns the slot of a command's first key.
func slotOf(spec *command.Spec, args [][]byte) uint16 {
	if spec.FirstKey == 0 {
		return noSlot
	}
	return ring.Slot(args[spec.FirstKey])
}

// Refusals in a cluster. Shared, never changed.
var (
	errCrossSlot   = &resp.Error{Code: "CROSSSLOT", Text: "Keys in request don't hash to the same slot"}
	errClusterDown = &resp.Error{Code: "CLUSTERDOWN", Text: "The cluster is down"}
	errTryAgain    = &resp.Error{Code: "TRYAGAIN", Text: "The partition's leader is changing, or its address is not known yet: try again in a moment"}
)

// respError is err as RESP has it: its own kind as it is, others by their status. slot
// is that of the command's keys.
func respError(err error, slot uint16) *resp.Error {
	var e *resp.Error
	if errors.As(err, &e) {
		return e
	}
	status, text := statusOf(err)
	switch status {
	case wire.NotLeader:
		var elsewhere *node.NotLeaderError
		if errors.As(err, &elsewhere) && elsewhere.Addr != "" && slot != noSlot {
			return &resp.Error{Code: "MOVED", Text: fmt.Sprintf("%d %s", slot, redisAddr(elsewhere.Addr))}
		}
		return errTryAgain
	case wire.Unavailable:
		return errClusterDown
	}
	return &resp.Error{Code: status.RESPCode(), Text: text}
}

// redisAddr is an address as Redis writes it: an IPv6 address without brackets.
func redisAddr(addr string) string {
	host, port := splitAddr(addr)
	return host + ":" + port
}

// splitAddr splits host:port. What has no port is all host.
func splitAddr(addr string) (host, port string) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr, "0"
	}
	return strings.TrimSuffix(strings.TrimPrefix(addr[:i], "["), "]"), addr[i+1:]
}

// route judges the keys of a command on a node that has peers: they must be of one
// slot, and those of a write of a partition that this node leads. Whether a read may
// be served here depends on more, see BeginRead. It leaves in s.routed where the keys
// are.
func (s *Session) route(spec *command.Spec, args [][]byte) error {
	first, step, count := spec.KeyRange(args)
	if count == 0 {
		return nil
	}
	slot := ring.Slot(args[first])
	for i := 1; i < count; i++ {
		if ring.Slot(args[first+i*step]) != slot {
			return errCrossSlot
		}
	}
	s.routed = routed{s.srv.partitions[ring.PartitionOfSlot(slot, len(s.srv.partitions))], slot}
	if spec.Kind != command.KindWrite {
		return nil
	}
	if err := s.srv.node.Leader(s.routed.p); err != nil {
		return respError(err, slot)
	}
	return nil
}

// routed is where a command's keys are.
type routed struct {
	p    *node.Partition
	slot uint16
}

// compareEpochs looks at the epoch by which a request was routed. Where it is not
// older than the server's, there is nothing to tell the client; else the request
// keeps its flag and carries the server's from here on.
func (s *Session) compareEpochs(req *wire.Request) {
	if epoch := s.srv.epoch.Load(); req.Epoch < epoch {
		req.Epoch = epoch
	} else {
		req.Flags &^= wire.FlagEpoch
	}
}

// newerEpoch is what a reply tells of the server's epoch, 0 for nothing, once
// compareEpochs has seen the request.
func newerEpoch(req *wire.Request) uint64 {
	if req.Flags&wire.FlagEpoch == 0 {
		return 0
	}
	return req.Epoch
}

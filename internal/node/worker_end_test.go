package node

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// TestAfterTheWorkersEndNobodyWaitsForIt: the node cannot go on, its process is about to
// end, and what was asked of it before and is asked now is answered at once.
func TestAfterTheWorkersEndNobodyWaitsForIt(t *testing.T) {
	c := startPeers(t, 2, wal.Always)
	c.settled(2)
	n := c.leader(0)
	p := n.partitions[0]
	for i := range c.nodes {
		if c.nodes[i] == n {
			c.fatal = func(node int, err error) bool { return node == i && errors.Is(err, replica.ErrAmnesia) }
		}
	}
	n.worker.do(func() {
		st, _ := n.worker.host.Status(groupID(0))
		n.worker.host.Receive(n.cluster.self, &replica.Message{Group: groupID(0), Raft: &raftpb.Message{
			Type: raftpb.MsgHeartbeat.Enum(), To: &st.Replica, From: proto.Uint64(99), Term: proto.Uint64(st.Term + 1), Commit: proto.Uint64(1 << 40),
		}})
	})
	eventually(t, "the worker has ended", func() bool {
		select {
		case <-n.workerDone:
			return true
		default:
			return false
		}
	})
	p.view.Changed(&replica.Status{Leads: true, Conf: replica.Alone(n.cluster.self)}) // a session may have looked before
	answered := make(chan string)
	go func() {
		defer close(answered)
		if _, err := n.Submit(p, n.Now(), command.AppendPut(command.Begin(nil), []byte("k"), nil, command.PutOp{}), newOutcome()); !errors.Is(err, wal.ErrClosed) {
			t.Errorf("a write: %v", err)
		}
		for _, level := range []wire.Consistency{wire.Linearizable, wire.Bounded, wire.SessionReads} {
			if _, err := n.BeginRead(p, level, map[bool]uint64{true: 1 << 60}[level == wire.SessionReads], newOutcome()); !errors.Is(err, wal.ErrClosed) {
				t.Errorf("a read, %v: %v", level, err)
			}
		}
		if n.worker.ask(func() {}) || n.worker.do(func() {}) {
			t.Error("the worker does something")
		}
		if _, err := n.proposeMeta(t.Context(), &meta.Report{}); !errors.Is(err, ErrClosed) {
			t.Errorf("a command to the meta group: %v", err)
		}
		if err := n.recordStates(); !errors.Is(err, ErrClosed) { // before the log is shortened
			t.Errorf("shortening the log: %v", err)
		}
	}()
	select {
	case <-answered:
	case <-time.After(30 * time.Second):
		t.Fatal("somebody waits")
	}
}

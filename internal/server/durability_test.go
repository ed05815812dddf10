package server

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wal"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// TestAWriteMayAskForMoreDurabilityThanTheNodeHas cuts the power right after the
// reply: what asked for always must be there, whatever the node's policy is.
func TestAWriteMayAskForMoreDurabilityThanTheNodeHas(t *testing.T) {
	batch := wire.BeginBatch(nil)
	for _, key := range []string{"batched-1", "batched-2"} {
		start := len(batch)
		batch = wire.BeginWriteItem(batch, wire.OpPut, 0)
		batch = wire.AppendPut(batch, 0, key, "kept", 0, 0)
		wire.FinishWriteItem(batch, start)
	}
	wire.FinishBatch(batch, 0, 2)
	for _, policy := range []wal.SyncPolicy{wal.EverySec, wal.Never} {
		t.Run(policy.String(), func(t *testing.T) {
			disk := vfs.NewMem()
			c := newHarness(t, harnessOptions{dir: "data", fs: disk, policy: policy}).connectNative()
			for _, req := range []wire.Request{
				{Op: wire.OpPut, Body: wire.AppendPut(nil, 0, "single", "kept", 0, 0)},
				{Op: wire.OpWriteBatch, Body: batch},
			} {
				req.ID, req.Flags, req.Durability = 7, wire.FlagDurability|wire.FlagReceipt, wire.DurabilityAlways
				reply := parseReply(t, c.send(string(req.Append(nil))))
				if reply.Status != wire.OK || reply.Durability != wire.DurabilityAlways {
					t.Fatalf("%v: %v, durability %v", req.Op, reply.Status, reply.Durability)
				}
			}
			after := newHarness(t, harnessOptions{dir: "data", fs: disk.CrashClone(nil), policy: policy}).connect()
			if got := after.send("GET single\r\nGET batched-1\r\nGET batched-2\r\n"); got != "$4\r\nkept\r\n$4\r\nkept\r\n$4\r\nkept\r\n" {
				t.Errorf("after the power cut: %q", got)
			}
		})
	}
	t.Run("in-memory", func(t *testing.T) {
		c := newHarness(t, harnessOptions{}).connectNative()
		req := wire.Request{Op: wire.OpPut, ID: 7, Flags: wire.FlagDurability, Durability: wire.DurabilityAlways, Body: wire.AppendPut(nil, 0, "k", "v", 0, 0)}
		if reply := parseReply(t, c.send(string(req.Append(nil)))); reply.Status != wire.Unsupported {
			t.Errorf("a node without a disk promises durability: %v", reply.Status)
		}
	})
}

func parseReply(t *testing.T, out string) (reply wire.Response) {
	t.Helper()
	frame, n, err := wire.ParseFrame([]byte(out), 1<<20)
	if err != nil || n == 0 {
		t.Fatalf("no reply in %q: %v", out, err)
	}
	if err := reply.Decode(frame); err != nil {
		t.Fatal(err)
	}
	return reply
}

package router

import (
	"encoding/json"

	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// command forwards a Redis command.
func (n *nativeCall) command() error {
	var in wire.CommandArgs
	if err := in.Decode(n.req.Body); err != nil {
		return err
	}
	args := make([][]byte, 0, in.Len())
	for {
		arg, ok, err := in.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		args = append(args, arg)
	}
	spec, err := command.Resolve(args)
	if err == nil && spec.Check != nil {
		err = spec.Check(args)
	}
	if err != nil { // as the command itself would say it
		w := resp.Writer{Proto: int(in.RESPVersion)}
		writeError(&w, err)
		n.answer(&wire.Response{Body: w.Buf})
		return nil
	}
	if spec.Kind == command.KindServer {
		return errNotKeyed
	}
	switch front.Permit(n.c.user, spec, args) {
	case nil:
	case front.ErrNoKeys:
		return errKeyForbidden
	default:
		return errMayNot
	}
	first, step, count := spec.KeyRange(args)
	p := ring.PartitionOf(args[first], n.view.Partitions)
	for i := 1; i < count; i++ {
		if ring.PartitionOf(args[first+i*step], n.view.Partitions) != p {
			return errPartitions
		}
	}
	n.pass(p)
	return nil
}

// scan forwards a page to the cursor's partition, and leaves out of the reply what the
// user may not see.
func (n *nativeCall) scan() error {
	var scan wire.ScanBody
	if err := scan.Decode(n.req.Body, &n.lim); err != nil {
		return err
	}
	if n.req.Flags&wire.FlagConsistency != 0 && n.req.Consistency >= wire.SessionReads {
		// Replicas would take turns, and each would start the partition over.
		n.req.Flags &^= wire.FlagConsistency
	}
	p := partitionOf(scan.Cursor)
	if p >= n.view.Partitions {
		page := wire.BeginScanPage(nil)
		wire.FinishScanPage(page, 0, 0, 0)
		n.answer(&wire.Response{Body: page})
		return nil
	}
	user := n.c.user
	if user.AllKeys() {
		n.pass(p)
		return nil
	}
	n.forward(p, func(reply *wire.Response) {
		if reply.Status == wire.OK {
			body, err := filterPage(n.req.OpFlags, reply.Body, user)
			if err != nil {
				n.fail(err)
				return
			}
			reply.Body = body
		}
		n.answer(reply)
	})
	return nil
}

// filterPage returns a page of a scan without the keys that user may not see.
func filterPage(flags uint8, body []byte, user *auth.User) ([]byte, error) {
	var page wire.ScanPage
	if err := page.Decode(flags, body); err != nil {
		return nil, err
	}
	out := wire.BeginScanPage(make([]byte, 0, len(body)))
	kept := 0
	for {
		var e wire.ScanEntry
		ok, err := page.Next(&e)
		if err != nil {
			return nil, err
		}
		if !ok {
			wire.FinishScanPage(out, 0, page.NextCursor, kept)
			return out, nil
		}
		if !user.AllowsKey(e.Key) {
			continue
		}
		kept++
		if flags&wire.ScanKeysOnly != 0 {
			out = wire.AppendScanKey(out, e.Key)
		} else {
			out = wire.AppendScanEntry(out, e.Key, e.Value, e.Version, e.ExpireAt)
		}
	}
}

// topology tells where every partition is, as far as a client is concerned: here.
func (n *nativeCall) topology() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	t := wire.Topology{
		Epoch: epoch, ClusterID: n.view.ClusterID,
		Nodes:      []wire.TopologyNode{{ID: n.c.r.nodeID, Address: n.c.local.String()}},
		Partitions: make([]wire.TopologyPartition, n.view.Partitions),
	}
	for p := range t.Partitions {
		t.Partitions[p].Replicas = []uint16{0}
	}
	n.answer(&wire.Response{Body: t.Append(nil)})
	return nil
}

// stats answers with the router's own figures: those of one node would be chance.
func (n *nativeCall) stats() error {
	if err := wire.CheckEmpty(n.req.Body); err != nil {
		return err
	}
	body, err := json.Marshal(n.c.r.Facts())
	if err != nil {
		return err
	}
	n.answer(&wire.Response{Body: body})
	return nil
}

package router

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/resp"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// fakeCluster is a backend over a map. It refuses what a real cluster would refuse:
// keys that are not in the partition a request was sent to.
type fakeCluster struct {
	t          testing.TB
	partitions int
	timeout    time.Duration // of a request; 0: none

	// before is called with every request before it is executed, concurrently; done
	// says that it was dealt with. Set before the router starts.
	before func(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) (done bool, err error)

	mu       sync.Mutex
	data     map[string]string // guarded by mu
	version  uint64            // guarded by mu
	executed []string          // guarded by mu; commands in the order of execution
	requests []wire.Request    // guarded by mu; in that order, bodies copied

	running, most atomic.Int64 // requests at once, and the most there were
}

func newFakeCluster(t testing.TB) *fakeCluster {
	return &fakeCluster{t: t, partitions: 16, data: map[string]string{}}
}

func (f *fakeCluster) View(context.Context) (*view, error) {
	return &view{ClusterID: "fake", Partitions: f.partitions, Epoch: 7, Nodes: 3, Limits: wire.DefaultLimits(), Features: wire.FeatureSessions}, nil
}

func (f *fakeCluster) Count(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *fakeCluster) Flush(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.data)
	return nil
}

func (f *fakeCluster) Close() error { return nil }

func (f *fakeCluster) Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	n := f.running.Add(1)
	defer f.running.Add(-1)
	for most := f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
	}
	*reply = wire.Response{}
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	if f.before != nil {
		if done, err := f.before(ctx, partition, req, reply); done || err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := *req
	kept.Body = append([]byte(nil), req.Body...)
	f.requests = append(f.requests, kept)
	if req.Op == wire.OpCommand {
		reply.Body = f.command(partition, req)
	} else if err := f.native(partition, req, reply); err != nil {
		reply.Status, reply.Body = wire.StatusOf(err), []byte(err.Error())
	}
	return nil
}

// commandArgs decodes the body of a COMMAND.
func commandArgs(t testing.TB, req *wire.Request) (args []string, proto int) {
	var in wire.CommandArgs
	if err := in.Decode(req.Body); err != nil {
		t.Errorf("COMMAND cannot be decoded: %v", err)
		return nil, 2
	}
	for {
		arg, ok, err := in.Next()
		if err != nil {
			t.Errorf("COMMAND cannot be decoded: %v", err)
		}
		if !ok {
			return args, int(in.RESPVersion)
		}
		args = append(args, string(arg))
	}
}

// command executes a Redis command. f.mu is held.
func (f *fakeCluster) command(partition int, req *wire.Request) []byte {
	args, proto := commandArgs(f.t, req)
	f.executed = append(f.executed, strings.Join(args, " "))
	w := &resp.Writer{Proto: proto}
	spec := command.Lookup([]byte(args[0]))
	raw := make([][]byte, len(args))
	for i, arg := range args {
		raw[i] = []byte(arg)
	}
	for _, key := range command.Keys(nil, spec, raw) {
		if p := ring.PartitionOf(key, f.partitions); p != partition {
			f.t.Errorf("%q came to partition %d, its key %q is in %d", args, partition, key, p)
		}
	}
	if reads := req.OpFlags&wire.CommandReads != 0; reads != (spec.Kind == command.KindRead) {
		f.t.Errorf("%q was sent with the flag reads %v", args, reads)
	}
	value, found := "", false
	if len(args) > 1 {
		value, found = f.data[args[1]]
	}
	bulk := func(value string, found bool) {
		if !found {
			w.Null()
			return
		}
		w.BulkString(value)
	}
	switch spec.Name {
	case "get":
		bulk(value, found)
	case "set":
		f.data[args[1]] = args[2]
		w.OK()
	case "append":
		f.data[args[1]] = value + args[2]
		w.Int(int64(len(value) + len(args[2])))
	case "incr":
		n, err := strconv.ParseInt("0"+value, 10, 64)
		if err != nil {
			w.Errorf("ERR", "value is not an integer or out of range")
			break
		}
		f.data[args[1]] = strconv.FormatInt(n+1, 10)
		w.Int(n + 1)
	case "strlen":
		w.Int(int64(len(value)))
	case "del", "unlink", "exists", "touch":
		n := 0
		for _, key := range args[1:] {
			if _, ok := f.data[key]; ok {
				n++
			}
			if spec.Kind == command.KindWrite {
				delete(f.data, key)
			}
		}
		w.Int(int64(n))
	case "mget":
		w.Array(len(args) - 1)
		for _, key := range args[1:] {
			value, found := f.data[key]
			bulk(value, found)
		}
	case "mset":
		for i := 1; i < len(args); i += 2 {
			f.data[args[i]] = args[i+1]
		}
		w.OK()
	default:
		w.Errorf("ERR", "the fake does not know '%s'", args[0])
	}
	return w.Buf
}

// native executes an operation of the native protocol. f.mu is held.
func (f *fakeCluster) native(partition int, req *wire.Request, reply *wire.Response) (err error) {
	lim := wire.DefaultLimits()
	if req.Flags&wire.FlagReceipt != 0 {
		reply.Flags |= wire.ReplyReceipt | wire.ReplyIndex
		reply.Term, reply.Consistency, reply.Acks, reply.Durability = uint64(partition+1), wire.Linearizable, wire.AcksQuorum, wire.DurabilityAlways
		reply.Index = 1000 + uint64(partition)
	}
	switch req.Op {
	case wire.OpScan:
		reply.Body, err = f.scan(partition, req, &lim)
		return err
	case wire.OpGetBatch:
		var keys wire.Keys
		if err := keys.Decode(req.Body, &lim); err != nil {
			return err
		}
		body := wire.BeginBatch(nil)
		for {
			key, ok, err := keys.Next(&lim)
			if err != nil || !ok {
				wire.FinishBatch(body, 0, keys.Len())
				reply.Body = body
				return err
			}
			status, version, value := f.one(partition, wire.OpGet, 0, key)
			body = wire.AppendItem(body, status, version, value)
		}
	case wire.OpWriteBatch:
		var items wire.WriteItems
		if err := items.Decode(req.Body, &lim); err != nil {
			return err
		}
		body := wire.BeginBatch(nil)
		for {
			var item wire.WriteItem
			ok, err := items.Next(&item)
			if err != nil || !ok {
				wire.FinishBatch(body, 0, items.Len())
				reply.Body = body
				return err
			}
			status, version, value := f.one(partition, item.Op, item.OpFlags, item.Body)
			body = wire.AppendItem(body, status, version, value)
		}
	}
	reply.Status, reply.Version, reply.Body = f.one(partition, req.Op, req.OpFlags, req.Body)
	if reply.Version != 0 {
		reply.Flags |= wire.ReplyVersion
	}
	return nil
}

// one executes an operation on one key. f.mu is held.
func (f *fakeCluster) one(partition int, op wire.Op, flags uint8, body []byte) (status wire.Status, version uint64, out []byte) {
	lim := wire.DefaultLimits()
	check := func(key []byte) string {
		if p := ring.PartitionOf(key, f.partitions); p != partition {
			f.t.Errorf("%v of %q came to partition %d, the key is in %d", op, key, partition, p)
		}
		return string(key)
	}
	switch op {
	case wire.OpGet:
		value, ok := f.data[check(body)]
		if !ok {
			return wire.NotFound, 0, nil
		}
		return wire.OK, 1, []byte(value)
	case wire.OpPut:
		var b wire.PutBody
		if err := b.Decode(flags, body, &lim); err != nil {
			return wire.StatusOf(err), 0, nil
		}
		f.data[check(b.Key)] = string(b.Value)
	case wire.OpDelete:
		var b wire.DeleteBody
		if err := b.Decode(flags, body, &lim); err != nil {
			return wire.StatusOf(err), 0, nil
		}
		if _, ok := f.data[check(b.Key)]; !ok {
			return wire.NotFound, 0, nil
		}
		delete(f.data, string(b.Key))
	case wire.OpIncrement:
		var b wire.IncrementBody
		if err := b.Decode(flags, body, &lim); err != nil {
			return wire.StatusOf(err), 0, nil
		}
		n, _ := strconv.ParseInt(f.data[check(b.Key)], 10, 64)
		f.data[string(b.Key)] = strconv.FormatInt(n+b.Delta, 10)
		out = wire.AppendInt(nil, n+b.Delta)
	case wire.OpExpire:
		var b wire.ExpireBody
		if err := b.Decode(flags, body, &lim); err != nil {
			return wire.StatusOf(err), 0, nil
		}
		check(b.Key)
	case wire.OpPersist:
		check(body)
	default:
		f.t.Errorf("%v came to the cluster", op)
		return wire.Unsupported, 0, nil
	}
	f.version++
	return wire.OK, f.version, out
}

// scan lists the keys of one partition in alphabetical order; the cursor counts them.
func (f *fakeCluster) scan(partition int, req *wire.Request, lim *wire.Limits) ([]byte, error) {
	var scan wire.ScanBody
	if err := scan.Decode(req.Body, lim); err != nil {
		return nil, err
	}
	if partitionOf(scan.Cursor) != partition {
		f.t.Errorf("cursor %#x came to partition %d", scan.Cursor, partition)
	}
	var keys []string
	for key := range f.data {
		if ring.PartitionOf([]byte(key), f.partitions) == partition {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	at := int(scan.Cursor & (1<<cursorBits - 1))
	page := wire.BeginScanPage(nil)
	n := 0
	for ; at < len(keys) && n < int(scan.Limit); at++ {
		if !strings.HasPrefix(keys[at], string(scan.Prefix)) {
			continue
		}
		if req.OpFlags&wire.ScanKeysOnly != 0 {
			page = wire.AppendScanKey(page, []byte(keys[at]))
		} else {
			page = wire.AppendScanEntry(page, []byte(keys[at]), []byte(f.data[keys[at]]), 1, 0)
		}
		n++
	}
	next := startOf(partition) | uint64(at)
	if at >= len(keys) {
		if next = startOf(partition + 1); partition+1 == f.partitions {
			next = 0
		}
	}
	wire.FinishScanPage(page, 0, next, n)
	return page, nil
}

// history returns the commands that name a key, in the order of their execution.
func (f *fakeCluster) history(key string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, line := range f.executed {
		if strings.Contains(" "+line+" ", " "+key+" ") {
			out = append(out, line)
		}
	}
	return out
}

// keyIn returns a key of a partition, the i-th of them.
func (f *fakeCluster) keyIn(partition, i int) string {
	for n := 0; ; n++ {
		key := fmt.Sprintf("k%d-%d", i, n)
		if ring.PartitionOf([]byte(key), f.partitions) == partition {
			return key
		}
	}
}

package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// world is a Log and a Shell that write down what happens to them.
type world struct {
	now     int64
	in      Inbox
	events  []string
	appends []wal.Record

	pos, durable   uint64
	busy, noSpace  int // so many of the next appends are refused
	free, left     int64
	limited        bool
	paused         func() error
	refuse         error
	held, quietLog bool
}

func (w *world) tell(format string, args ...any) {
	if !w.quietLog {
		w.events = append(w.events, fmt.Sprintf(format, args...))
	}
}

func (w *world) AppendReserved(recs ...*wal.Record) (uint64, error) {
	switch {
	case w.busy > 0:
		w.busy--
		return 0, wal.ErrBusy
	case w.noSpace > 0:
		w.noSpace--
		return 0, wal.ErrNoSpace
	}
	for _, r := range recs {
		w.appends = append(w.appends, *r)
	}
	w.pos++
	w.tell("append")
	return w.pos, nil
}
func (w *world) AppendedPos() uint64        { return w.pos }
func (w *world) DurablePos() uint64         { return w.durable }
func (w *world) Kick()                      { w.tell("kick") }
func (w *world) Flush(uint64) error         { w.tell("flush"); return nil }
func (w *world) Sync(context.Context) error { w.tell("sync"); return nil }
func (w *world) Room() (int64, int64, bool) { return w.free, w.left, w.limited }

func (w *world) NowMs() int64 { return w.now }
func (w *world) Take(hold bool) *Inbox {
	w.held = hold
	return &w.in
}
func (w *world) Welcome(*replica.Message)          {}
func (w *world) BadFrame(_ ring.NodeID, err error) { w.tell("bad frame") }
func (w *world) Refusal(uint32) error              { return errors.New("not here") }
func (w *world) NoSpace(_ uint32, lacks bool) error {
	w.tell("no space, lacks %v", lacks)
	return w.refuse
}
func (w *world) Full(full bool, _ int64)            { w.tell("full %v", full) }
func (w *world) Stalled(stalled bool)               { w.tell("stalled %v", stalled) }
func (w *world) Mind()                              { w.tell("mind") }
func (w *world) Send(to ring.NodeID, _ []byte) bool { w.tell("send %d", to[0]); return true }
func (w *world) SendSnapshot(replica.SendSnapshot)  {}
func (w *world) Install(replica.Install)            {}
func (w *world) Changed(uint32)                     {}
func (w *world) Pause(time.Duration) error {
	w.tell("pause")
	if w.paused != nil {
		return w.paused()
	}
	return nil
}

// machine is a group's state of which nothing is wanted.
type machine struct{ applied []uint64 }

func (m *machine) Apply(index, _ uint64, _ []byte, sink command.Sink) error {
	m.applied = append(m.applied, index)
	if sink != nil {
		sink.Result(0, &command.Result{})
	}
	return nil
}
func (m *machine) Fetch([][]byte)                                 {}
func (m *machine) Advance(uint64, uint64, *replica.Configuration) {}
func (m *machine) Lease(int64)                                    {}
func (m *machine) Fresh(int64)                                    {}
func (m *machine) Refusal(err error) error                        { return err }

type waiter struct {
	done   bool
	failed error
}

func (w *waiter) Result(int, *command.Result) {}
func (w *waiter) Done()                       { w.done = true }
func (w *waiter) Failed(err error)            { w.failed = err }

// drive returns a driver of a host that has one group with so many voters, of which it is the first.
func drive(t testing.TB, w *world, voters int, o Options) (*Driver, *machine) {
	t.Helper()
	o.TickMs, o.Partitions = 50, 1
	host := replica.NewHost(replica.Options{
		TickMs: 50, ElectionTicks: 12, HeartbeatTicks: 2, KeepBytes: 1 << 20, TotalKeepBytes: 1 << 20, Seed: 1, Logger: &raft.DefaultLogger{Logger: discard},
	}, 0)
	m := &machine{}
	var all []replica.Replica
	for i := range voters {
		all = append(all, replica.Replica{ID: uint64(i + 1), Node: ring.NodeID{byte(i + 1)}, Role: replica.Voter})
	}
	err := host.Add(replica.RaftConfig{
		Group: 1, Hard: replica.HardState{Replica: 1, Term: 1, Commit: 1}, Conf: replica.Among(all...), Machine: m,
		Applied: 1, AppliedTerm: 1, StampAt: 8, Campaign: voters == 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(host, w, w, o), m
}

// entry is a write that can be applied.
func entry() []byte { return command.AppendClock(command.Begin(nil)) }

func (w *world) turn(t testing.TB, d *Driver) {
	t.Helper()
	if err := d.Turn(); err != nil {
		t.Fatal(err)
	}
}

// leads takes turns until the group of one voter takes writes.
func leads(t testing.TB, w *world, d *Driver) {
	t.Helper()
	for range 20 {
		w.now += 50
		w.turn(t, d)
		w.durable = w.pos
	}
	if st, _ := d.host.Status(1); !st.Leads {
		t.Fatal("the only voter does not lead")
	}
	w.events = nil
}

func TestNothingIsAcknowledgedBeforeTheLogSaysThatItIsDurable(t *testing.T) {
	w := &world{}
	d, _ := drive(t, w, 1, Options{Policy: wal.Always})
	leads(t, w, d)
	var done waiter
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry(), Waiter: &done}}
	for range 3 {
		w.turn(t, d)
	}
	if done.done {
		t.Fatal("acknowledged while the record is not durable")
	}
	w.durable = w.pos
	w.turn(t, d)
	if !done.done {
		t.Errorf("durable, and not acknowledged: %v", done.failed)
	}
}

func TestMessagesLeaveAfterTheRecordsInTheOrderOfNodes(t *testing.T) {
	w := &world{}
	d, _ := drive(t, w, 5, Options{Policy: wal.Always})
	for range 40 { // an election begins, once the vote for itself is durable
		w.now += 50
		w.turn(t, d)
		w.durable = w.pos
	}
	first := slices.IndexFunc(w.events, func(e string) bool { return e[0] == 's' })
	if first < 0 || !slices.Equal(w.events[first:first+4], []string{"send 2", "send 3", "send 4", "send 5"}) {
		t.Errorf("%v", w.events)
	}
}

func TestAPolicyThatDoesNotWaitForTheDiskAnswersInTheSameTurn(t *testing.T) {
	w := &world{}
	d, _ := drive(t, w, 1, Options{Policy: wal.EverySec})
	leads(t, w, d)
	var done waiter
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry(), Waiter: &done}}
	w.turn(t, d)
	if want := []string{"mind", "append", "flush"}; !done.done || !slices.Equal(w.events[:3], want) {
		t.Errorf("done %v after %v", done.done, w.events)
	}
}

func TestATurnWaitsForRoomInTheLogsQueueAndLosesNothing(t *testing.T) {
	w := &world{}
	d, m := drive(t, w, 1, Options{Policy: wal.Always})
	leads(t, w, d)
	before := len(m.applied)
	w.busy = 2
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry()}}
	w.turn(t, d)
	if want := []string{"mind", "flush", "pause", "flush", "pause", "append", "kick"}; !slices.Equal(w.events, want) {
		t.Errorf("%v", w.events)
	}
	w.durable = w.pos
	w.turn(t, d)
	if len(m.applied) != before+1 {
		t.Errorf("%d entries applied", len(m.applied)-before)
	}
	w.busy, w.paused = 1, func() error { return wal.ErrClosed }
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry()}}
	if err := d.Turn(); !errors.Is(err, wal.ErrClosed) {
		t.Errorf("the process ends while it waits: %v", err)
	}
}

func TestWhatAFullDiskHasNoRoomForIsAppendedLaterInOrder(t *testing.T) {
	w := &world{}
	d, m := drive(t, w, 1, Options{Policy: wal.Always})
	leads(t, w, d)
	before, logged := len(m.applied), len(w.appends)
	w.noSpace = 2
	for range 2 { // the second finds the first waiting, and must not overtake it
		w.in.Proposals = []Proposal{{Group: 1, Entry: entry()}}
		w.turn(t, d)
		if !d.Waits() {
			t.Fatal("nothing waits")
		}
	}
	if err := d.Record(replica.GoneRecord(2, 1)); !errors.Is(err, wal.ErrNoSpace) {
		t.Errorf("a record of the node's own overtakes what waits: %v", err)
	}
	w.durable = w.pos
	w.turn(t, d)
	if d.Waits() {
		t.Fatal("there is room, and they wait")
	}
	w.durable = w.pos
	w.turn(t, d)
	w.turn(t, d)
	if len(m.applied) != before+2 || !slices.IsSorted(m.applied) {
		t.Errorf("applied %v", m.applied[before:])
	}
	indexes := []uint64{}
	for _, r := range w.appends[logged:] {
		if r.Type == replica.RecordEntry {
			indexes = append(indexes, r.Index)
		}
	}
	if len(indexes) != 2 || indexes[0] >= indexes[1] {
		t.Errorf("the log has %v", indexes)
	}
	if !slices.Contains(w.events, "full true") || !slices.Contains(w.events, "full false") {
		t.Errorf("the shell was told %v", w.events)
	}
}

func TestAFullDiskRefusesProposalsAndSaysWhenItIsNotAnyMore(t *testing.T) {
	w := &world{}
	d, _ := drive(t, w, 1, Options{Policy: wal.Always})
	leads(t, w, d)
	w.limited, w.free, w.left, w.refuse = true, 10, d.reserve, wal.ErrNoSpace
	var lacks waiter
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry(), Waiter: &lacks}}
	w.turn(t, d)
	if !errors.Is(lacks.failed, wal.ErrNoSpace) {
		t.Errorf("taken: %v", lacks.failed)
	}
	w.free = d.reserve / 2 // more than when it became full: not enough to say that it is not
	w.turn(t, d)
	w.limited = false
	w.turn(t, d)
	if want := []string{"full true", "no space, lacks true", "mind", "mind", "full false", "mind"}; !slices.Equal(w.events, want) {
		t.Errorf("%v", w.events)
	}
}

func TestADiskThatDoesNotAnswerIsNoticed(t *testing.T) {
	w := &world{}
	d, _ := drive(t, w, 1, Options{Policy: wal.Always})
	leads(t, w, d)
	w.in.Proposals = []Proposal{{Group: 1, Entry: entry()}}
	w.turn(t, d)
	w.now += stallPatienceMs
	w.turn(t, d)
	if slices.Contains(w.events, "stalled true") {
		t.Error("too early")
	}
	w.now++
	w.turn(t, d)
	w.durable = w.pos
	w.turn(t, d)
	if i := slices.Index(w.events, "stalled true"); i < 0 || !slices.Contains(w.events[i:], "stalled false") {
		t.Errorf("%v", w.events)
	}
}

func TestDisksRefuseWritesThatCannotBeCommitted(t *testing.T) {
	var all []replica.Replica
	for i := range 3 {
		all = append(all, replica.Replica{ID: uint64(i + 1), Node: ring.NodeID{byte(i + 1)}, Role: replica.Voter})
	}
	conf := replica.Among(all...)
	for _, c := range []struct {
		full   []byte // nodes
		fullMs int64
		want   error
	}{
		{nil, 0, nil},
		{[]byte{2}, 0, nil},
		{[]byte{2, 3}, 0, wal.ErrNoSpace},
		{[]byte{1}, 0, wal.ErrBusy},
		{[]byte{1}, 1000, wal.ErrNoSpace},
		{[]byte{1, 2}, 0, wal.ErrNoSpace},
	} {
		disks := Disks{Self: ring.NodeID{1}, Full: slices.Contains(c.full, 1), FullMs: c.fullMs, HandMs: 1000,
			PeerFull: func(n ring.NodeID) bool { return slices.Contains(c.full, n[0]) }}
		if got := disks.Refusal(conf); got != c.want {
			t.Errorf("full: %v for %d ms: %v, want %v", c.full, c.fullMs, got, c.want)
		}
	}
}

// TestATurnAllocatesNothing of its own: what the host does for a write is not counted here.
func TestATurnAllocatesNothing(t *testing.T) {
	w := &world{quietLog: true}
	d, _ := drive(t, w, 3, Options{Policy: wal.Always})
	call := func() {}
	if n := testing.AllocsPerRun(100, func() {
		w.in.Calls = append(w.in.Calls, call)
		w.turn(t, d)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var discard = log.New(io.Discard, "", 0)

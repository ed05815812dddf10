//go:build unix

package test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/faultfs"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// smallFiles lets the log begin new files, and remove old ones, after a few writes.
var smallFiles = clustertest.Options{Faulty: true, Args: []string{
	"--max-value-bytes", "128KiB", "--log-segment-bytes", "1MiB",
}}

// crasher is a node that crashes while it carries out a script, each time on the same data directory.
type crasher struct {
	t    *testing.T
	n    *clustertest.Node
	rng  *rand.Rand
	base files
	// what each key may be: what was acknowledged last, and what may have been written since
	was, may map[string][]string
}

// newCrasher fills the directory so far that the script's snapshots shorten the log.
func newCrasher(t *testing.T) *crasher {
	c := &crasher{t: t, rng: drawn(t), n: lone(t, smallFiles), was: map[string][]string{}}
	c.may = c.was
	for range 2 {
		c.n.Order(faultfs.Orders{})
		for i := range 12 {
			c.put(i)
		}
		c.snapshot()
	}
	c.n.Kill()
	c.base = readFiles(t, c.n.DataDir())
	for key, values := range c.may {
		c.was[key] = slices.Clone(values)
	}
	return c
}

// put writes a key; false if the node has ended.
func (c *crasher) put(i int) bool {
	key, value := fmt.Sprint("k", i%5), fmt.Sprint(c.rng.Uint64(), strings.Repeat("x", 64<<10))
	r, err := c.n.Put(within(c.t), key, value)
	switch {
	case err != nil:
		c.may[key] = append(slices.Clone(c.may[key]), value)
		return false
	case r.Status != wire.OK:
		c.t.Fatalf("put: %s %s", r.Status, r.Body)
	}
	c.may[key] = []string{value}
	return true
}

func (c *crasher) snapshot() bool {
	_, err := c.n.Ask(within(c.t), wire.Request{Op: wire.OpSnapshot, OpFlags: wire.SnapshotWait})
	return err == nil
}

// script starts the node, writes and takes snapshots, twice, and writes again; false if it has ended on the way.
func (c *crasher) script() bool {
	if err := c.n.Launch(); err != nil {
		c.t.Fatal(err)
	}
	if c.n.WaitReady(within(c.t)) != nil {
		return false
	}
	for range 2 { // the second snapshots let the log's first file go, which only the first ones make up for
		for i := range 12 {
			if !c.put(i) {
				return false
			}
		}
		if !c.snapshot() {
			return false
		}
	}
	return c.put(0)
}

// run lets the script run under orders, from where it always begins. It reports whether the node was killed by them, and how
// many operations it made.
func (c *crasher) run(rules ...faultfs.Rule) (killed bool, ops int64) {
	c.n.Kill()
	c.base.write(c.t, c.n.DataDir())
	if err := c.n.ForgetPower(); err != nil {
		c.t.Fatal(err)
	}
	c.may = map[string][]string{}
	for key, values := range c.was {
		c.may[key] = values
	}
	c.n.Order(faultfs.Orders{Rules: rules})
	if c.script() {
		r, err := c.n.Report()
		if err != nil {
			c.t.Fatal(err)
		}
		return false, r.Ops
	}
	code, err := c.n.ExpectExit(within(c.t))
	if err != nil || code != -1 {
		c.t.Fatalf("it has not been killed but ended with %d, %v: %s", code, err, c.n.Log(1))
	}
	return true, 0
}

// intact starts the node and compares what it holds with what may be there.
func (c *crasher) intact(when string) {
	c.t.Helper()
	c.n.Order(faultfs.Orders{})
	if err := c.n.Start(within(c.t)); err != nil {
		c.t.Fatalf("%s: %v", when, err)
	}
	for key, values := range c.may {
		r, err := c.n.Get(within(c.t), key, wire.Linearizable)
		if err != nil || r.Status != wire.OK || !slices.Contains(values, string(r.Body)) {
			c.t.Errorf("%s: %s is %s %.20q, which is none of %d that it may be (%v)", when, key, r.Status, r.Body, len(values), err)
		}
	}
	if !c.put(0) {
		c.t.Errorf("%s: it has ended: %s", when, c.n.Log(1))
	}
}

// cutOrNot cuts the power of the node that was killed, now and then, and says so.
func (c *crasher) cutOrNot() (what string) {
	var keep *rand.Rand // nothing that was not synced
	switch c.rng.IntN(5) {
	case 0:
		return ""
	case 1:
		keep = c.rng
	}
	if err := c.n.CutPower(keep); err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprintf(", power cut, with luck: %v", keep != nil)
}

func TestABuiltServerCrashedAtABoundaryHoldsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	c := newCrasher(t)
	_, ops := c.run()
	boundaries := []int64{ops - 1}
	for range 6 {
		boundaries = append(boundaries, c.rng.Int64N(ops))
	}
	if *lasting > 0 {
		boundaries = nil
		for n := range ops {
			boundaries = append(boundaries, n)
		}
	}
	struck := 0
	for _, skip := range boundaries {
		killed, _ := c.run(faultfs.Rule{Skip: skip, Action: faultfs.Kill})
		if !killed {
			continue // the script takes one way or the other
		}
		struck++
		when := fmt.Sprintf("killed before operation %d of about %d", skip+1, ops)
		c.intact(when + c.cutOrNot())
	}
	t.Logf("%d crashes at boundaries of about %d", struck, ops)
	if struck < len(boundaries)/2 {
		t.Errorf("of %d boundaries only %d were reached", len(boundaries), struck)
	}
}

func TestABuiltServerCrashedBetweenSnapshotAndTruncationHasNoGap(t *testing.T) {
	t.Parallel()
	c := newCrasher(t)
	steps := []faultfs.Rule{
		{Kinds: []vfs.Kind{vfs.OpRename}, Path: "snapshots/*.snap"},
		{Kinds: []vfs.Kind{vfs.OpRename}, Path: "snapshots/*.snap", After: true, Skip: 1}, // before the directory is synced
		{Kinds: []vfs.Kind{vfs.OpSyncDir}, Path: "snapshots", After: true, Skip: 1},
		{Kinds: []vfs.Kind{vfs.OpRename}, Path: "FLOORS", Skip: 1},
		{Kinds: []vfs.Kind{vfs.OpRename}, Path: "FLOORS", Skip: 1, After: true},
		{Kinds: []vfs.Kind{vfs.OpRemove}, Path: "log/*.wal"},
		{Kinds: []vfs.Kind{vfs.OpSyncDir}, Path: "log", After: true, Skip: 1},
		{Kinds: []vfs.Kind{vfs.OpRemove}, Path: "snapshots/*"},
	}
	for _, step := range steps {
		step.Action = faultfs.Kill
		when := fmt.Sprintf("killed at %v of %s, after it: %v", step.Kinds, step.Path, step.After)
		if killed, _ := c.run(step); !killed {
			t.Errorf("%s: the script does not come there", when)
			continue
		}
		c.intact(when + c.cutOrNot())
	}
	c.run()
	if err := c.n.CutPower(nil); err != nil {
		t.Fatal(err)
	}
	c.intact("power cut at the end")
}

// Clients count up and know what each reply must be, so that an increment that was skipped or applied twice shows at once. The
// node is killed when records are durable and their replies have not left, and in the middle of the replay that follows.
func TestABuiltServerCrashedBetweenLogAndTableAppliesEachEntryOnce(t *testing.T) {
	t.Parallel()
	rng := drawn(t)
	options := smallFiles
	options.Sessions = true
	c := clustertest.Start(t, options)
	n := c.Node(1)
	var counters []*counter
	for i := range 4 {
		counters = append(counters, nativeCounter(t, n.Addr, i))
	}
	stop := countUp(t, counters)
	rounds := 5
	if *lasting > 0 {
		rounds = 100
	}
	replays := 0
	for range rounds {
		n.Order(faultfs.Orders{Rules: []faultfs.Rule{
			{Kinds: []vfs.Kind{vfs.OpSync}, Path: "log/*", After: true, Skip: rng.Int64N(50), Action: faultfs.Kill},
		}})
		if err := n.ExpectEnd(within(t)); err != nil {
			t.Fatal(err)
		}
		c.Event("%s was killed after an fsync", n)
		if rng.IntN(2) == 0 {
			if err := n.CutPower(rng); err != nil {
				t.Fatal(err)
			}
		}
		n.Order(faultfs.Orders{Rules: []faultfs.Rule{
			{Kinds: []vfs.Kind{vfs.OpRead, vfs.OpWrite, vfs.OpSync}, Path: "log/*", Skip: rng.Int64N(8), Action: faultfs.Kill},
		}})
		if err := n.Launch(); err != nil {
			t.Fatal(err)
		}
		if n.WaitReady(within(t)) != nil {
			replays++
			c.Event("%s was killed while it replayed", n)
		}
		n.Kill() // it may have been quicker
		n.Order(faultfs.Orders{})
		if err := n.Start(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if replays == 0 {
		t.Error("it was never killed while it replayed: nothing is proved")
	}
	cl := c.Client(t)
	for _, k := range counters {
		if got, err := cl.Increment(within(t), k.name, 0); err != nil || got != k.n {
			t.Errorf("%s was counted up %d times and is %d, %v", k.name, k.n, got, err)
		}
	}
}

// failsOnce lets the next fsync of the log fail.
var failsOnce = faultfs.Orders{Rules: []faultfs.Rule{
	{Kinds: []vfs.Kind{vfs.OpSync}, Path: "log/*", Count: 1, Action: faultfs.Fail, Errno: syscall.EIO},
}}

// endsWithReason waits for the end of a node whose fsync has failed.
func endsWithReason(t *testing.T, n *clustertest.Node) {
	t.Helper()
	code, err := n.ExpectExit(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if said := n.Log(30); code != 1 || !strings.Contains(said, "going on could lose data") || !strings.Contains(said, "input/output error") {
		t.Errorf("it ended with %d: %s", code, said)
	}
}

func TestABuiltServerEndsWhenAnFsyncFailsOnce(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Faulty: true})
	n := c.Node(1)
	all := fill(within(t), t, c.Client(t), 50, 100)
	if err := n.Order(failsOnce); err != nil {
		t.Fatal(err)
	}
	if r, err := n.Put(within(t), "lost", "perhaps"); err == nil && r.Status == wire.OK {
		t.Error("a write whose fsync has failed was acknowledged")
	}
	endsWithReason(t, n)
	n.Order(faultfs.Orders{})
	if err := n.CutPower(nil); err != nil { // what the failed fsync left behind is gone
		t.Fatal(err)
	}
	if err := n.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	shows(t, n, all)
	puts(t, n, "after", "taken")
}

func TestAClusterGoesOnWhenAnFsyncOfItsLeaderFails(t *testing.T) {
	t.Parallel()
	options := three
	options.Faulty = true
	c := clustertest.Start(t, options)
	cl := c.Client(t)
	leader := settle(t, c, cl, "k")
	all := fill(within(t), t, cl, 50, 100)
	c.Event("an fsync of %s fails", leader)
	if err := leader.Order(failsOnce); err != nil {
		t.Fatal(err)
	}
	took := mustPut(t, cl, "k", "after")
	t.Logf("a write took %v", took)
	endsWithReason(t, leader)
	mustPut(t, cl, "k", "meanwhile")
	leader.Order(faultfs.Orders{})
	if err := leader.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	all["k"] = "meanwhile"
	holds(t, leader, all)
}

package grant

import (
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

const (
	noArg = 0
	now   = 1000
)

func atNow() int64 { return now }
func unled() bool  { return true }
func led() bool    { return false }

// follows, leads and empty are statuses of a replica with a state, and of one without.
var (
	conf    = replica.Alone(ring.NodeID{1})
	follows = &replica.Status{Term: 3, Conf: conf}
	leads   = &replica.Status{Term: 3, Leads: true, Conf: conf}
	empty   = &replica.Status{Term: 3, Conf: replica.Among()}
)

func TestWhatEachLevelNeeds(t *testing.T) {
	for _, c := range []struct {
		name   string
		is     func(r *Replica)
		level  wire.Consistency
		arg    uint64
		unled  func() bool
		answer Answer
		grant  Grant // with Now but for its mark
	}{
		{"a follower", func(r *Replica) { r.Changed(follows) }, wire.Linearizable, noArg, unled, NotLeader, Grant{}},
		{"a leader", func(r *Replica) { r.Changed(leads) }, wire.Linearizable, noArg, unled, Wait, Grant{Level: wire.Linearizable}},
		{"one that hands over", func(r *Replica) { r.Handed(now) }, wire.Linearizable, noArg, unled, Wait, Grant{Level: wire.Linearizable}},
		{"one that has handed over, and it is known to whom", func(r *Replica) { r.Handed(now) }, wire.Linearizable, noArg, led, NotLeader, Grant{}},
		{"one that handed over long ago", func(r *Replica) { r.Handed(now - 1) }, wire.Linearizable, noArg, unled, NotLeader, Grant{}},
		{"a leader without a lease", func(r *Replica) { r.Changed(leads) }, wire.Lease, noArg, unled, Wait, Grant{Level: wire.Linearizable, Lease: true}},
		{"a leader with a lease", func(r *Replica) { r.Changed(leads); r.Leased(now + leaseSpareMs + 1) }, wire.Lease, noArg, unled, Now, Grant{Recheck: true, Level: wire.Lease}},
		{"a lease that is about to end", func(r *Replica) { r.Changed(leads); r.Leased(now + leaseSpareMs) }, wire.Lease, noArg, unled, Wait, Grant{Level: wire.Linearizable, Lease: true}},
		{"a lease that was given up", func(r *Replica) { r.Changed(leads); r.Leased(now * 2); r.Leased(0) }, wire.Lease, noArg, unled, Wait, Grant{Level: wire.Linearizable, Lease: true}},
		{"a follower's own", func(r *Replica) { r.Changed(follows) }, wire.Local, noArg, unled, Now, Grant{Recheck: true, Level: wire.Local}},
		{"one that is empty", func(r *Replica) { r.Changed(empty) }, wire.Local, noArg, unled, NotHere, Grant{}},
		{"one that has begun empty", func(r *Replica) { r.Begun(0, 0) }, wire.Local, noArg, unled, NotHere, Grant{}},
		{"one that is about to install a snapshot", func(r *Replica) { r.Changed(&replica.Status{Conf: conf, Installing: true}) }, wire.Local, noArg, unled, NotHere, Grant{}},
		{"one that is being replaced", func(r *Replica) { r.Changed(follows); r.Replacing() }, wire.Local, noArg, unled, NotHere, Grant{}},
		{"one that has what the client has seen", func(r *Replica) { r.Begun(7, 1) }, wire.SessionReads, 7, unled, Now, Grant{Recheck: true, Level: wire.SessionReads}},
		{"one that has not", func(r *Replica) { r.Begun(6, 1) }, wire.SessionReads, 7, unled, Wait, Grant{Level: wire.SessionReads, Mark: 7}},
		{"one of an unknown age", func(r *Replica) { r.Changed(follows) }, wire.Bounded, 1 << 40, unled, Wait, Grant{Level: wire.Bounded}},
		{"one that is fresh enough", func(r *Replica) { r.Changed(follows); r.Complete(now - 50) }, wire.Bounded, 50, unled, Now, Grant{Recheck: true, Level: wire.Bounded}},
		{"one that is not", func(r *Replica) { r.Changed(follows); r.Complete(now - 51) }, wire.Bounded, 50, unled, Wait, Grant{Level: wire.Bounded}},
	} {
		var r Replica
		r.Init(atNow, c.unled)
		c.is(&r)
		answer, g := r.Begin(c.level, c.arg)
		if answer == Now {
			g.Mark = 0
		}
		if answer != c.answer || g != c.grant {
			t.Errorf("%s, %v: %d, %+v", c.name, c.level, answer, g)
		}
	}
}

func TestWhatWasReadIsShownOnlyIfTheGrantStillHolds(t *testing.T) {
	for _, c := range []struct {
		level   wire.Consistency
		name    string
		happens func(r *Replica)
		want    Answer
	}{
		{wire.Lease, "nothing", func(*Replica) {}, Now},
		{wire.Lease, "the lease is renewed", func(r *Replica) { r.Leased(3 * now) }, Now},
		{wire.Lease, "the lease is given up", func(r *Replica) { r.Leased(0) }, NotLeader},
		{wire.Lease, "leadership is lost", func(r *Replica) { r.Changed(follows) }, NotLeader},
		{wire.Lease, "leadership is lost and won again", func(r *Replica) { r.Changed(&replica.Status{Term: 5, Leads: true, Conf: conf}) }, NotLeader},
		{wire.Local, "nothing", func(*Replica) {}, Now},
		{wire.Local, "leadership is lost", func(r *Replica) { r.Changed(follows) }, Now},
		{wire.Local, "a snapshot begins to replace it", func(r *Replica) { r.Replacing() }, NotHere},
		{wire.Local, "a snapshot has replaced it", func(r *Replica) { r.Replacing(); r.Changed(follows) }, NotHere},
		{wire.Local, "it is dropped", func(r *Replica) { r.Dropped() }, NotHere},
	} {
		var r Replica
		r.Init(atNow, unled)
		r.Changed(leads)
		r.Leased(2 * now)
		answer, g := r.Begin(c.level, noArg)
		if answer != Now {
			t.Fatalf("%v: %d", c.level, answer)
		}
		c.happens(&r)
		if got := r.End(g); got != c.want {
			t.Errorf("%v, %s: %d, want %d", c.level, c.name, got, c.want)
		}
	}
}

func TestLeaveAllocatesNothing(t *testing.T) {
	var r Replica
	r.Init(atNow, unled)
	r.Changed(leads)
	r.Leased(2 * now)
	r.Complete(now)
	for _, level := range []wire.Consistency{wire.Linearizable, wire.Lease, wire.SessionReads, wire.Bounded, wire.Local} {
		if n := testing.AllocsPerRun(100, func() {
			_, g := r.Begin(level, noArg)
			r.End(g)
		}); n != 0 {
			t.Errorf("%v: %v allocations", level, n)
		}
	}
}

func BenchmarkBegin(b *testing.B) {
	for _, level := range []wire.Consistency{wire.Lease, wire.Local} {
		b.Run(fmt.Sprintf("level=%d", level), func(b *testing.B) {
			var r Replica
			r.Init(atNow, unled)
			r.Changed(leads)
			r.Leased(2 * now)
			b.ReportAllocs()
			for b.Loop() {
				_, g := r.Begin(level, noArg)
				r.End(g)
			}
		})
	}
}

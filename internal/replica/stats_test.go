package replica

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
)

// What an operator is told of a failover is what has happened.
func TestCountersTellWhatBecameOfAFailover(t *testing.T) {
	c := newWorld(t, 3, 0, 7)
	l := c.mustLead()
	c.run(500)
	if s := l.host.Stats(); s.Leaders != 1 || s.Followers != 0 || s.Won != 1 || s.Elections < 1 || s.LeaderChanges < 1 || s.Laggards != 0 {
		t.Errorf("the leader counts %+v", s)
	}
	var wrote, lost told
	l.host.Propose(testGroup, putEntry("k", "v"), &wrote, false)
	c.run(300)
	l.host.Read(testGroup, &readTold{}, false)
	c.run(300)
	if s := l.host.Stats(); s.Applied != 1 || s.Refused+s.Unknown != 0 || s.ReadRounds != 1 || s.ReadRoundsOK != 1 || s.LogBytes == 0 || s.ApplyLag != 0 || s.Proposals != 0 {
		t.Errorf("after a write and a read %+v", s)
	}
	if waiting := l.host.Waiting(); waiting != 0 {
		t.Errorf("%d bytes wait, and there is nothing to wait for", waiting)
	}

	c.isolate(l, true)
	l.host.Propose(testGroup, putEntry("k", "lost"), &lost, false)
	l.host.Read(testGroup, &readTold{}, false)
	c.run(100)
	if s := l.host.Stats(); s.Proposals != 1 || s.Reads != 1 {
		t.Errorf("with a write and a read under way %+v", s)
	}
	early := told{early: true}
	l.host.Propose(testGroup, putEntry("k", "lost as well"), &early, true)
	c.run(100)
	if waiting, both := l.host.Waiting(), len(putEntry("k", "lost"))+len(putEntry("k", "lost as well")); waiting != int64(both) {
		t.Errorf("%d bytes wait, and %d should: who is satisfied early does not shorten what waits", waiting, both)
	}
	c.run(5000)
	if waiting := l.host.Waiting(); waiting != 0 {
		t.Errorf("%d bytes wait at the leader that was cut off", waiting)
	}
	if s := l.host.Stats(); s.Lost != 1 || s.Leaderless != 1 || s.Unknown+s.Refused != 1 || s.ReadsFailed != 1 || s.Proposals+s.Reads != 0 {
		t.Errorf("the leader that was cut off counts %+v", s)
	}
	next := c.mustLead()
	if s := next.host.Stats(); next == l || s.Won != 1 || s.Laggards != 1 {
		t.Errorf("the next leader counts %+v", s)
	}
	c.isolate(l, false)
	c.run(2000)
	if s := next.host.Stats(); s.Laggards != 0 || s.MostLag != 0 {
		t.Errorf("when all are back %+v", s)
	}
	next.host.Transfer(testGroup, l.replica())
	c.run(1000)
	if s := next.host.Stats(); s.Transfers != 1 || s.Lost != 1 || s.Followers != 1 {
		t.Errorf("after handing over %+v", s)
	}
}

// told is a Waiter that remembers.
type told struct {
	results []command.Result
	done    bool
	err     error
	early   bool
}

func (w *told) Result(_ int, r *command.Result) { w.results = append(w.results, *r) }
func (w *told) Done()                           { w.done = true }
func (w *told) Failed(err error)                { w.err = err }
func (w *told) AckedByLeader()                  { w.early = true }

func putEntry(k, v string) []byte {
	return command.AppendPut(command.Begin(nil), []byte(k), []byte(v), command.PutOp{})
}

// A put that is content with the leader's word is answered without the majority, and
// says so; anything else waits for it.
func TestAPutThatWantsTheLeadersWordAloneDoesNotWaitForTheMajority(t *testing.T) {
	c := newWorld(t, 3, 0, 5)
	l := c.mustLead()
	c.run(500)
	c.isolate(l, true)
	var early, late told
	l.host.Propose(testGroup, putEntry("k", "v"), &early, true)
	l.host.Propose(testGroup, putEntry("k2", "v"), &late, false)
	c.run(150)
	if !early.done || !early.early || len(early.results) != 1 || early.results[0].Version == 0 {
		t.Errorf("answered %+v", early)
	}
	if late.done {
		t.Error("a write that waits for the majority was answered without it")
	}
}

type readTold struct{}

func (*readTold) Done()        {}
func (*readTold) Failed(error) {}

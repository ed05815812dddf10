package replica

import "testing"

// What an operator is told of a failover is what has happened.
func TestCountersTellWhatBecameOfAFailover(t *testing.T) {
	c := newCluster(t, 3, 7)
	l := c.mustLead()
	c.run(500)
	if s := l.host.Stats(); s.Leaders != 1 || s.Followers != 0 || s.Won != 1 || s.Elections < 1 || s.LeaderChanges < 1 || s.Laggards != 0 {
		t.Errorf("the leader counts %+v", s)
	}
	var wrote, lost told
	l.host.Propose(testGroup, putEntry("k", "v"), &wrote, false)
	c.run(300)
	l.host.Read(testGroup, &readTold{})
	c.run(300)
	if s := l.host.Stats(); s.Applied != 1 || s.Refused+s.Unknown != 0 || s.ReadRounds != 1 || s.ReadRoundsOK != 1 || s.LogBytes == 0 || s.ApplyLag != 0 || s.Proposals != 0 {
		t.Errorf("after a write and a read %+v", s)
	}

	l.cut = true
	l.host.Propose(testGroup, putEntry("k", "lost"), &lost, false)
	l.host.Read(testGroup, &readTold{})
	c.run(100)
	if s := l.host.Stats(); s.Proposals != 1 || s.Reads != 1 {
		t.Errorf("with a write and a read under way %+v", s)
	}
	c.run(5000)
	if s := l.host.Stats(); s.Lost != 1 || s.Leaderless != 1 || s.Unknown+s.Refused != 1 || s.ReadsFailed != 1 || s.Proposals+s.Reads != 0 {
		t.Errorf("the leader that was cut off counts %+v", s)
	}
	next := c.mustLead()
	if s := next.host.Stats(); next == l || s.Won != 1 || s.Laggards != 1 {
		t.Errorf("the next leader counts %+v", s)
	}
	l.cut = false
	c.run(2000)
	if s := next.host.Stats(); s.Laggards != 0 || s.MostLag != 0 {
		t.Errorf("when all are back %+v", s)
	}
	next.host.Transfer(testGroup, l.id)
	c.run(1000)
	if s := next.host.Stats(); s.Transfers != 1 || s.Lost != 1 || s.Followers != 1 {
		t.Errorf("after handing over %+v", s)
	}
}

type readTold struct{}

func (*readTold) Done()        {}
func (*readTold) Failed(error) {}

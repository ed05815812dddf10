package driver

import "testing"

func TestACrowdWaitsForASyncAndAFewDoNot(t *testing.T) {
	c := crowd{from: crowdFrom}
	rounds := func(n, writers int) {
		for range n {
			c.proposed(writers)
			c.synced()
		}
	}
	if c.hold(true, false) {
		t.Error("the first proposals wait")
	}
	rounds(100, crowdFrom-1)
	if c.hold(true, false) {
		t.Errorf("%d writers wait", crowdFrom-1)
	}
	rounds(1, 300)
	if !c.hold(true, false) {
		t.Error("300 writers do not wait")
	}
	if c.hold(false, false) {
		t.Error("they wait though nothing is being synced")
	}
	if c.hold(true, true) {
		t.Error("they wait for longer than a tick")
	}
	rounds(2, 0)
	if !c.hold(true, false) {
		t.Error("two rounds without proposals, as of a leader among followers, end a crowd of 300")
	}
	rounds(40, 3)
	if c.hold(true, false) {
		t.Errorf("three writers wait long after the crowd has gone: it counts as %d", c.size)
	}
}

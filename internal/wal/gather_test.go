package wal

import (
	"testing"
	"time"
)

func TestASingleCallerNeverWaits(t *testing.T) {
	var g gather
	for range 100 {
		if g.more(1, 0, 0) {
			t.Fatal("waits for somebody who does not exist")
		}
		g.synced(1, 0, 100*time.Microsecond)
	}
}

func TestALockstepCrowdIsWaitedForUpToHalf(t *testing.T) {
	var g gather
	g.synced(50, 0, 200*time.Microsecond)
	for pending := 1; pending < 25; pending++ {
		if !g.more(pending, 10*time.Microsecond, 5*time.Microsecond) {
			t.Fatalf("goes with %d of 50", pending)
		}
	}
	if g.more(25, 10*time.Microsecond, 5*time.Microsecond) {
		t.Error("waits with half of the crowd there")
	}
}

func TestWaitingEndsWhenNobodyComesOrTimeIsUp(t *testing.T) {
	var g gather
	g.synced(50, 0, 200*time.Microsecond)
	if g.more(3, 60*time.Microsecond, gatherQuiet) {
		t.Error("waits although nobody has come for a while")
	}
	if g.more(3, 200*time.Microsecond, 0) {
		t.Error("waits longer than a sync takes")
	}
	g.synced(50, 0, time.Hour)
	if g.more(3, gatherLimit, 0) {
		t.Error("waits beyond the limit on a slow disk")
	}
}

func TestACrowdThatLeftIsForgottenSoon(t *testing.T) {
	var g gather
	g.synced(1000, 0, 100*time.Microsecond)
	rounds := 0
	for ; g.more(1, 0, 0); rounds++ {
		g.synced(1, 0, 100*time.Microsecond)
	}
	if rounds > 60 {
		t.Errorf("a single caller waited %d times after a crowd of 1000 had left", rounds)
	}
	g.synced(10, 30, 100*time.Microsecond)
	if g.crowd != 40 {
		t.Errorf("crowd %d, want those released and those that arrived meanwhile", g.crowd)
	}
}

package sim

import (
	"encoding/json"
	"strings"
	"testing"
)

// regressions are seeds that have failed. What a seed does changes with the simulator; what it found is worth keeping either way.
var regressions = []struct {
	seed  uint64
	found string
}{
	{1, "a clock set forward by more than ten minutes: clients' sessions are refused until they learn the time anew"},
	{24, "damage to VEGA: the node says so and does not start, which the simulator took for a fault of the product"},
	{264, "the log is to be shortened while its queue is full: package node waits, the simulator's shell did not"},
	{121088495034, "the last reads asked a server that had refused to start, time after time: a machine that runs refuses the connection"},
	{12242, "a write of unknown outcome, resolved from the log, was held against its client's session"},
	{483, "the last attempt of a write, without a session because two had expired, was judged by what became of the one before it"},
}

// memberRegressions are those with membership.
var memberRegressions = []struct {
	seed  uint64
	found string
}{
	{5588, "the disk refused a step of dropping a replica once: the partition could never come back to that node"},
	{5614, "a node that was to be removed gave up its vote in the meta group before another could take it: of two voters one was lost"},
	{5905, "a follower was faster than the leader, whose disk had stalled, and the leader's lease was held against it"},
	{150499442136, "a log segment whose directory the process before had not synced was gone after a power cut"},
	{25, "the leader of the meta group had come back at another address so soon that nobody missed it: its own word was refused for good"},
	{1002903, "the wall clock of the meta group's leader was set forward: a node that had just restarted was taken for dead and lost its vote, and then another burnt down"},
	{6035, "a write whose repetition was told that its session has expired counted as not executed"},
}

func TestSeedsThatHaveFailed(t *testing.T) {
	for _, r := range memberRegressions {
		if result := Run(Config{Seed: r.seed, Membership: true}); result.Failed() {
			t.Errorf("again: %s\n%v", r.found, result)
		}
	}
	for _, r := range regressions {
		if result := Run(Config{Seed: r.seed}); result.Failed() {
			t.Errorf("again: %s\n%v", r.found, result)
		}
	}
}

func TestATraceIsOneJSONObjectALine(t *testing.T) {
	r := Run(Config{Seed: 5, Keep: 1000, SafetyMs: 500})
	var b strings.Builder
	if err := r.WriteTrace(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) < 100 || !strings.HasPrefix(lines[0], `{"vega-sim-trace":1,"seed":5,`) {
		t.Fatalf("%d lines, the first is %s", len(lines), lines[0])
	}
	last := int64(0)
	for _, line := range lines[1:] {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind == "" || e.At < last {
			t.Fatalf("%s: %v", line, err)
		}
		last = e.At
	}
}

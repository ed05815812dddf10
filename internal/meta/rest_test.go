package meta

import "testing"

// While it waits for a node that is down, the controller changes nothing, whatever it
// would rather have: a preferred leader that changes with every look keeps everybody busy.
func TestTheControllerIsAtRestWhileItWaits(t *testing.T) {
	for nodes := 3; nodes <= 6; nodes++ {
		for down := range nodes {
			s := growInOneZone(t, nodes, 24, 3)
			s.graceMs = 600_000
			s.up[nodeID(down)] = false
			s.run(20)
			s.joinNext()
			s.run(50)
			epoch := s.Epoch
			s.run(50)
			if s.Epoch != epoch {
				t.Errorf("node %d of %d is down and one more has joined: %d changes in 50 looks", down, nodes, s.Epoch-epoch)
			}
			s.up[nodeID(down)] = true
			s.settled()
		}
	}
}

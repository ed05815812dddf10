package meta

import (
	"slices"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// Move is a partition on its way to its target, for people.
type Move struct {
	Partition int         `json:"partition"`
	From      ring.NodeID `json:"from"` // who gives up its replica; zero: nobody
	To        ring.NodeID `json:"to"`   // who gets one; zero: nobody
	Step      Step        `json:"step"`
}

// Step says how far a Move is.
type Step string

// The steps, in their order.
const (
	Adding   Step = "adding"   // the new replica is about to become a learner
	Copying  Step = "copying"  // the learner is catching up
	Removing Step = "removing" // the old replica is about to go
)

// Moves lists the partitions that are not where they should be, ascending. A partition whose target takes back a
// move may be listed with nobody on either side: it is about to drop a learner.
func Moves(s *State) []Move {
	var moves []Move
	for i := range s.Placements {
		pl := &s.Placements[i]
		if pl.Settled() {
			continue
		}
		m := Move{Partition: i, Step: Removing}
		for _, r := range pl.Target {
			if slices.Contains(pl.Actual, r) {
				continue
			}
			m.To, m.Step = r.Node, Adding
			if find(pl.Actual, r.Node, r.ID) >= 0 {
				m.Step = Copying
			}
		}
		for _, r := range pl.Actual {
			if r.Role == Voter && find(pl.Target, r.Node, r.ID) < 0 {
				m.From = r.Node
			}
		}
		moves = append(moves, m)
	}
	return moves
}

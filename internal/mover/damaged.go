package mover

import "github.com/prakashpandey/vegadb/internal/replica"

// damaged returns a replica whose node says that damage has put it out of action, if the group can do without it; 0: there is
// none. It does not vote or acknowledge, so nothing is lost by removing it before there is another: as many of the
// others as were needed to commit are needed afterwards, or fewer. And it has to be removed first, because its node gives
// nothing up of it before the group has: until then whoever finds its files in another place can bring it back.
//
// A group of which most voters are damaged or away has no leader that could change it, and nobody is removed.
func damaged(st *replica.Status, v *View) uint64 {
	if v.Damaged == nil || st.Group == 0 {
		return 0
	}
	live := map[uint64]bool{st.Replica: true}
	v.Progress(st.Group, func(p replica.Progress) { live[p.ID] = p.Active })
	voters, fit, found := 0, 0, uint64(0)
	for _, r := range st.Conf.Replicas() {
		broken := r.ID != st.Replica && v.Damaged(st.Group, r)
		if broken && found == 0 {
			found = r.ID
		}
		if r.Role == replica.Voter {
			voters++
			if live[r.ID] && !broken {
				fit++
			}
		}
	}
	if 2*fit <= voters {
		return 0
	}
	return found
}

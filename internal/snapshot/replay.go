package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Replay proves, while the log is read, that each group's snapshot and log make
// one history without a gap. It is not safe for concurrent use.
type Replay struct {
	groups map[uint32]*replayGroup
}

type replayGroup struct {
	snapshot  uint64 // index of the snapshot that was loaded
	path      string
	mustReach uint64
	at        uint64 // index the state has reached
}

// NewReplay starts from what LoadAll loaded. floors, which may be nil, is by
// group the index up to which the log has been given up for truncation: the
// state must reach it, or what was truncated is missing.
func NewReplay(loaded []Loaded, floors map[uint32]uint64) *Replay {
	r := &Replay{groups: make(map[uint32]*replayGroup, len(loaded))}
	for _, l := range loaded {
		r.groups[l.Group] = &replayGroup{
			snapshot:  l.Meta.Index,
			path:      l.Path,
			at:        l.Meta.Index,
			mustReach: max(l.MustReach, floors[l.Group], l.Meta.Index),
		}
	}
	return r
}

// Next takes the log's next record and says whether it is to be applied: it is
// not if the snapshot holds its effect. The error matches ErrGap.
//
// What the snapshot covers may be there in part: under everysec and never a power
// cut can take the log's tail after a snapshot of that tail was published.
func (r *Replay) Next(group uint32, index uint64) (apply bool, err error) {
	g := r.groups[group]
	switch {
	case g == nil:
		return false, fmt.Errorf("%w: the log has a record of group %d, which this node does not have", ErrGap, group)
	case index == 0 || index <= g.at && g.at > g.snapshot:
		return false, fmt.Errorf("%w: group %d: the log goes from index %d to %d: a part of it is there twice or in the wrong place",
			ErrGap, group, g.at, index)
	case index <= g.snapshot:
		return false, nil
	case index != g.at+1:
		return false, fmt.Errorf("%w: group %d: %s reaches index %d and the log goes on at %d: the records between them are missing; %s",
			ErrGap, group, g.source(), g.at, index, advice)
	}
	g.at = index
	return true, nil
}

// Finish is called after the last record. The error matches ErrGap and names
// every group that has not reached what it is known to have reached before.
func (r *Replay) Finish() error {
	var errs []error
	for _, id := range r.ids() {
		if g := r.groups[id]; g.at < g.mustReach {
			errs = append(errs, fmt.Errorf("%w: group %d: %s and the log reach index %d, but the group had reached at least %d: the newest writes are missing; %s",
				ErrGap, id, g.source(), g.at, g.mustReach, advice))
		}
	}
	return errors.Join(errs...)
}

// Reached is the index up to which group's state has been restored.
func (r *Replay) Reached(group uint32) uint64 {
	if g := r.groups[group]; g != nil {
		return g.at
	}
	return 0
}

const advice = "run 'vega-server check' on the data directory to see what is damaged, or restore a copy of the missing files"

func (g *replayGroup) source() string {
	if g.path == "" {
		return "no snapshot"
	}
	return g.path
}

func (r *Replay) ids() []uint32 {
	ids := make([]uint32, 0, len(r.groups))
	for id := range r.groups {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[uint32])
	return ids
}

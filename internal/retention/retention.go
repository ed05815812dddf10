package retention

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Log is what a Keeper needs of the node's log: *wal.Log.
type Log interface {
	SetFloor(group uint32, index uint64)
	Laggards() []uint32
	Truncatable() bool
	TruncateBefore(pos uint64) (removed int, err error)
	Stats() wal.Stats
}

// Node is what a Keeper needs of the rest of the node.
type Node interface {
	// Groups are the groups that the node may have a replica of, ascending; the meta group is 0.
	Groups() []uint32
	// Idle reports whether a group's newest snapshot says all that the group holds, and nothing is on its way; index is how
	// far that reaches. peers: it is a group with peers, which can give it another.
	Idle(group uint32) (index uint64, peers, idle bool)
	// WriteSnapshot writes a snapshot of a group unless the newest one says it all, and returns its size.
	WriteSnapshot(group uint32) (bytes int64, err error)
	// Snapshots lists the snapshots on disk, as snapshot.List does.
	Snapshots() ([]snapshot.Info, error)
	// SetFloors makes it durable that the log is not needed up to an index, by group.
	SetFloors(map[uint32]uint64) error
	// RecordStates appends anew, and syncs, what must not go with the log's beginning. pos is a place before it: nothing
	// that was appended behind that may go.
	RecordStates() (pos uint64, err error)
	// Shortening keeps snapshots and floors of replicas that are gone from being removed until release is called.
	Shortening() (release func())
	// MoveOn gives an idle group an entry without effect, and a snapshot behind it. ErrStands: not now.
	MoveOn(group uint32) (bytes int64, err error)
	// Progress hears how many groups a round is done with.
	Progress(done, groups int)
}

// ErrStands says that a group takes no entry at present.
var ErrStands = errors.New("the group takes no entry")

// Options say how much is kept.
type Options struct {
	Keep     int   // snapshots of each group
	LogBytes int64 // of growth until a round is due; 0: only when the disk is full, or on request
	// How long it takes until a round is tried again after one has failed, and after as many as are kept have not helped a
	// log that gets no room on the disk.
	RetryMs, CrampedMs int64
}

// Keeper writes a node's snapshots and shortens its log. It is not safe for concurrent use, but for Grown.
type Keeper struct {
	node Node
	log  Log
	o    Options
	// mark is the log's RecordBytes as of the last round that came to its end: what lies behind it is in snapshots. Below
	// zero after a start, by what was replayed.
	mark     atomic.Int64
	schedule schedule
}

// New returns a node's keeper.
func New(node Node, o Options) *Keeper {
	return &Keeper{node: node, o: o, schedule: schedule{left: math.MaxUint64}}
}

// Begin tells the keeper the log, when it has been recovered; replayed is how many bytes of its records no snapshot holds.
// It comes before all else but Grown.
func (k *Keeper) Begin(log Log, replayed int64) {
	k.log = log
	k.mark.Store(-replayed)
}

// Grown is by how much the log has grown since the last round that came to its end, if it has recordBytes now.
func (k *Keeper) Grown(recordBytes int64) int64 { return recordBytes - k.mark.Load() }

// Round writes snapshots of all groups that have changed since their last one, then lets go of the log before them. It
// returns the bytes of snapshots it has written.
func (k *Keeper) Round() (bytes int64, err error) {
	mark := int64(k.log.Stats().RecordBytes)
	idle := k.idle()
	groups := k.node.Groups()
	for i, group := range groups {
		size, err := k.node.WriteSnapshot(group)
		if err != nil {
			return bytes, fmt.Errorf("%s: %w", name(group), err)
		}
		bytes += size
		k.node.Progress(i+1, len(groups))
	}
	if err := k.Truncate(); err != nil {
		return bytes, fmt.Errorf("shorten the log: %w", err)
	}
	size, err := k.unpin(idle)
	if err != nil {
		return bytes, err
	}
	k.mark.Store(mark)
	return bytes + size, nil
}

// name is what a group is called in errors.
func name(group uint32) string {
	if group == 0 {
		return "meta group"
	}
	return fmt.Sprintf("partition %d", group-1)
}

// Truncate lets go of what the snapshots hold: up to where the oldest one that is kept still joins up.
func (k *Keeper) Truncate() error {
	defer k.node.Shortening()()
	infos, err := k.node.Snapshots()
	if err != nil {
		return err
	}
	groups := k.node.Groups()
	floors := make(map[uint32]uint64, len(groups))
	for _, group := range groups {
		if index := snapshot.JoinIndex(infos, group, k.o.Keep); index > 0 {
			floors[group] = index
		}
	}
	if err := k.node.SetFloors(floors); err != nil {
		return err
	}
	for _, group := range groups {
		if index := floors[group]; index > 0 {
			k.log.SetFloor(group, index)
		}
	}
	if !k.log.Truncatable() {
		return nil
	}
	recorded, err := k.node.RecordStates()
	if err != nil {
		return err
	}
	_, err = k.log.TruncateBefore(recorded)
	return err
}

// idle returns the groups whose newest snapshot says it all.
func (k *Keeper) idle() (groups []uint32) {
	for _, group := range k.node.Groups() {
		index, peers, idle := k.node.Idle(group)
		if !idle {
			continue
		}
		groups = append(groups, group)
		if peers && index > 0 {
			k.log.SetFloor(group, index) // should its snapshot prove bad, there are peers to get another from
		}
	}
	return groups
}

// unpin releases the log's oldest segments from groups that are no longer written to. Such a one has fewer snapshots than
// are kept, or older ones than the log could do with, and would pin the log for ever.
//
// It is done only where it lets a segment go: while a group that is written to holds the same segment, the idle ones can
// wait, because the next round brings that one on. Each group is written once a round at most, and a round that finds
// nothing pinned writes nothing.
func (k *Keeper) unpin(idle []uint32) (bytes int64, err error) {
	for {
		pinning := k.log.Laggards()
		busy := slices.ContainsFunc(pinning, func(group uint32) bool { return !slices.Contains(idle, group) })
		if len(pinning) == 0 || busy {
			return bytes, nil
		}
		for _, group := range pinning {
			size, err := k.node.MoveOn(group)
			if errors.Is(err, ErrStands) || errors.Is(err, wal.ErrNoSpace) {
				return bytes, nil // another round will
			}
			if err != nil {
				return bytes, fmt.Errorf("%s: %w", name(group), err)
			}
			bytes += size
			idle = slices.DeleteFunc(idle, func(g uint32) bool { return g == group })
		}
		if err := k.Truncate(); err != nil {
			return bytes, fmt.Errorf("shorten the log: %w", err)
		}
	}
}

package node

import (
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/snapshot"
)

// The log fills the disk until it is truncated, and it is truncated when there are snapshots. So it must leave room
// for them: a log that has taken the last byte could never become shorter again. A file of zeros would keep that room
// against everybody else on the disk, too, but would have to be as large as the data; see docs/decisions/0019.

// images is what is known of the snapshots on disk.
type images struct {
	newest atomic.Int64 // bytes of the newest of each group
	all    atomic.Int64 // bytes of all of them
}

func (i *images) note(infos []snapshot.Info) {
	var newest, all int64
	for at := range infos {
		all += infos[at].Bytes
		if at == 0 || infos[at-1].Group != infos[at].Group {
			newest += infos[at].Bytes
		}
	}
	i.newest.Store(newest)
	i.all.Store(all)
}

// spareBytes is how much of the disk the log must leave free: what it takes until as many snapshots as are kept are
// there of every partition as it is now, for no less lets all of the log before them go. A partition's snapshot is
// written before its oldest one is removed, so there is always something on top. appended is what the log has taken
// since it was opened.
func (n *Node) spareBytes(appended int64) int64 {
	const least = 64 << 10
	// No image is larger than the data in memory, nor than the one before it and all that was written since.
	image := min(n.memory.Used(), n.images.newest.Load()+max(0, n.snapshots.keeper.Grown(appended)))
	return max(0, int64(n.opts.SnapshotKeep)*image-n.images.all.Load()) + image/8 + least
}

// cramped is called when the log gets no room on the disk: a snapshot may let it become shorter. On a goroutine of the
// log's.
func (n *Node) cramped() {
	select {
	case n.snapshots.request <- struct{}{}:
	default: // one is about to begin
	}
}

// isCramped reports whether the log gets no room on the disk.
func (n *Node) isCramped() bool {
	_, _, limited := n.log.Room()
	return limited
}

package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/recovery"
	"github.com/prakashpandey/vegadb/internal/replica"
)

// metaReplica is this node's replica of the meta group: what the cluster has agreed
// on about itself.
//
// An entry of its log is the log time, 8 bytes, and a command as package meta
// encodes it.
type metaReplica struct {
	mu    sync.Mutex
	group *replica.Group // guarded by mu
	state *meta.State    // guarded by mu; nil: nothing has been heard of the cluster yet
	stamp int64          // guarded by mu; log time applied
	// waiting are proposals made here, by request. Guarded by mu.
	waiting map[meta.RequestID]chan meta.Result

	// view is the state as of the last command, for whoever reads it; nil as state is.
	view atomic.Pointer[meta.State]
	// changed is called after each command, without locks held.
	changed func()

	// snapshotting is held while a snapshot is written: the snapshotter's, or one for a laggard.
	snapshotting  sync.Mutex
	snapshotIndex atomic.Uint64
}

// metaStampBytes is the log time in front of a command.
const metaStampBytes = 8

func newMetaReplica() *metaReplica {
	return &metaReplica{
		group: replica.NewGroup(0, replica.State{}), waiting: make(map[meta.RequestID]chan meta.Result), changed: func() {},
	}
}

// snapshotState is what the meta group's snapshot holds: the group's own state, its
// length in front, and the cluster's.
func (m *metaReplica) snapshotState() (replica.State, []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == nil {
		return replica.State{}, nil
	}
	group := m.group.AppendState(nil)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(group)))
	b = append(b, group...)
	state := m.group.State()
	state.Stamp = m.stamp
	return state, append(b, m.state.Encode()...)
}

// restore takes over what snapshotState gave; of an empty one, nothing.
func (m *metaReplica) restore(at replica.State, b []byte) error {
	if at.Index == 0 {
		return nil
	}
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return errors.New("the meta group's state is cut off")
	}
	n := binary.LittleEndian.Uint32(b)
	group, err := replica.RestoreGroup(0, at, b[4:4+n])
	if err != nil {
		return err
	}
	state, err := meta.Decode(b[4+n:])
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.group, m.state, m.stamp = group, state, at.Stamp
	m.view.Store(state.Clone())
	m.mu.Unlock()
	m.snapshotIndex.Store(at.Index)
	m.changed()
	return nil
}

// bootstrap begins the state of a cluster of one. The creation counts as the entry
// at index 1, so that whoever joins gets it as a snapshot.
func (m *metaReplica) bootstrap(state *meta.State, conf *replica.Configuration, now int64) {
	m.mu.Lock()
	m.state, m.stamp = state, now
	m.group = replica.NewGroup(0, replica.State{Term: 1, Index: 1, Stamp: now})
	m.group.SetConfiguration(conf)
	m.view.Store(state.Clone())
	m.mu.Unlock()
	m.changed()
}

// void empties the replica.
func (m *metaReplica) void() {
	m.mu.Lock()
	m.group, m.state = replica.NewGroup(0, replica.State{}), nil
	m.view.Store(nil)
	m.mu.Unlock()
}

// replay applies one entry of the log during recovery.
func (m *metaReplica) replay(e replica.Entry) error {
	err := recovery.Replay(m.group.Configuration(), e, func() error { return m.Apply(e.Index, e.Term, e.Payload, nil) }, m.group.Advance)
	if err != nil {
		return fmt.Errorf("meta group, index %d of its log: written by a newer version? Start that version: %w", e.Index, err)
	}
	return nil
}

// Apply applies a command and tells whoever proposed it here.
func (m *metaReplica) Apply(index, term uint64, entry []byte, _ command.Sink) error {
	if len(entry) < metaStampBytes {
		return fmt.Errorf("an entry of %d bytes", len(entry))
	}
	m.mu.Lock()
	if m.state == nil {
		m.mu.Unlock()
		return errors.New("an entry before any state")
	}
	m.stamp = max(m.stamp, int64(binary.LittleEndian.Uint64(entry)))
	result, err := m.state.Apply(index, m.stamp, entry[metaStampBytes:])
	if err != nil {
		m.mu.Unlock()
		return err
	}
	m.group.Advance(index, term, nil)
	m.view.Store(m.state.Clone())
	if id, _, err := meta.DecodeCommand(entry[metaStampBytes:]); err == nil {
		if w := m.waiting[id]; w != nil {
			delete(m.waiting, id)
			w <- result
		}
	}
	m.mu.Unlock()
	m.changed()
	return nil
}

// Advance notes an entry without a command.
func (m *metaReplica) Advance(index, term uint64, conf *replica.Configuration) {
	m.mu.Lock()
	m.group.Advance(index, term, conf)
	m.mu.Unlock()
	if conf != nil {
		m.changed()
	}
}

// Lease and Fresh are of no use here: everybody reads the state that is applied.
func (m *metaReplica) Lease(int64) {}

// Fresh see Lease.
func (m *metaReplica) Fresh(int64) {}

// Fetch does nothing: there is little to apply.
func (m *metaReplica) Fetch([][]byte) {}

// Refusal is err: proposals learn their outcome from the state.
func (m *metaReplica) Refusal(err error) error { return err }

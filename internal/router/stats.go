package router

import (
	"sync/atomic"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/front"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// stats are the router's counters. Safe for concurrent use.
type stats struct {
	startedAt    time.Time
	accepted     atomic.Uint64
	open         [front.Protocols]atomic.Int64
	closed       [front.CloseReasons]atomic.Uint64
	bytesIn      atomic.Uint64
	bytesOut     atomic.Uint64
	authFailures atomic.Uint64
	inFlight     atomic.Int64 // requests of clients that wait for the cluster
	forwarded    atomic.Uint64
	split        atomic.Uint64
	coalesced    atomic.Uint64
	crossSlot    atomic.Uint64
	failures     [statusCount]atomic.Uint64 // forwards that ended with a status of 16 and above
	commands     []front.Calls              // by Spec.ID
	native       [256]front.Calls           // by operation
}

// statusCount is above every status that wire knows.
const statusCount = 128

func (st *stats) init(now time.Time) {
	st.startedAt = now
	st.commands = make([]front.Calls, command.MaxID()+1)
}

// noteStatus counts a forwarded request that ended badly.
func (st *stats) noteStatus(s wire.Status) {
	if s < wire.InvalidArgument {
		return
	}
	if s >= statusCount {
		s = wire.Internal
	}
	st.failures[s].Add(1)
}

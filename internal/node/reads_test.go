package node

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/ring"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// Between the grant and the look a reader may stand still for as long as it takes others to elect a leader, and to
// begin to replace what is here.
func TestALeaseIsCheckedAfterTheValueIsRead(t *testing.T) {
	conf := replica.Alone(ring.NodeID{1})
	for _, c := range []struct {
		meanwhile string
		happens   func(p *Partition)
		holds     bool
	}{
		{"nothing happens", func(*Partition) {}, true},
		{"the lease ends", func(p *Partition) { p.view.Leased(0) }, false},
		{"leadership is lost and won again", func(p *Partition) { p.view.Changed(&replica.Status{Term: 4, Leads: true, Conf: conf}) }, false},
	} {
		n, p := &Node{worker: &worker{began: time.Now()}}, new(Partition)
		p.mode.Store(modeRaft)
		p.view.Init(n.worker.nowMs, func() bool { return true })
		p.view.Changed(&replica.Status{Term: 3, Leads: true, Conf: conf})
		p.view.Leased(time.Hour.Milliseconds())
		grant, err := n.BeginRead(p, wire.Lease, 0, nil)
		if err != nil || grant.Wait || grant.Level != wire.Lease {
			t.Fatalf("%+v, %v", grant, err)
		}
		c.happens(p)
		if err := n.EndRead(p, grant); err == nil != c.holds {
			t.Errorf("%s: %v", c.meanwhile, err)
		}
	}
}

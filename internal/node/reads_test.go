package node

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// Between the grant and the look a reader may stand still for as long as it takes others to elect a leader, and to
// begin to replace what is here.
func TestALeaseIsCheckedAfterTheValueIsRead(t *testing.T) {
	for _, c := range []struct {
		meanwhile string
		happens   func(p *Partition)
		holds     bool
	}{
		{"nothing happens", func(*Partition) {}, true},
		{"the lease ends", func(p *Partition) { p.leased.Store(0) }, false},
		{"leadership is lost and won again", func(p *Partition) { p.term.Store(4) }, false},
	} {
		n, p := &Node{worker: &worker{began: time.Now()}}, new(Partition)
		p.mode.Store(modeRaft)
		p.leads.Store(true)
		p.term.Store(3)
		p.leased.Store(time.Hour.Milliseconds())
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

package node

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/replica"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// asking is a Waiter that looks at the partition when it is told.
type asking struct {
	n    *Node
	p    *Partition
	told chan uint64
}

func (a *asking) Result(int, *command.Result) {}
func (a *asking) Later() bool                 { return true }
func (a *asking) Done()                       { a.told <- a.n.Applied(a.p) }
func (a *asking) Failed(error)                { a.told <- 0 }

// TestWaitersAreToldWithoutLocks: of a partition that has no peers yet, on a node that has,
// the outcome is known at once.
func TestWaitersAreToldWithoutLocks(t *testing.T) {
	c := startPeers(t, 1, wal.EverySec)
	n := c.nodes[0]
	n.clustered.Store(true)
	for what, submit := range map[string]func(p *Partition, entry []byte, w Waiter) (uint64, error){
		"one": func(p *Partition, entry []byte, w Waiter) (uint64, error) { return n.Submit(p, n.Now(), entry, w) },
		"several": func(p *Partition, entry []byte, w Waiter) (uint64, error) {
			return n.SubmitAll(n.Now(), []Part{{Partition: p, Entry: entry, Sink: w}})
		},
	} {
		p := n.Partition([]byte("k"))
		a := &asking{n, p, make(chan uint64, 1)}
		go func() {
			entry := command.AppendPut(command.Begin(nil), []byte("k"), []byte("v"), command.PutOp{})
			if pos, err := submit(p, entry, a); pos != 0 || err != nil {
				t.Errorf("%s: %d, %v", what, pos, err)
			}
		}()
		select {
		case index := <-a.told:
			if index == 0 {
				t.Errorf("%s: it has failed", what)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: a waiter that asks for what is applied is stuck", what)
			return
		}
	}
}

// TestALeaderLearnsThatFramesWereLost: what it has sent to a node that is gone, it must not
// take for received.
func TestALeaderLearnsThatFramesWereLost(t *testing.T) {
	c := startPeers(t, 3, wal.Always)
	c.settled(3)
	n := c.leader(0)
	for i, other := range c.nodes {
		if other != n {
			c.nodes[i] = nil
			other.Close()
			break
		}
	}
	eventually(t, "the leader finds out what the node that is gone has", func() bool {
		probing := 0
		for _, n := range c.nodes { // whoever leads by now
			if n == nil {
				continue
			}
			n.worker.ask(func() {
				n.worker.host.Progress(groupID(0), func(p replica.Progress) {
					if p.Probing {
						probing++
					}
				})
			})
		}
		return probing == 1
	})
}

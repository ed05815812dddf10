package replica

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/ring"
)

// BenchmarkReplicate is what consensus costs: three hosts that lead a third of the groups each, callers who wait
// for their write before they make the next, disks and a network that take one step each. An op is one write,
// the work of all three hosts included; that of applying it is not.
func BenchmarkReplicate(b *testing.B) {
	for _, callers := range []int{64, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c := newReplicated(b, 64)
			c.settle(b)
			for i := range callers {
				c.callers = append(c.callers, &benchCaller{c: c, group: uint32(i%len(c.leaders)) + 1})
			}
			for _, w := range c.callers {
				w.Done()
			}
			c.writes, c.messages = 0, 0
			steps := 0
			b.ReportAllocs()
			b.ResetTimer()
			for c.writes < b.N {
				c.step(b)
				steps++
			}
			b.ReportMetric(float64(c.messages)/float64(c.writes), "messages/op")
			b.ReportMetric(float64(c.writes)/float64(steps), "writes/step")
		})
	}
}

// replicated are three hosts in one goroutine.
type replicated struct {
	nodes    [3]*replicatedNode
	leaders  []int // by group-1
	callers  []*benchCaller
	ready    []*benchCaller
	writes   int
	messages int
}

type replicatedNode struct {
	host          *Host
	fx            Effects
	batch         uint64 // being synced
	inbox, coming []benchFrame
}

type benchFrame struct {
	from  ring.NodeID
	frame []byte
}

// benchCaller makes one write after another.
type benchCaller struct {
	c     *replicated
	group uint32
}

func (w *benchCaller) Result(int, *command.Result) {}
func (w *benchCaller) Failed(err error)            { panic(err) }
func (w *benchCaller) Done() {
	w.c.writes++
	w.c.ready = append(w.c.ready, w)
}

// benchMachine applies nothing.
type benchMachine struct{}

func (benchMachine) Apply(uint64, uint64, []byte, command.Sink) error { return nil }
func (benchMachine) Fetch([][]byte)                                   {}
func (benchMachine) Advance(uint64, uint64, *Configuration)           {}
func (benchMachine) Lease(int64)                                      {}
func (benchMachine) Fresh(int64)                                      {}
func (benchMachine) Refusal(err error) error                          { return err }

func newReplicated(b *testing.B, groups int) *replicated {
	c := &replicated{leaders: make([]int, groups)}
	conf := &Configuration{}
	for i := range c.nodes {
		conf.Voters = append(conf.Voters, uint64(i+1))
		conf.nodes = append(conf.nodes, place{uint64(i + 1), nodeID(i)})
	}
	for i := range c.nodes {
		n := &replicatedNode{host: NewHost(Options{TickMs: 50, ElectionTicks: 10, HeartbeatTicks: 2, KeepBytes: 256 << 10, TotalKeepBytes: 256 << 20, Seed: 1, Logger: quiet()}, 0)}
		n.host.Now(10_000)
		for g := range groups {
			c.leaders[g] = g % len(c.nodes)
			err := n.host.Add(RaftConfig{Group: uint32(g + 1), Hard: HardState{Replica: uint64(i + 1)}, Conf: conf, Machine: benchMachine{}, StampAt: 8})
			if err != nil {
				b.Fatal(err)
			}
		}
		c.nodes[i] = n
	}
	return c
}

// settle has every group elect the leader it is to have.
func (c *replicated) settle(b *testing.B) {
	for g, leader := range c.leaders {
		if err := c.nodes[leader].host.rafts[uint32(g+1)].rn.Campaign(); err != nil {
			b.Fatal(err)
		}
		c.nodes[leader].host.rafts[uint32(g+1)].mark()
	}
	for range 100 {
		c.step(b)
	}
	for g, leader := range c.leaders {
		if s, _ := c.nodes[leader].host.Status(uint32(g + 1)); !s.Leads {
			b.Fatalf("group %d is not led by node %d", g+1, leader)
		}
	}
}

// step lets every node have a turn: what was sent and written in the last one has arrived and is durable.
func (c *replicated) step(b *testing.B) {
	for _, w := range c.ready {
		entry := make([]byte, 160)
		binary.LittleEndian.PutUint64(entry[8:], 1)
		c.nodes[c.leaders[w.group-1]].host.Propose(w.group, entry, w, false)
	}
	c.ready = c.ready[:0]
	for i, n := range c.nodes {
		if n.batch != 0 {
			n.host.Persisted(n.batch)
			n.batch = 0
		}
		for _, d := range n.inbox {
			err := DecodeMessages(d.frame, func(m *Message) {
				c.messages++
				n.host.Receive(d.from, m)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		n.inbox = n.inbox[:0]
		if err := n.host.Work(&n.fx); err != nil {
			b.Fatal(err)
		}
		n.batch = n.fx.Batch
		for to, frame := range n.fx.Out {
			if len(frame) > 0 {
				peer := c.nodes[to[0]]
				peer.coming = append(peer.coming, benchFrame{nodeID(i), append([]byte(nil), frame...)})
			}
		}
		n.fx.Reset()
	}
	for _, n := range c.nodes {
		n.inbox, n.coming = n.coming, n.inbox
		for _, r := range n.host.order {
			r.compact()
		}
	}
}

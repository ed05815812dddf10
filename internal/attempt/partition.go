package attempt

import "sync/atomic"

// Health is how a node is doing, as far as a client can see.
type Health uint8

const (
	Down   Health = iota // there is no connection to it
	Silent               // it owes replies and has not been heard of for a while
	Well
)

// Partition is what a client knows of who serves one partition. N is a node as the client has it; the functions that tell
// a node's health must not block.
//
// A newer topology replaces the whole; only the leader changes in place, when a node names another one.
type Partition[N any] struct {
	leader   atomic.Pointer[N] // nil: not known
	term     uint64            // in which it leads by the topology; 0: not told
	moved    bool              // leader was changed after the topology came
	replicas []*N              // the leader too
	near     []*N              // those of the client's zone; all if there are none, or no zone
}

// Set makes the partition what a topology says of it. leader is nil and term 0 if it does not say; near may be empty.
func (p *Partition[N]) Set(leader *N, term uint64, replicas, near []*N) {
	p.leader.Store(leader)
	p.term, p.moved = term, false
	if p.replicas, p.near = replicas, near; len(near) == 0 {
		p.near = replicas
	}
}

// KeepNewer keeps the leader of old, which was known before, if the topology that the partition was set to does not know the latest and would
// undo it: topologies come from many nodes, some of which are behind. named says whether the topology names a node at all.
//
// A leader that only a refusal has named, of no term, counts for more than a topology of the term before it was named as long as it is
// well: who named it may have been behind itself, and its leader dead long since.
func (p *Partition[N]) KeepNewer(old *Partition[N], named func(*N) bool, health func(*N) Health) {
	leader := old.leader.Load()
	if leader == nil || !named(leader) || old.term == 0 {
		return
	}
	if p.term < old.term || p.term == old.term && old.moved && health(leader) == Well {
		p.leader.Store(leader)
		p.term, p.moved = old.term, old.moved
	}
}

// Leader is who leads, as far as is known; nil if nobody is.
func (p *Partition[N]) Leader() *N { return p.leader.Load() }

// Moved reports whether the leader was changed after the topology came.
func (p *Partition[N]) Moved() bool { return p.moved }

// Pick returns whom to ask: for a relaxed read, which need not come from the leader, a replica that is well, a near one
// if there is any; otherwise the leader, well or not; and while nobody is known to lead, the replicas in turn. turn
// counts for one request how often that was so. nil: nobody who is known can be asked; any node may know more.
//
// random is asked for one number at most.
func (p *Partition[N]) Pick(relaxed bool, turn *uint32, random func() uint64, health func(*N) Health) *N {
	if !relaxed {
		if n := p.leader.Load(); n != nil {
			return n
		}
	}
	return p.pick(relaxed, turn, random, health)
}

func (p *Partition[N]) pick(relaxed bool, turn *uint32, random func() uint64, health func(*N) Health) *N {
	if relaxed {
		if n := p.Replica(random(), health); n != nil {
			return n
		}
		if n := p.leader.Load(); n != nil {
			return n
		}
	}
	*turn++
	for i := range p.replicas {
		if n := p.replicas[(int(*turn)+i)%len(p.replicas)]; health(n) != Down {
			return n
		}
	}
	return nil
}

// Replica returns one that is well, a near one if there is any; nil if there is none.
func (p *Partition[N]) Replica(random uint64, health func(*N) Health) *N {
	if n := anyWell(p.near, random, health); n != nil {
		return n
	}
	return anyWell(p.replicas, random, health)
}

// anyWell returns one of the nodes that are well; nil if there is none.
func anyWell[N any](nodes []*N, random uint64, health func(*N) Health) *N {
	at := int(below(random, uint64(len(nodes))))
	for i := range nodes {
		if n := nodes[(at+i)%len(nodes)]; n != nil && health(n) == Well {
			return n
		}
	}
	return nil
}

// Any returns a node for what every node can do: one that is well, or, if there is none, any at all. Some of them may be nil.
func Any[N any](nodes []*N, random uint64, health func(*N) Health) *N {
	if n := anyWell(nodes, random, health); n != nil {
		return n
	}
	at := int(below(random, uint64(len(nodes))))
	for i := range nodes {
		if n := nodes[(at+i)%len(nodes)]; n != nil {
			return n
		}
	}
	return nil
}

// Redirect takes up that a node that was asked has named another one as the leader: named, nil if it knows none. It
// reports whether there is somewhere else to go to at once, and whether what is known has changed.
func (p *Partition[N]) Redirect(from, named *N) (elsewhere, changed bool) {
	switch leader := p.leader.Load(); {
	case named == from: // it contradicts itself
		return false, false
	case named == leader:
		return named != nil, false // another request has been told already
	case named == nil && leader != from:
		return leader != nil, false // what is known is better
	}
	p.leader.Store(named)
	p.moved = true
	return named != nil, true
}

// Elsewhere reports whether another node serves the partition than a silent one that a request waits for.
func (p *Partition[N]) Elsewhere(relaxed bool, silent *N, health func(*N) Health) bool {
	if relaxed && p.Replica(0, health) != nil {
		return true
	}
	leader := p.leader.Load()
	return leader != nil && leader != silent && health(leader) != Down
}

package server

import (
	"sync"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// A pipeline's commands are looked at a few at a time before the first of them is
// executed, so that the waits for memory of their lookups overlap: with more data
// than the processor's cache holds, those waits are most of a command's cost.

// aheadCommands are looked at together. More would push one another out of the
// cache's queue of outstanding loads.
const aheadCommands = 16

// aheadFrom is how much data there must be for looking ahead to pay: what the
// cache holds anyway is found without.
const aheadFrom = 4 << 20

// place is where a key lives: its partition and its hash in the partition's table.
type place struct {
	p    *node.Partition
	hash uint64
}

// ahead is the commands that are looked at together.
type ahead struct {
	args     [][]byte
	commands [aheadCommands]aheadCommand
	places   [aheadCommands]place
}

type aheadCommand struct {
	arg0, arg1 int // ahead.args[arg0:arg1]
	end        int // of the command in the input
	spec       *command.Spec
	err        error
}

// aheadPool lends the scratch to sessions while they work.
var aheadPool = sync.Pool{New: func() any { return new(ahead) }}

// worthLookingAhead reports whether the session is in its plain state, in which
// one command after another is executed, and there is data enough.
func (s *Session) worthLookingAhead() bool {
	return s.user != nil && s.waitHead == nil && s.muchData() && s.ready
}

// muchData reports whether there is more data than the processor's cache holds.
func (s *Session) muchData() bool { return s.srv.memory.Used() > aheadFrom }

// placeOf finds where key lives.
func (s *Session) placeOf(key []byte) place {
	p := s.srv.partition(key)
	return place{p, p.Table.Hash(key)}
}

// keyGroup is some keys of a GETBATCH that are looked at together.
type keyGroup struct {
	keys   [aheadCommands][]byte
	places [aheadCommands]place
	n      int
}

// fill takes the next keys and asks for their memory.
func (g *keyGroup) fill(s *Session, keys *wire.Keys) error {
	g.n = 0
	for ; g.n < aheadCommands; g.n++ {
		key, ok, err := keys.Next(&s.srv.limits)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		g.keys[g.n], g.places[g.n] = key, s.placeOf(key)
	}
	if s.muchData() {
		fetch(g.places[:g.n])
	}
	return nil
}

// fetch asks for the memory that lookups at places will read. Some may be empty.
func fetch(places []place) {
	for i := range places {
		if p := places[i].p; p != nil {
			p.Table.PrefetchBucket(places[i].hash)
		}
	}
	for i := range places {
		if p := places[i].p; p != nil {
			p.Table.PrefetchEntry(places[i].hash)
		}
	}
}

// runFramesAhead is runAhead for the native protocol.
func (s *Session) runFramesAhead(data []byte) (took int) {
	if !s.muchData() || !s.ready {
		return 0
	}
	var frames [aheadCommands][]byte
	var ends [aheadCommands]int
	var places [aheadCommands]place
	n := 0
	for off := 0; n < aheadCommands && off < len(data); n++ {
		frame, k, err := wire.ParseFrame(data[off:], s.srv.limits.MaxFrame)
		if err != nil || k == 0 {
			break
		}
		off += k
		frames[n], ends[n], places[n] = frame, off, s.placeOfFrame(frame)
	}
	if n < 2 {
		return 0
	}
	fetch(places[:n])
	for i := range n {
		if s.parked || s.closing || s.tooManyWait() || s.crowded() {
			break
		}
		s.place = places[i]
		s.executeFrame(frames[i])
		s.place = place{}
		took = ends[i]
	}
	return took
}

// placeOfFrame finds where the key of a GET or PUT lives, and nothing for others.
func (s *Session) placeOfFrame(frame []byte) place {
	var req wire.Request
	if req.Decode(frame) != nil {
		return place{}
	}
	switch {
	case req.Op == wire.OpGet:
		return s.placeOf(req.Body)
	case req.Op == wire.OpPut && !s.deferred:
		var put wire.PutBody
		if put.Decode(req.OpFlags, req.Body, &s.srv.limits) == nil {
			return s.placeOf(put.Key)
		}
	}
	return place{}
}

// runAhead executes some commands at the front of data together and returns how
// many bytes they took: 0 when there are not at least two whole ones.
func (s *Session) runAhead(data []byte) (took int) {
	a := aheadPool.Get().(*ahead)
	n := s.parseAhead(a, data)
	if n >= 2 {
		s.fetchAhead(a, n)
		took = s.executeAhead(a, n)
	}
	if n < 2 || took < a.commands[n-1].end {
		s.parser.Reset() // it has seen further than what was executed
	}
	clear(a.args)
	a.args = a.args[:0]
	aheadPool.Put(a)
	return took
}

// parseAhead takes whole commands off the front of data. It stops at an inline
// command, whose parsing rewrites the input, and at whatever is not in order: the
// ordinary way deals with that when it gets there.
func (s *Session) parseAhead(a *ahead, data []byte) (n int) {
	for off := 0; n < aheadCommands && off < len(data) && data[off] == '*'; n++ {
		start := len(a.args)
		args, took, err := s.parser.Next(data[off:], a.args)
		if err != nil || took == 0 || len(args) == start {
			break
		}
		a.args = args
		off += took
		a.commands[n] = aheadCommand{arg0: start, arg1: len(args), end: off}
	}
	return n
}

// fetchAhead asks for the memory that the commands' lookups will read.
func (s *Session) fetchAhead(a *ahead, n int) {
	for i := range a.commands[:n] {
		c := &a.commands[i]
		a.places[i] = place{}
		args := a.args[c.arg0:c.arg1]
		if c.spec, c.err = command.Resolve(args); c.err != nil || c.spec.Kind == command.KindServer {
			continue
		}
		if c.spec.Kind == command.KindWrite && s.deferred {
			continue // applied later, by somebody else
		}
		a.places[i] = s.placeOf(args[c.spec.FirstKey])
	}
	fetch(a.places[:n])
}

// executeAhead executes the commands one after another, as far as the session
// goes on, and returns how many bytes they took.
func (s *Session) executeAhead(a *ahead, n int) (took int) {
	for i := range a.commands[:n] {
		c := &a.commands[i]
		args := a.args[c.arg0:c.arg1]
		took = c.end
		if s.barrier {
			s.hold(args)
			break
		}
		s.place = a.places[i]
		s.executeAs(c.spec, args, c.err)
		s.place = place{}
		if s.parked || s.closing || s.crowded() {
			break
		}
	}
	return took
}

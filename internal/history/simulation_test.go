package history

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// simulation is a store with clients in virtual time: at each turn a client that is drawn begins an operation, has its
// operation take effect, or gets its reply. Everything follows from the seed.
//
// bug names what is wrong with the store. A bug strikes only where it must show in the history, whatever
// operations of unknown outcome might explain; shown counts the strikes.
type simulation struct {
	rng    *rand.Rand
	bug    string
	levels []Level
	silent bool // replies do not tell versions

	now     int64
	index   uint64
	writes  int
	entries map[string][]simEntry // what each key held, in order
	pending map[string]int        // increments called that have not taken effect
	clients []simClient
	h       History
	shown   int
}

// simEntry is what a key held from some moment on.
type simEntry struct {
	present bool
	value   string
	version uint64
	acked   int64 // when its writer had its reply; 0: not yet, or never
}

// simClient does one operation at a time.
type simClient struct {
	op      int // in h; -1: none
	applied bool
	lost    bool // no reply will come
	arrives bool // the request reaches the store
	reply   Reply
	wrote   int               // index of its entry; -1: none
	newest  map[string]uint64 // what its session has seen
	expect  map[string]uint64 // for compare-and-put
}

const (
	simKeys    = 3
	simTurns   = 900
	simClients = 5
	observer   = 90 // number of a client that looks when something has gone wrong
)

func newSimulation(seed uint64, bug string) *simulation {
	s := &simulation{
		rng: rand.New(rand.NewPCG(seed, 7)), bug: bug, levels: []Level{Linearizable},
		entries: map[string][]simEntry{}, pending: map[string]int{},
	}
	for range simClients {
		s.clients = append(s.clients, simClient{op: -1, newest: map[string]uint64{}, expect: map[string]uint64{}})
	}
	return s
}

func (s *simulation) run() History {
	for range simTurns {
		s.turn(s.rng.IntN(simClients))
	}
	for i := range s.clients {
		for s.clients[i].op >= 0 {
			s.turn(i)
		}
	}
	for n := range simKeys {
		s.observe(fmt.Sprint("register-", n))
		s.observe(fmt.Sprint("counter-", n))
	}
	if s.silent {
		for i := range s.h {
			s.h[i].Version = 0
		}
	}
	return s.h
}

// chance is true once in n times.
func (s *simulation) chance(n int) bool { return s.rng.IntN(n) == 0 }

// strikes says whether a bug does its work now, where it would show.
func (s *simulation) strikes(bug string, shows bool) bool {
	if s.bug != bug || !shows || !s.chance(6) {
		return false
	}
	s.shown++
	return true
}

func (s *simulation) turn(i int) {
	s.now++
	switch c := &s.clients[i]; {
	case c.op < 0:
		s.begin(i)
	case !c.applied:
		c.applied = true
		if c.arrives {
			c.reply = s.apply(c, s.h[c.op])
		}
	default:
		s.end(c)
	}
}

func (s *simulation) begin(i int) {
	c := &s.clients[i]
	op := s.draw(c)
	op.Client, op.Call, op.Return, op.Outcome = i, s.now, Open, Unknown
	s.h = append(s.h, op)
	c.op, c.applied, c.wrote, c.arrives = len(s.h)-1, false, -1, true
	if c.lost = op.Kind.Writes() && s.chance(12); c.lost {
		c.arrives = s.chance(2)
	}
	if op.Kind == Increment {
		s.pending[op.Key]++
	}
}

func (s *simulation) end(c *simClient) {
	op := &s.h[c.op]
	c.op = -1
	if c.lost {
		return
	}
	op.Return, op.Reply = s.now, c.reply
	if op.Outcome != OK {
		return
	}
	if c.wrote >= 0 {
		s.entries[op.Key][c.wrote].acked = s.now
	}
	c.newest[op.Key] = max(c.newest[op.Key], op.Version)
	c.expect[op.Key] = op.Version
	if op.Kind == Delete {
		c.expect[op.Key] = 0
	}
	s.lose(c, *op)
}

// lose takes back a write after it was acknowledged.
func (s *simulation) lose(c *simClient, op Op) {
	switch list := s.entries[op.Key]; {
	case c.wrote < 0 && op.Kind == Put: // it was acknowledged without having taken effect
		if s.settled(op.Key, op.Call) {
			s.shown++
			s.observe(op.Key)
		}
	case c.wrote > 0 && c.wrote == len(list)-1:
		before := list[c.wrote-1]
		if s.strikes("lost acknowledged write", before.present && before.acked > 0 && before.acked < op.Call) {
			s.entries[op.Key] = append(list, before)
			s.observe(op.Key)
		}
	}
}

// settled says whether a key holds an entry that was acknowledged before t.
func (s *simulation) settled(key string, t int64) bool {
	e := s.last(key)
	return e.present && e.acked > 0 && e.acked < t
}

// observe adds a read of the newest entry by somebody who is asked at once.
func (s *simulation) observe(key string) {
	s.now += 2
	s.h = append(s.h, Op{Client: observer, Kind: Get, Key: key, Call: s.now - 1, Return: s.now, Reply: show(s.last(key))})
	s.now++
}

func (s *simulation) draw(c *simClient) Op {
	op := Op{Kind: []Kind{Get, Get, Get, Put, Put, Put, Increment, Increment, Delete, CompareAndPut}[s.rng.IntN(10)]}
	if op.Kind == CompareAndPut && s.silent {
		op.Kind = Put
	}
	name := "register"
	if op.Kind == Increment || op.Kind == Get && s.chance(2) {
		name = "counter"
	}
	op.Key = fmt.Sprintf("%s-%d", name, s.rng.IntN(simKeys))
	switch op.Kind {
	case Put:
		op.Value = s.value()
	case CompareAndPut:
		op.Value, op.Expect = s.value(), c.expect[op.Key]
	case Increment:
		op.Delta = 1
	case Get:
		op.Level = s.levels[s.rng.IntN(len(s.levels))]
		if op.Level == Bounded {
			op.MaxAge = 20
		}
	}
	return op
}

func (s *simulation) value() string {
	s.writes++
	return fmt.Sprint("v", s.writes)
}

func (s *simulation) last(key string) simEntry {
	if list := s.entries[key]; len(list) > 0 {
		return list[len(list)-1]
	}
	return simEntry{}
}

func (s *simulation) write(c *simClient, key string, present bool, value string) uint64 {
	s.index++
	version := s.index
	if last := s.last(key); s.strikes("version used twice", last.acked > 0 && !c.lost) {
		version = last.version
	}
	s.entries[key] = append(s.entries[key], simEntry{present, value, version, 0})
	c.wrote = len(s.entries[key]) - 1
	return version
}

func show(e simEntry) Reply {
	if !e.present {
		return Reply{Outcome: OK}
	}
	return Reply{Outcome: OK, Found: true, Got: e.value, Version: e.version}
}

// apply is the store.
func (s *simulation) apply(c *simClient, op Op) Reply {
	switch op.Kind {
	case Put:
		if s.bug == "early acknowledgement" && !c.lost && s.chance(4) {
			s.index++
			return Reply{Outcome: OK, Version: s.index}
		}
		return Reply{Outcome: OK, Version: s.write(c, op.Key, true, op.Value)}
	case Delete:
		if !s.last(op.Key).present {
			return Reply{Outcome: OK}
		}
		return Reply{Outcome: OK, Found: true, Version: s.write(c, op.Key, false, "")}
	case CompareAndPut:
		return s.compareAndPut(c, op)
	case Increment:
		return s.increment(c, op)
	}
	return s.read(c, op)
}

func (s *simulation) compareAndPut(c *simClient, op Op) Reply {
	old := show(s.last(op.Key))
	// That there was no entry, a delete of unknown outcome might explain.
	shows := !c.lost && s.last(op.Key).acked > 0 && op.Expect != 0
	if old.Version != op.Expect && !s.strikes("compare-and-put without the comparison", shows) {
		return Reply{Outcome: OK, Version: old.Version}
	}
	return Reply{Outcome: OK, Found: true, Version: s.write(c, op.Key, true, op.Value)}
}

func (s *simulation) increment(c *simClient, op Op) Reply {
	s.pending[op.Key]--
	n, _ := strconv.ParseInt(s.last(op.Key).value, 10, 64)
	n++
	version := s.write(c, op.Key, true, formatInt(n))
	if s.strikes("double increment", !c.lost && s.pending[op.Key] == 0) {
		n++
		version = s.write(c, op.Key, true, formatInt(n))
	}
	return Reply{Outcome: OK, Sum: n, Version: version}
}

func (s *simulation) read(c *simClient, op Op) Reply {
	call := s.h[c.op].Call
	list := append([]simEntry{{}}, s.entries[op.Key]...)
	must := 0 // the oldest entry that may be shown
	for n, e := range list {
		if s.mustShow(c, op, e, call) {
			must = n
		}
	}
	if old := s.rng.IntN(must + 1); s.strikes("stale read", old < must && list[old].present) {
		return show(list[old])
	}
	if op.Level != Linearizable {
		return show(list[must+s.rng.IntN(len(list)-must)]) // by a replica that lags
	}
	register := op.Key[0] == 'r'
	if s.strikes("read of a refused write", register) {
		return s.phantom(op, Reply{Outcome: Failed}, s.now)
	}
	if s.settled(op.Key, call) && s.strikes("read of a write that is then lost", register) {
		reply := s.phantom(op, Reply{Outcome: Unknown}, Open)
		s.now++
		s.h[c.op].Return, s.h[c.op].Reply = s.now, reply
		s.observe(op.Key)
		c.lost = true // it has had its reply
		return reply
	}
	return show(s.last(op.Key))
}

// mustShow says whether a read may show nothing older than e.
func (s *simulation) mustShow(c *simClient, op Op, e simEntry, call int64) bool {
	switch op.Level {
	case Linearizable:
		return e.acked > 0 && e.acked < call
	case Session:
		return e.version != 0 && e.version <= c.newest[op.Key]
	case Bounded:
		return e.acked > 0 && e.acked <= call-int64(op.MaxAge)
	}
	return false
}

// phantom is a value that was written somewhere, by somebody, and will not be there.
func (s *simulation) phantom(read Op, outcome Reply, end int64) Reply {
	w := Op{Client: observer + 1 + s.writes, Kind: Put, Key: read.Key, Value: s.value(), Call: read.Call, Return: end, Reply: outcome}
	s.h = append(s.h, w)
	s.index++
	return Reply{Outcome: OK, Found: true, Got: w.Value, Version: s.index}
}

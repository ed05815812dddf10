package sim

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/meta"
	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/wal"
)

// Config says what to simulate. The zero value of every field but Seed has a default; Run's result says what was used.
type Config struct {
	Seed       uint64
	Nodes      int // default 3 to 5, by the seed
	Partitions int // default 1 to 4, by the seed
	Clients    int // default 3 to 8, by the seed
	Readers    int // how many of the clients only read, under leases; default none
	Keys       int // registers, and half as many counters; default 1 to 10, by the seed
	// SafetyMs is how long faults come, LivenessMs how long the cluster may take to recover when they have ended.
	// Defaults 8,000 and 15,000, of simulated time.
	SafetyMs, LivenessMs int64
	// Faults are what the world does; nil: drawn from the seed, so that some runs have many kinds and some have few.
	Faults *Faults
	// Membership runs the meta group as well, and with it joins, drains, removals and moves; Replicas, 3 or 5, is how many
	// each partition is to have, and Spares how many nodes may join. Defaults by the seed.
	Membership       bool
	Replicas, Spares int
	// Features are what else there is in the world; nil: drawn from the seed.
	Features *Features
	// Mutant is a bug that is put into the product, to see that it is noticed. It takes a build with the tag mutants.
	Mutant mutant.Bug
	// Keep is how many events of the trace are kept for the report; 0: the last 400.
	Keep int
}

// firstClient is the number below those of clients, as places on the network.
const firstClient = 100

// Sim is one simulated world.
type Sim struct {
	cfg   Config
	now   int64 // true time, µs
	queue queue
	trace trace

	// Streams of random numbers; see stream.
	netRand, diskRand, faultRand, lifeRand *rand.Rand

	net     *network
	nodes   []*node
	clients []*client
	cluster [16]byte
	witness *witness
	rec     *history.Recorder
	recTime int64

	founding  *meta.State // with which the cluster begins; nil without membership
	operator  operator
	backer    *backer // nil without backups
	elsewhere *Result // of the cluster that a backup was restored into, if something is broken there

	faults  *Faults
	calm    bool // the liveness phase: no faults
	placing bool // lost nodes are buried
	over    bool // clients begin nothing new
	failure []string
	figures Figures
	asked   Config // as it came, before defaults
}

// stream returns the random numbers of one part of the world.
func (c *Config) stream(part uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, part)) }

const (
	streamConfig = iota + 1
	streamCrypto
	streamNet
	streamDisk
	streamFaults
	streamLife
	streamClients // and those above it, one for each client

	streamOperator = 1<<32 + iota
	streamFeatures
	streamBacker
	streamRestore
)

// cryptoRand stands in for crypto/rand.Reader.
type cryptoRand struct{ rng *rand.Rand }

func (c cryptoRand) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		v := c.rng.Uint64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return len(b), nil
}

// running: one Run at a time, because of crypto/rand.Reader.
var running sync.Mutex

// Run runs one world from beginning to end.
func Run(cfg Config) *Result {
	running.Lock()
	defer running.Unlock()
	was := crand.Reader
	crand.Reader = cryptoRand{cfg.stream(streamCrypto)}
	defer func() { crand.Reader = was }()
	if cfg.Mutant != mutant.None {
		defer mutant.Switch(cfg.Mutant)()
	}

	s := newSim(cfg)
	defer s.close()
	s.protected(s.live)
	return s.result()
}

// protected turns a panic into a failure of the run.
func (s *Sim) protected(do func()) {
	defer func() {
		if r := recover(); r != nil {
			s.fail("panic: %v\n%s", r, debug.Stack())
		}
	}()
	do()
}

func newSim(cfg Config) *Sim {
	asked, draw := cfg, cfg.stream(streamConfig)
	set := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	// Drawn in any case, so that naming one setting does not change another.
	nodes, partitions, faults := 3+2*(draw.IntN(4)/3), 1+draw.IntN(4), drawFaults(draw)
	clients, keys := 3+draw.IntN(6), 1+draw.IntN(10)
	set(&cfg.Nodes, nodes)
	set(&cfg.Partitions, partitions)
	set(&cfg.Clients, clients)
	set(&cfg.Keys, keys)
	set(&cfg.Keep, 400)
	if cfg.SafetyMs == 0 {
		cfg.SafetyMs = 8000
	}
	if cfg.LivenessMs == 0 {
		cfg.LivenessMs = 15000
	}
	if cfg.Faults == nil {
		cfg.Faults = faults
	}
	if cfg.Features == nil {
		cfg.Features = drawFeatures(cfg.stream(streamFeatures), cfg.Membership)
	}
	if cfg.Features.policy() != wal.Always {
		powered := *cfg.Faults // machines keep their power
		powered.Cuts, powered.DiskFails, powered.Damage = false, false, false
		cfg.Faults = &powered
	}
	s := &Sim{
		asked: asked, cfg: cfg, now: 1_000_000, faults: cfg.Faults, trace: trace{hash: fnvOffset, keep: cfg.Keep},
		netRand: cfg.stream(streamNet), diskRand: cfg.stream(streamDisk),
		faultRand: cfg.stream(streamFaults), lifeRand: cfg.stream(streamLife),
	}
	s.cluster[0], s.cluster[15] = 0xC1, 1
	s.operator.rng = cfg.stream(streamOperator)
	s.net = newNetwork(s)
	s.witness = newWitness(s)
	s.rec = history.NewRecorder(s.recorderTime)
	for i := 1; i <= cfg.Nodes; i++ {
		s.nodes = append(s.nodes, newNode(s, i))
	}
	if cfg.Membership {
		s.foundCluster()
	}
	for g := uint64(1); g <= uint64(cfg.Partitions); g++ { // with what nodes are formatted with
		index := uint64(1)
		if s.founding != nil {
			index = s.founding.Group(g).ActualIndex
		}
		s.witness.models[g].advance(index, 1)
	}
	if cfg.Features.Backups {
		s.backer = newBacker(s)
	}
	for i := 1; i <= cfg.Clients; i++ {
		s.clients = append(s.clients, newClient(s, i))
	}
	return s
}

// fail notes that a promise is broken. The run ends at the next step.
func (s *Sim) fail(format string, args ...any) {
	if len(s.failure) < 10 {
		s.failure = append(s.failure, fmt.Sprintf("at %.3f ms: ", float64(s.now)/float64(milli))+fmt.Sprintf(format, args...))
	}
}

// live is the whole run.
func (s *Sim) live() {
	s.phase("birth")
	for _, n := range s.nodes {
		if !n.unborn {
			n.format()
			n.start()
		}
	}
	s.phase("safety")
	for _, c := range s.clients {
		c.begin()
	}
	s.plague()
	s.operate()
	if s.backer != nil {
		s.backer.goOn()
	}
	if !s.run(s.now+s.cfg.SafetyMs*milli, nil) {
		return
	}

	s.phase("liveness")
	s.heal()
	bound := s.now + s.cfg.LivenessMs*milli
	for _, c := range s.clients {
		c.proven = make(map[int]bool)
	}
	if !s.run(bound, s.serves) {
		if len(s.failure) > 0 {
			return
		}
		s.fail("no progress: %d ms after the last fault %s", s.cfg.LivenessMs, s.stuck())
		return
	}
	if s.cfg.Membership && !s.placement() {
		return
	}
	if !s.backedUp() {
		return
	}
	s.phase("quiet")
	s.over = true
	if !s.run(s.now+s.cfg.LivenessMs*milli, s.settled) {
		if len(s.failure) > 0 {
			return
		}
		s.fail("not settled: %d ms after the clients have stopped %s", s.cfg.LivenessMs, s.unsettled())
		return
	}
	s.phase("last reads")
	s.witness.compare()
	reader := s.clients[0]
	reader.readAll(s.witness.keys())
	if !s.run(s.now+s.cfg.LivenessMs*milli, reader.idle) {
		s.fail("the last reads do not end")
	}
	s.restoredElsewhere()
}

func (s *Sim) phase(name string) { s.tell(Event{Kind: "phase", Text: name}) }

// run lets events happen until a moment, or until done, which is asked every now and then. It reports whether
// that was so; without done, whether nothing has failed.
func (s *Sim) run(until int64, done func() bool) bool {
	const every = 20 * milli
	ask := s.now
	for len(s.failure) == 0 {
		if done != nil && s.now >= ask {
			if done() {
				return true
			}
			ask = s.now + every
		}
		if len(s.queue.events) == 0 || s.queue.events[0].at > until {
			s.now = until
			return done == nil || done()
		}
		e := s.queue.next()
		s.now = e.at
		e.do()
	}
	return false
}

// recorderTime is the clock of the history: true time, made distinct, so that whatever happens first comes first.
func (s *Sim) recorderTime() time.Duration {
	s.recTime = max(s.recTime+1, s.now*1000)
	return time.Duration(s.recTime)
}

// close gives back what the world holds outside the heap.
func (s *Sim) close() {
	if s.backer != nil && s.backer.taking != nil {
		s.backer.taking.end()
	}
	for _, m := range s.witness.models[1:] {
		m.close()
	}
	for _, n := range s.nodes {
		n.drop()
	}
}

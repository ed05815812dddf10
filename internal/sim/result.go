package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/history"
)

// Result is what a run has brought.
type Result struct {
	Config  Config
	Hash    uint64 // of everything that happened
	Events  uint64
	Broken  []string // promises; empty: none
	Verdict history.Verdict
	History history.Report
	Ended   int64 // simulated time, ms

	// What it reached.
	Applied, Elections, Starts, Installed int
	Joined, Removed, Changes              int // of nodes, and of configurations
	Figures                               Figures

	asked     Config
	elsewhere *Result

	events []Event
}

// Failed reports whether a promise was broken. A history that could not be judged is a failure as well.
func (r *Result) Failed() bool { return len(r.Broken) > 0 || r.Verdict != history.Legal }

// String is one line for a run that kept all promises, and everything that helps for one that did not.
func (r *Result) String() string {
	members := ""
	if r.Config.Membership {
		members = fmt.Sprintf(" %d joins, %d removals, %d changes of configurations;", r.Joined, r.Removed, r.Changes)
	}
	line := fmt.Sprintf("seed %d: %d nodes, %d groups, %d events, %d ms; %d entries, %d elections, %d starts, %d snapshots installed;%s %d operations: %d ok, %d unknown, %v; trace %016x",
		r.Config.Seed, r.Config.Nodes, r.Config.Partitions, r.Events, r.Ended, r.Applied, r.Elections, r.Starts, r.Installed, members,
		r.History.Ops, r.History.OK, r.History.Unknown, r.Verdict, r.Hash)
	if !r.Failed() {
		return line
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", line)
	for _, broken := range r.Broken {
		fmt.Fprintf(&b, "BROKEN %s\n", broken)
	}
	if r.Verdict != history.Legal {
		b.WriteString(r.History.String())
	}
	fmt.Fprintf(&b, "faults: %+v\n", *r.Config.Faults)
	b.WriteString(spaceTime(r.events, r.Config.Nodes+r.Config.Spares))
	if r.elsewhere != nil {
		b.WriteString("the cluster that a backup is restored into:\n")
		b.WriteString(spaceTime(r.elsewhere.events, r.elsewhere.Config.Nodes))
	}
	fmt.Fprintf(&b, "replay: %s\n", r.Replay())
	return b.String()
}

func (s *Sim) result() *Result {
	r := &Result{
		Config: s.cfg, Hash: s.trace.hash, Events: s.trace.count, Broken: s.failure, Ended: s.now / milli,
		Applied: s.witness.applied, Elections: s.witness.elections, Installed: s.witness.installed,
		Joined: s.witness.joined, Removed: s.witness.removed, Changes: s.witness.changes,
		events: s.trace.last(s.cfg.Keep), asked: s.asked, elsewhere: s.elsewhere,
	}
	for _, n := range s.nodes {
		r.Starts += n.lives
	}
	r.History = history.Check(s.judged(), history.Options{MinimiseTime: 2 * time.Second, Slack: boundedSlack})
	r.Verdict = r.History.Verdict
	r.Figures = s.tally(r)
	return r
}

// boundedSlack is what the clocks' rates make of the age of a bounded read.
const boundedSlack = 100 * time.Millisecond

// judged is the history with the outcomes that the log tells: a write that nobody got an answer to took effect by
// the time when its entry was applied by who led in its term, or some time later, or never.
func (s *Sim) judged() history.History {
	h := s.rec.History()
	fates := make(map[int]sent)
	for _, c := range s.clients {
		for at, key := range c.fates {
			fates[at] = key
		}
	}
	whole := len(s.failure) == 0 // to its end: nothing is on its way any more
	for i := range h {
		op := &h[i]
		key, ok := fates[i]
		if !ok || op.Outcome != history.Unknown {
			continue
		}
		f := s.witness.writes[key]
		at := f.at
		if at == 0 {
			at = int64(s.recTime)
		}
		switch {
		case f.index != 0 && f.result.Outcome == history.OK:
			op.Reply, op.Return = f.result, max(at, op.Call)
			op.Client = nobody + i // the client was not told: its session promises nothing about this
		case f.index != 0:
			op.Outcome, op.Return = history.Failed, max(at, op.Call)
		case whole:
			op.Outcome, op.Return = history.Failed, int64(s.recTime)
		}
	}
	return h
}

// nobody is above the numbers of all clients.
const nobody = 1_000_000

// serves reports whether every group serves again: a client's write to each has succeeded.
func (s *Sim) serves() bool {
	for g := 1; g <= s.cfg.Partitions; g++ {
		proven := false
		for _, c := range s.clients {
			proven = proven || c.proven[g]
		}
		if !proven && s.used(g) {
			return false
		}
	}
	return true
}

// settled reports whether all is done: nobody waits, and all replicas have applied all there is.
func (s *Sim) settled() bool { return s.unsettled() == "" }

// unsettled says what is not done yet.
func (s *Sim) unsettled() string {
	for _, c := range s.clients {
		if !c.idle() {
			return fmt.Sprintf("client %d still waits", c.place-firstClient)
		}
	}
	for _, g := range s.groups() {
		var last uint64
		for _, n := range s.nodes {
			if n.proc == nil || n.host == nil {
				if !n.away() {
					return fmt.Sprintf("node %d does not run", n.index)
				}
				continue
			}
			if st, ok := n.host.Status(g); ok && st.Leads {
				last = st.Last
			}
		}
		if last == 0 {
			return fmt.Sprintf("group %d has no leader", g)
		}
		for _, n := range s.nodes {
			if n.proc == nil {
				continue
			}
			st, here := n.host.Status(g)
			if !here && s.cfg.Membership {
				continue
			}
			if st.Applied != last || st.Last != last || st.Installing {
				return fmt.Sprintf("group %d: node %d has applied %d of %d (installing: %v)", g, n.index, st.Applied, last, st.Installing)
			}
		}
	}
	return ""
}

// stuck says what does not serve.
func (s *Sim) stuck() string {
	var b strings.Builder
	for g := 1; g <= s.cfg.Partitions; g++ {
		for _, c := range s.clients {
			fmt.Fprintf(&b, "; client %d: group %d written %v", c.place-firstClient, g, c.proven[g])
		}
	}
	for _, n := range s.nodes {
		if n.proc == nil || n.host == nil {
			fmt.Fprintf(&b, "; node %d does not run (lost: %v)", n.index, n.lost)
			continue
		}
		for _, g := range s.groups() {
			st, here := n.host.Status(g)
			if !here {
				continue
			}
			fmt.Fprintf(&b, "; node %d group %d: term %d leader %d commit %d applied %d last %d", n.index, g, st.Term, st.Leader, st.Commit, st.Applied, st.Last)
		}
		if n.waits {
			b.WriteString(" and waits for room in its log")
		}
	}
	return b.String()
}

// used reports whether any key that clients use belongs to the group.
func (s *Sim) used(group int) bool {
	for _, c := range s.clients {
		if c.groups[group] {
			return true
		}
	}
	return false
}

// Forget drops the kept events but for the last: what String shows stays readable.
func (r *Result) Forget() { r.events = r.events[max(0, len(r.events)-400):] }

// Why says in one line what is broken; "" if nothing is.
func (r *Result) Why() string {
	text := ""
	switch {
	case len(r.Broken) > 0:
		text = r.Broken[0]
	case r.Failed():
		text = r.History.String()
		if _, rest, more := strings.Cut(text, "\n"); more {
			text = rest
		}
	}
	line, _, _ := strings.Cut(text, "\n")
	return line
}

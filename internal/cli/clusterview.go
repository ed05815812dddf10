package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prakashpandey/vegadb/internal/wire"
)

// view is a status with what showing it needs to know again and again.
type view struct {
	status *wire.ClusterStatus
	nodes  map[string]*wire.NodeStatus
	short  map[string]string
}

// shortID is how many digits of a node's id are shown at least.
const shortID = 8

func newView(st *wire.ClusterStatus) *view {
	v := &view{status: st, nodes: map[string]*wire.NodeStatus{}, short: map[string]string{}}
	var ids []string
	for i := range st.Nodes {
		v.nodes[st.Nodes[i].ID] = &st.Nodes[i]
		ids = append(ids, st.Nodes[i].ID)
	}
	for _, id := range ids {
		n := min(shortID, len(id))
		for n < len(id) && slices.ContainsFunc(ids, func(other string) bool { return other != id && strings.HasPrefix(other, id[:n]) }) {
			n++
		}
		v.short[id] = id[:n]
	}
	return v
}

// id is the shortest form of a node's id that can be typed.
func (v *view) id(node string) string {
	if s, ok := v.short[node]; ok {
		return s
	}
	return node[:min(shortID, len(node))]
}

// name is id and address, for sentences.
func (v *view) name(node string) string {
	if n := v.nodes[node]; n != nil && n.Addr != "" {
		return v.id(node) + " (" + n.Addr + ")"
	}
	return v.id(node)
}

func (v *view) down(node string) bool {
	n := v.nodes[node]
	return n == nil || n.State == wire.NodeDown || n.State == wire.NodeRemoved
}

// damaged reports whether a node's replica of a partition is damaged and to be replaced.
func (v *view) damaged(partition int, node string) bool {
	n := v.nodes[node]
	return n != nil && slices.Contains(n.Damaged, partition)
}

// members counts the nodes that may hold replicas.
func (v *view) members() int {
	n := 0
	for i := range v.status.Nodes {
		if mayHold(&v.status.Nodes[i]) {
			n++
		}
	}
	return n
}

// mayHold tells that placement wants replicas on the node.
func mayHold(n *wire.NodeStatus) bool {
	return n.State != wire.NodeRemoved && n.State != wire.NodeDraining && !n.Draining
}

// now is the time by the clock that the status was made by: whoever looks at it may
// have another.
func (v *view) now(local time.Time) time.Time {
	if v.status.TimeMs > 0 {
		return time.UnixMilli(v.status.TimeMs)
	}
	return local // of an older version
}

// copies counts the replicas of a partition that count in votes.
type copies struct {
	wanted   int
	voters   int
	majority int
	live     int // voters on nodes that are up
	current  int // of those: with the whole log, or fed by it as it grows
	damaged  int // voters on nodes that are up and have said that they are damaged
}

func (v *view) copies(p *wire.PartitionStatus) copies {
	// The target follows one replica at a time: what is wanted in the end counts.
	c := copies{wanted: max(len(p.Target), min(v.status.Replicas, v.members()))}
	for i := range p.Replicas {
		r := &p.Replicas[i]
		if r.Role == wire.ReplicaLearner {
			continue
		}
		c.voters++
		if v.down(r.Node) {
			continue
		}
		if v.damaged(p.Number, r.Node) {
			c.damaged++
			continue
		}
		c.live++
		if r.State == "" || r.State == "replicate" || p.Commit > 0 && r.Match >= p.Commit {
			c.current++
		}
	}
	c.majority = c.voters/2 + 1
	if c.wanted == 0 {
		c.wanted = c.voters
	}
	return c
}

// partitionState sums a partition up in a few words.
func (v *view) partitionState(p *wire.PartitionStatus) (string, verdict) {
	c := v.copies(p)
	switch {
	case c.live < c.majority:
		return fmt.Sprintf("no majority: %d of %d", c.live, c.voters), unavailable
	case p.Leader == "" || v.down(p.Leader):
		return "no leader", unavailable
	}
	for i := range v.status.Moves {
		if m := &v.status.Moves[i]; m.Partition == p.Number {
			return fmt.Sprintf("%s %.0f %%", m.Step, m.Percent), v.copiesVerdict(c)
		}
	}
	switch {
	case c.damaged > 0:
		return fmt.Sprintf("%d of %d copies, %d damaged", c.live, c.wanted, c.damaged), degraded
	case c.live < c.wanted:
		return fmt.Sprintf("%d of %d copies", c.live, c.wanted), degraded
	case c.current < c.live:
		return "catching up", degraded
	case p.Moving:
		return "waits to move", whole
	}
	return "ok", whole
}

func (v *view) copiesVerdict(c copies) verdict {
	if c.live < c.wanted {
		return degraded
	}
	return whole
}

// slots are those of partition p: slot s belongs to s*n/16384.
func slots(p, n int) string {
	const all = 16384
	from, to := (p*all+n-1)/n, ((p+1)*all+n-1)/n-1
	return fmt.Sprintf("%d–%d", from, to)
}

// summaryText is the head of a status.
func (v *view) summaryText(s style, h health) string {
	st := v.status
	var out strings.Builder
	fmt.Fprintf(&out, "cluster %s at epoch %d is %s\n", s.bold(st.ClusterID[:min(shortID, len(st.ClusterID))]), st.Epoch, h.verdict.paint(s, h.verdict.String()))
	keys, bytes, members := int64(0), int64(0), 0
	for i := range st.Partitions {
		keys += st.Partitions[i].Keys
	}
	for i := range st.Nodes {
		if st.Nodes[i].State != wire.NodeRemoved {
			members++
			bytes += st.Nodes[i].Bytes
		}
	}
	fmt.Fprintf(&out, "  %s, %s, %s wanted of each; %s, %s of memory\n", countOf(members, "node"),
		countOf(len(st.Partitions), "partition"), countOf(max(st.Replicas, 1), "copy"), countOf(int(keys), "key"), byteSize(float64(bytes)))
	leader := "nobody"
	if st.Meta.Leader != "" {
		leader = v.id(st.Meta.Leader)
	}
	voters := make([]string, len(st.Meta.Voters))
	for i, id := range st.Meta.Voters {
		voters[i] = v.id(id)
	}
	fmt.Fprintf(&out, "  meta group led by %s, voters %s\n", leader, strings.Join(voters, " "))
	for _, r := range h.reasons {
		fmt.Fprintf(&out, "  %s %s\n", r.verdict.paint(s, "!"), r.text)
	}
	for _, text := range h.notes {
		fmt.Fprintf(&out, "  %s %s\n", s.cyan("·"), text)
	}
	return out.String()
}

// nodesTable shows every node; columns without news are left out.
func (v *view) nodesTable(out *strings.Builder, s style, width int, now time.Time) {
	columns := []column{
		{head: "node", left: true}, {head: "address", left: true, flexible: true, least: 15},
		{head: "zone", left: true, flexible: true, least: 4}, {head: "state", left: true, flexible: true, least: 8},
		{head: "leads"}, {head: "replicas"}, {head: "keys"}, {head: "memory"}, {head: "lag"},
		{head: "version", left: true, flexible: true, least: 7},
	}
	var rows [][]cell
	zones := false
	for i := range v.status.Nodes {
		n := &v.status.Nodes[i]
		zones = zones || n.Zone != ""
		row := plainCells(v.id(n.ID), orElse(n.Addr, "–"), n.Zone, n.State, thousands(int64(n.Leads)), thousands(int64(n.Replicas)),
			compact(n.Keys), byteSize(float64(n.Bytes)), compact(int64(n.AppliedLag)), n.Version)
		row[0].paint = style.bold
		row[3] = v.nodeState(n, now)
		rows = append(rows, row)
	}
	if !zones {
		columns = slices.Delete(columns, 2, 3)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 2, 3)
		}
	}
	drawTable(out, s, width, columns, rows)
}

func (v *view) nodeState(n *wire.NodeStatus, now time.Time) cell {
	c := cell{text: n.State}
	since := ""
	if n.Since > 0 {
		since = " " + span(max(v.now(now).Sub(time.UnixMilli(n.Since)).Truncate(time.Second), time.Second))
	}
	switch n.State {
	case wire.NodeActive:
		c.paint = style.green
	case wire.NodeDown:
		c.paint, c.text = style.red, c.text+since
		if n.Draining {
			c.text += ", " + emptying(n)
		}
	case wire.NodeDraining:
		c.paint, c.text = style.yellow, emptying(n)+since
	case wire.NodeJoining:
		c.paint, c.text = style.yellow, c.text+since
	case wire.NodeRemoved:
		c.paint = style.dim
	}
	return c
}

// emptying says what a node is being emptied for.
func emptying(n *wire.NodeStatus) string {
	if n.Leaving {
		return "leaving"
	}
	return wire.NodeDraining
}

// partitionsTable shows the partitions that keep wants.
func (v *view) partitionsTable(out *strings.Builder, s style, width int, keep func(*wire.PartitionStatus) bool) (shown int) {
	columns := []column{
		{head: "partition"}, {head: "slots"}, {head: "leader", left: true}, {head: "term"}, {head: "keys"}, {head: "memory"},
		{head: "followers", left: true, flexible: true, least: 9}, {head: "state", left: true},
	}
	var rows [][]cell
	for i := range v.status.Partitions {
		p := &v.status.Partitions[i]
		if !keep(p) {
			continue
		}
		leader := "–"
		if p.Leader != "" {
			leader = v.id(p.Leader)
		}
		row := plainCells(strconv.Itoa(p.Number), slots(p.Number, len(v.status.Partitions)), leader, strconv.FormatUint(p.Term, 10),
			compact(p.Keys), byteSize(float64(p.Bytes)), v.followers(p), "")
		text, state := v.partitionState(p)
		row[7] = cell{text, func(s style, text string) string { return state.paint(s, text) }}
		rows = append(rows, row)
	}
	drawTable(out, s, width, columns, rows)
	return len(rows)
}

// followers lists the replicas but the leader's: + is a learner, ! is on a
// node that is down, or damaged there.
func (v *view) followers(p *wire.PartitionStatus) string {
	var list []string
	for i := range p.Replicas {
		r := &p.Replicas[i]
		if r.Node == p.Leader {
			continue
		}
		mark := ""
		switch {
		case v.down(r.Node), v.damaged(p.Number, r.Node):
			mark = "!"
		case r.Role == wire.ReplicaLearner:
			mark = "+"
		}
		list = append(list, mark+v.id(r.Node))
	}
	return strings.Join(list, " ")
}

// movesTable shows at most most moves.
func (v *view) movesTable(out *strings.Builder, s style, width, most int) {
	moves := v.status.Moves
	columns := []column{
		{head: "partition"}, {head: "from", left: true}, {head: "to", left: true}, {head: "step", left: true, flexible: true, least: 8},
		{head: "", left: true}, {head: "done"}, {head: "moved"}, {head: "rate"}, {head: "left"},
	}
	var rows [][]cell
	for i := range moves[:min(len(moves), most)] {
		m := &moves[i]
		from, to := "–", "–"
		if m.From != "" {
			from = v.id(m.From)
		}
		if m.To != "" {
			to = v.id(m.To)
		}
		left, moved := "–", "–"
		switch {
		case m.SecondsLeft > 0 && m.Percent < 100:
			left = span(time.Duration(m.SecondsLeft) * time.Second)
		case m.SecondsLeft == 0:
			left = "< 1s"
		}
		if m.BytesTotal > 0 {
			moved = byteSize(float64(m.BytesDone)) + " of " + byteSize(float64(m.BytesTotal))
		}
		row := plainCells(strconv.Itoa(m.Partition), from, to, m.Step, shortBar(m.Percent/100), fmt.Sprintf("%.0f %%", m.Percent),
			moved, byteSize(float64(m.BytesPerSecond))+"/s", left)
		row[4].paint = style.cyan
		rows = append(rows, row)
	}
	drawTable(out, s, width, columns, rows)
	if more := len(moves) - most; more > 0 {
		fmt.Fprintf(out, "  … and %s more\n", thousands(int64(more)))
	}
}

// compact writes a count in few characters.
func compact(n int64) string {
	switch {
	case n < 10_000_000:
		return thousands(n)
	case n < 10_000_000_000:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f G", float64(n)/1e9)
}

// shortBar is bar for a table.
func shortBar(share float64) string {
	const width = 8
	full := int(min(max(share, 0), 1) * width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

package admin

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// indexCluster is the cluster's part of the index page.
type indexCluster struct {
	Rows    [][2]string
	Good    bool
	Members []indexMember
	Moves   []indexMove
	More    int // moves that are not shown
}

type indexMember struct {
	Name, Full, Link, Addr, Zone, State, Meta, Leads, Replicas, Heard string
	Self, Good                                                        bool
}

type indexMove struct {
	Partition              int
	From, To, Step, Copied string
}

const movesShown = 20

func indexClusterOf(c *Cluster, id string, now time.Time) *indexCluster {
	d := &indexCluster{Good: c.Partitions.WithoutLeader+c.Partitions.Degraded+c.Partitions.WithoutMajority == 0}
	row := func(name, text string) { d.Rows = append(d.Rows, [2]string{name, text}) }
	row("partitions", partitionsText(&c.Partitions, c.Replicas))
	row("id", id)
	row("meta group", metaText(c, now))
	row("this node", groupsText(&c.Raft))
	row("topology", fmt.Sprintf("epoch %d", c.Epoch))
	if c.MovesPaused {
		row("moves", "paused")
	}
	names := shortNames(c.Members)
	for i := range c.Members {
		m := &c.Members[i]
		d.Members = append(d.Members, indexMember{
			Name: names[m.ID], Full: m.ID, Link: adminLink(m), Addr: m.Addr, Zone: m.Zone, State: m.State, Meta: m.Meta,
			Leads: thousands(uint64(m.Leads)), Replicas: thousands(uint64(m.Replicas)), Heard: heardText(m, now),
			Self: m.Self, Good: m.State == "active",
		})
	}
	for i := range c.Moves[:min(len(c.Moves), movesShown)] {
		m := &c.Moves[i]
		move := indexMove{Partition: m.Partition, From: nameOf(names, m.From), To: nameOf(names, m.To), Step: m.Step}
		if m.TotalBytes > 0 {
			move.Copied = fmt.Sprintf("%s of %s sent from here", humanBytes(m.SentBytes), humanBytes(m.TotalBytes))
		}
		d.Moves = append(d.Moves, move)
	}
	d.More = len(c.Moves) - len(d.Moves)
	return d
}

func partitionsText(p *Partitions, replicas int) string {
	text := fmt.Sprintf("%s, %s of each wanted", thousands(uint64(p.Total)), countOf(uint64(replicas), "copy"))
	var lacking []string
	for _, l := range []struct {
		n    int
		what string
	}{{p.WithoutMajority, "without a majority: they cannot be written"}, {p.WithoutLeader, "without a leader"}, {p.Degraded, "with fewer copies on nodes that are up"}} {
		if l.n > 0 {
			lacking = append(lacking, fmt.Sprintf("%s %s", thousands(uint64(l.n)), l.what))
		}
	}
	if len(lacking) > 0 {
		text += "; " + strings.Join(lacking, ", ")
	}
	return text
}

func metaText(c *Cluster, now time.Time) string {
	switch {
	case c.MetaLeader == "" && c.MetaContact.IsZero():
		return "no leader heard since the start"
	case c.MetaLeader == "":
		return fmt.Sprintf("no leader; one was last heard %s ago", now.Sub(c.MetaContact).Round(time.Second))
	}
	return fmt.Sprintf("led by %s, term %d", shortNames(c.Members)[c.MetaLeader], c.MetaTerm)
}

func groupsText(r *Raft) string {
	text := fmt.Sprintf("leads %d of its %s, the meta group among them; follows in %d", r.Leaders, countOf(uint64(r.Leaders+r.Followers+r.Learners), "group"), r.Followers)
	if r.Learners > 0 {
		text += fmt.Sprintf(", learns in %d", r.Learners)
	}
	if r.Leaderless > 0 {
		text += fmt.Sprintf(", looks for a leader in %d", r.Leaderless)
	}
	if r.Laggards > 0 {
		text += fmt.Sprintf("; %s elsewhere yet to catch up", countOf(uint64(r.Laggards), "replica"))
	}
	return text
}

func heardText(m *Member, now time.Time) string {
	switch {
	case m.Self:
		return "this node"
	case m.LastHeard.IsZero():
		return "never"
	}
	return max(0, now.Sub(m.LastHeard)).Round(time.Second).String() + " ago"
}

// shortNames are node ids cut so short that they still differ.
func shortNames(members []Member) map[string]string {
	names := make(map[string]string, len(members))
	for length := 8; ; length += 8 {
		seen := make(map[string]bool, len(members))
		for i := range members {
			id := members[i].ID
			names[id] = id[:min(length, len(id))]
			seen[names[id]] = true
		}
		if len(seen) == len(members) || length >= 32 {
			return names
		}
	}
}

func nameOf(names map[string]string, id string) string {
	if id == "" {
		return "–"
	}
	if name, ok := names[id]; ok {
		return name
	}
	return id // it is no member any more
}

// adminLink leads to another node's page, if it has one that can be reached from elsewhere.
func adminLink(m *Member) string {
	host, _, err := net.SplitHostPort(m.AdminAddr)
	if ip := net.ParseIP(host); m.Self || err != nil || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return "//" + m.AdminAddr + "/"
}

const indexClusterPart = `
{{define "cluster"}}<h2>Cluster</h2>
<table class="facts">
{{range $i, $r := .Rows}}<tr><th scope="row">{{index $r 0}}</th><td{{if and (eq $i 0) (not $.Good)}} class="bad"{{end}}>{{index $r 1}}</td></tr>
{{end}}</table>
<h3>Members</h3>
<div class="wide"><table>
<tr><th scope="col">node</th><th scope="col">address</th><th scope="col">zone</th><th scope="col">state</th><th scope="col" class="num">leads</th><th scope="col" class="num">replicas</th><th scope="col">meta group</th><th scope="col">heard</th></tr>
{{range .Members}}<tr><td title="{{.Full}}">{{if .Link}}<a href="{{.Link}}"><code>{{.Name}}</code></a>{{else}}<code>{{.Name}}</code>{{end}}</td><td>{{.Addr}}</td><td>{{if .Zone}}{{.Zone}}{{else}}–{{end}}</td><td class="{{if .Good}}good{{else}}bad{{end}}">{{.State}}</td><td class="num">{{.Leads}}</td><td class="num">{{.Replicas}}</td><td>{{if .Meta}}{{.Meta}}{{else}}–{{end}}</td><td>{{.Heard}}</td></tr>
{{end}}</table></div>
{{if .Moves}}<h3>On the move</h3>
<div class="wide"><table>
<tr><th scope="col" class="num">partition</th><th scope="col">from</th><th scope="col">to</th><th scope="col">step</th><th scope="col">copied</th></tr>
{{range .Moves}}<tr><td class="num">{{.Partition}}</td><td><code>{{.From}}</code></td><td><code>{{.To}}</code></td><td>{{.Step}}</td><td>{{.Copied}}</td></tr>
{{end}}</table></div>
{{if .More}}<p>and {{.More}} more</p>{{end}}{{end}}{{end}}
`

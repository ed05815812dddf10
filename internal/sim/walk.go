package sim

import (
	"strconv"

	"github.com/prakashpandey/vegadb/internal/command"
	"github.com/prakashpandey/vegadb/internal/history"
	"github.com/prakashpandey/vegadb/internal/store"
)

// walk is a scan of all partitions, page by page, while everything else goes on. Each entry of a page is what the log says
// at the page's index; a key that was there from a partition's first page to its last comes exactly once, and none twice.
//
// As with client.Scan, a cursor within a partition is good on the node that gave it, for as long as that runs: elsewhere the
// partition is begun anew.
type walk struct {
	group      uint32
	size       int // of a page
	cursor     uint64
	node, life int // whose cursor it is
	restarts   int
	from       uint64 // index of the partition's first page
	seen       map[string]bool
}

// page is what a page brings.
type page struct {
	elsewhere bool // the cursor is another node's
	next      uint64
	life      int
	entries   []entry
}

// entry is one that was shown.
type entry struct {
	key, value string
	version    uint64
	expireAt   int64
}

// maxRestarts is how often a partition is begun anew before the walk is given up, as package client does.
const maxRestarts = 16

// scan asks for the next page of the client's walk, or begins another one.
func (c *client) scan() (history.Op, *extra) {
	if c.own.walk == nil {
		c.own.walk = &walk{group: 1, size: 1 + c.rng.IntN(40), seen: make(map[string]bool)}
	}
	w := c.own.walk
	key := ""
	for i := 0; ; i++ { // a key that leads there
		if key = "scan-" + strconv.Itoa(i); c.s.groupOf(key) == w.group {
			break
		}
	}
	return history.Op{Kind: history.Get, Key: key}, &extra{
		name: "scan page",
		look: w.look,
		check: func(c *client, o *operation, how history.Outcome) {
			if how == history.OK && c.s.witness.reaches(o) {
				w.turns(c, o)
			}
		},
	}
}

// look reads a page, as package server does.
func (w *walk) look(n *node, p *partition, a *reply) {
	if a.page.life = n.lives; w.cursor != 0 && (w.node != n.index || w.life != n.lives) {
		a.page.elsewhere = true
		return
	}
	now := n.clockMs()
	a.page.next = p.table.Scan(w.cursor, w.size, func(e *store.Entry) {
		if !command.Expired(e.ExpireAt, now) {
			a.page.entries = append(a.page.entries, entry{string(e.Key), string(e.Value), e.Version, e.ExpireAt})
		}
	})
}

// turns takes a page, and goes on to the next.
func (w *walk) turns(c *client, o *operation) {
	a, m := &o.got, c.s.witness.models[w.group]
	if a.page.elsewhere {
		w.cursor = 0
		clear(w.seen)
		if w.restarts++; w.restarts > maxRestarts {
			c.own.walk = nil
		}
		return
	}
	if w.cursor == 0 {
		w.from = a.index
	}
	for _, e := range a.page.entries {
		want := m.at(e.key, a.index)
		switch {
		case !want.there || want.value != e.value || want.version != e.version || want.expireAt != e.expireAt || want.gone(m.stamp(a.index)):
			c.s.fail("client %d, a page of group %d at index %d: %+v; by the log it is %+v", c.place-firstClient, w.group, a.index, e, want)
		case w.seen[e.key]:
			c.s.fail("client %d, a page of group %d at index %d: %s comes a second time", c.place-firstClient, w.group, a.index, e.key)
		}
		w.seen[e.key] = true
	}
	if w.cursor, w.node, w.life = a.page.next, o.via.peer.place, a.page.life; w.cursor != 0 {
		return
	}
	for _, key := range m.sorted() {
		if !w.seen[key] && m.throughout(key, w.from, a.index, a.nowMs) {
			c.s.fail("client %d has scanned group %d from index %d to %d and has not met %s, which was there all the time", c.place-firstClient, w.group, w.from, a.index, key)
			return
		}
	}
	w.group++
	w.restarts = 0
	clear(w.seen)
	if int(w.group) > c.s.cfg.Partitions {
		c.own.walk = nil
		count(&c.s.figures.Worlds, "scans completed", 1)
	}
}

// throughout reports whether a key is there from one index to another, for whoever's clock says nowMs or less.
func (m *model) throughout(key string, from, to uint64, nowMs int64) bool {
	for _, c := range m.within(key, from, to) {
		if c.gone(nowMs) {
			return false
		}
	}
	return true
}

//go:build unix

package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func TestAWipedNodeComesBackUnderANewIdentityOnly(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	n := c.Node(3)
	old, err := n.ID()
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, cl, "k", "before")
	n.Kill()
	if err := n.Wipe(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, cl, "k", "meanwhile")
	// It is refused as long as its address is believed to be that of a node that lives.
	err = clustertest.Poll(within(t), func() error { return n.Start(within(t)) })
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := n.ID()
	if err != nil || fresh == old {
		t.Fatalf("it has the identity %s again, whose votes it has forgotten (%v)", fresh, err)
	}
	err = clustertest.Poll(within(t), func() error {
		return c.Command(within(t), wire.AdminRequest{Op: wire.AdminRemove, Node: old, Force: true}, nil)
	})
	if err != nil {
		t.Fatalf("remove what it was before: %v", err)
	}
	if err := c.WaitSettled(within(t)); err != nil {
		t.Error(err)
	}
	follows(t, n, "k", "meanwhile")
}

func TestANodeThatLostItsLogRefusesToStart(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	mustPut(t, cl, "k", "before")
	n := c.Node(3)
	n.Kill()
	if err := os.RemoveAll(filepath.Join(n.DataDir(), "log")); err != nil {
		t.Fatal(err)
	}
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	if err := n.ExpectEnd(within(t)); err != nil {
		t.Error(err)
	}
	t.Log(n.Log(1))
	mustPut(t, cl, "k", "after")
}

func TestARemovedNodeThatReturnsDisturbsNothing(t *testing.T) {
	t.Parallel()
	options := three
	options.Nodes = 4
	c := clustertest.Start(t, options)
	cl := c.Client(t)
	n := c.Node(4)
	for _, err := range []error{c.Drain(within(t), n), c.Remove(within(t), n, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	n.Kill()
	before, _ := terms(t, c)
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		mustPut(t, cl, "k", "while it is back")
		elapse(t, 200*time.Millisecond)
	}
	after, _ := terms(t, c)
	for p := range before {
		if after[p] != before[p] {
			t.Errorf("partition %d: the term went from %d to %d", p, before[p], after[p])
		}
	}
	s, err := c.Status(within(t))
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.ID()
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range s.Nodes {
		if member.ID == id && member.State != wire.NodeRemoved {
			t.Errorf("it is a member again: %s", member.State)
		}
	}
	n.Kill() // it may have ended by itself as well
}

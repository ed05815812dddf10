//go:build unix

package faultfs

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// Action is what a rule does to an operation.
type Action string

// The actions.
const (
	Fail  Action = "fail"  // it is not carried out and returns Rule.Errno
	Stall Action = "stall" // it waits until other orders come, and is then carried out
	Delay Action = "delay" // it waits for Rule.DelayMs, and is then carried out
	Kill  Action = "kill"  // the process ends as by SIGKILL
)

// Rule says which operations are struck, and how. Of several rules that match, each counts the operation, and the first
// that strikes does.
type Rule struct {
	Kinds   []vfs.Kind    // empty: all that change what a power cut leaves
	Path    string        // pattern (path.Match) of the path within the data directory, of a rename its new name; empty: any
	Skip    int64         // operations that match and pass before the first that is struck
	Count   int64         // how many are struck; 0: all further ones
	Action  Action        //
	Errno   syscall.Errno // of Fail
	DelayMs int64         // of Delay
	// After strikes when the operation has been carried out, and before its caller learns of it: of Sync, SyncDir and Rename,
	// with Kill.
	After bool
}

func (r *Rule) matches(op vfs.Op, within string, after bool) bool {
	if r.After != after || len(r.Kinds) == 0 && !op.Kind.Changes() || len(r.Kinds) > 0 && !slices.Contains(r.Kinds, op.Kind) {
		return false
	}
	if r.Path == "" {
		return true
	}
	ok, err := path.Match(r.Path, within)
	return ok && err == nil
}

// Orders are what a server is to do from now on.
type Orders struct {
	Rules   []Rule
	ClockMs int64 // how far the wall clock is off
}

// Report says what has come of the orders.
type Report struct {
	Ops     int64   // operations since the process began that change what a power cut leaves
	Struck  []int64 // by rule of the present orders
	Waiting int64   // operations that stall
}

// rules are the orders in force. Its hooks are called by every operation of the file system.
type rules struct {
	root string
	kill func()

	mu      sync.Mutex
	orders  Orders        // guarded by mu
	seen    []int64       // by rule; guarded by mu
	struck  []int64       // by rule; guarded by mu
	changed chan struct{} // closed when other orders come; guarded by mu
	ops     int64         // guarded by mu
	waiting int64         // guarded by mu
}

func newRules(root string) *rules {
	return &rules{root: root, kill: killSelf, changed: make(chan struct{})}
}

// killSelf ends the process without giving anything a chance to finish.
func killSelf() {
	syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}

func (r *rules) set(o Orders) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders, r.seen, r.struck = o, make([]int64, len(o.Rules)), make([]int64, len(o.Rules))
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *rules) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{Ops: r.ops, Struck: slices.Clone(r.struck), Waiting: r.waiting}
}

// clockOff is how far the wall clock is off.
func (r *rules) clockOff() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.orders.ClockMs) * time.Millisecond
}

// before is told of an operation that is about to happen.
func (r *rules) before(op vfs.Op) error { return r.strike(op, false) }

// after is told of an operation that has happened.
func (r *rules) after(op vfs.Op) { r.strike(op, true) }

func (r *rules) strike(op vfs.Op, after bool) error {
	within, ok := inside(r.root, op.Name)
	if op.Kind == vfs.OpRename {
		within, ok = inside(r.root, op.To)
	}
	if !ok {
		return nil
	}
	rule, changed := r.find(op, filepath.ToSlash(within), after)
	switch rule.Action {
	case Fail:
		return fmt.Errorf("%s %s: %w (by order of a test)", op.Kind, op.Name, rule.Errno)
	case Stall:
		<-changed
		r.mu.Lock()
		r.waiting--
		r.mu.Unlock()
	case Delay:
		time.Sleep(time.Duration(rule.DelayMs) * time.Millisecond)
	case Kill:
		r.kill()
	}
	return nil
}

// find counts an operation and returns the rule that strikes it, or one without an action.
func (r *rules) find(op vfs.Op, within string, after bool) (found Rule, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if op.Kind.Changes() && !after {
		r.ops++
	}
	for i := range r.orders.Rules {
		rule := &r.orders.Rules[i]
		if !rule.matches(op, within, after) {
			continue
		}
		r.seen[i]++
		if nth := r.seen[i] - rule.Skip; nth >= 1 && (rule.Count == 0 || nth <= rule.Count) && found.Action == "" {
			found = *rule
			r.struck[i]++
		}
	}
	if found.Action == Stall {
		r.waiting++
	}
	return found, r.changed
}

// inside returns a name's path relative to root, if it lies there.
func inside(root, name string) (string, bool) {
	within, err := filepath.Rel(root, name)
	if err != nil || !filepath.IsLocal(within) {
		return "", false
	}
	return within, true
}

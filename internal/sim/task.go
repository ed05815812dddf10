package sim

import (
	"context"
	"iter"
	"runtime/debug"
)

// task is what is a goroutine in package node, as a coroutine: it runs until it waits, and the world goes on meanwhile. Who
// runs next is decided by the queue of events alone.
type task struct {
	n     *node
	next  func() (us int64, running bool)
	stop  func()
	yield func(us int64) bool
}

// parked is what a task waits for when somebody else is to resume it.
const parked = -1

// unwound is what a task panics with when its process is gone: nothing of it runs any more.
type unwound struct{}

// broken is a panic of a task, with where it happened.
type broken struct {
	what  any
	stack []byte
}

// task returns one that has yet to be resumed for the first time. It ends with the process at the latest.
func (n *node) task(body func(t *task)) *task {
	t := &task{n: n}
	t.next, t.stop = iter.Pull(func(yield func(us int64) bool) {
		defer func() {
			switch r := recover().(type) {
			case nil, unwound:
			case powerCut, processEnd:
				panic(r)
			default:
				panic(broken{r, debug.Stack()})
			}
		}()
		t.yield = yield
		body(t)
	})
	n.tasks = append(n.tasks, t)
	return t
}

// resume lets the task run until it waits again.
func (t *task) resume() {
	if us, running := t.next(); running && us != parked {
		t.n.later(us, t.resume)
	}
}

// sleep lets time pass.
func (t *task) sleep(us int64) {
	if !t.yield(us) {
		panic(unwound{})
	}
}

// park waits for somebody to resume the task.
func (t *task) park() { t.sleep(parked) }

// ask has the worker do something in its next turn, and waits for that.
func (t *task) ask(f func()) {
	t.n.do(func() {
		f()
		t.n.later(0, t.resume)
	})
	t.park()
}

// sync waits until everything that has been appended to the log is durable.
func (t *task) sync(context.Context) error {
	n := t.n
	for pos := n.log.AppendedPos(); n.log.DurablePos() < pos; {
		n.writeLog()
		t.sleep(200 + int64(n.s.diskRand.IntN(1000)))
	}
	return nil
}

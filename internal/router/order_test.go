package router

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the keys and the order of the answers: two tasks with a key in common are
// never out at once, those of one key go in the order of their arrival, and all go.
func TestRequestsThatShareAKeyGoOneAfterTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o order
		var running []*task
		sent := map[uint64][]int{} // numbers of the tasks sent, by key
		number := map[*task]int{}
		send := func(task *task) {
			for _, other := range running {
				for _, key := range task.keys {
					if slices.Contains(other.keys, key) {
						t.Fatalf("task %d is sent while %d with the same key is out", number[task], number[other])
					}
				}
			}
			running = append(running, task)
			for _, key := range slices.Compact(slices.Sorted(slices.Values(task.keys))) {
				sent[key] = append(sent[key], number[task])
			}
		}
		answer := func(i int) {
			done := running[i]
			running = slices.Delete(running, i, i+1)
			for _, next := range o.remove(done, nil) {
				send(next)
			}
		}
		added := 0
		steps := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 60).Draw(t, "steps")
		for _, step := range steps {
			if step == 0 && len(running) > 0 {
				answer(rapid.IntRange(0, len(running)-1).Draw(t, "answered"))
				continue
			}
			next := &task{keys: rapid.SliceOfN(rapid.Uint64Range(1, 5), 1, 4).Draw(t, "keys")}
			number[next] = added
			added++
			if o.add(next) {
				send(next)
			}
		}
		for len(running) > 0 {
			answer(rapid.IntRange(0, len(running)-1).Draw(t, "answered"))
		}
		all := map[int]bool{}
		for key, numbers := range sent {
			if !slices.IsSorted(numbers) {
				t.Fatalf("requests for key %d went in the order %v", key, numbers)
			}
			for _, n := range numbers {
				all[n] = true
			}
		}
		if len(all) != added {
			t.Fatalf("%d of %d requests were sent", len(all), added)
		}
		if len(o.last) != 0 {
			t.Fatalf("%d keys are remembered though nothing is out", len(o.last))
		}
	})
}

func TestOnlyAWaitingRequestOfOneKeyTakesOthersIn(t *testing.T) {
	var o order
	first, part, second, both := &task{keys: []uint64{1}}, &task{keys: []uint64{1}}, &task{keys: []uint64{1}}, &task{keys: []uint64{1, 2}}
	first.canMerge, second.canMerge, both.canMerge = true, true, true
	o.add(first)
	if o.waiting(1) != nil {
		t.Error("a request that was sent may have been answered by now")
	}
	o.add(part)
	if o.waiting(1) != nil {
		t.Error("a part of a cut command was offered")
	}
	o.add(second)
	if o.waiting(1) != second {
		t.Error("the waiting request is not found")
	}
	o.add(both)
	if o.waiting(1) != nil || o.waiting(2) != nil {
		t.Error("a request of two keys was offered")
	}
}

func TestRepliesLeaveInTheOrderOfTheRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q replies
		var waiting []*slot
		var left []byte
		n := rapid.IntRange(1, 40).Draw(t, "replies")
		number := map[*slot]byte{}
		for i := range n {
			s := q.push()
			number[s] = byte(i)
			waiting = append(waiting, s)
			for len(waiting) > 0 && rapid.Bool().Draw(t, "answer") {
				at := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
				s := waiting[at]
				waiting = slices.Delete(waiting, at, at+1)
				s.buf, s.done = []byte{number[s]}, true
				q.pop(func(b []byte) { left = append(left, b...) })
			}
		}
		for _, s := range waiting {
			s.buf, s.done = []byte{number[s]}, true
		}
		q.pop(func(b []byte) { left = append(left, b...) })
		if len(left) != n || !slices.IsSorted(left) || !q.empty() {
			t.Fatalf("left in the order %v of %d", left, n)
		}
	})
}

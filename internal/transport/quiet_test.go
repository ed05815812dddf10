package transport

import (
	"fmt"
	"testing"
	"time"
)

func TestTheLogIsNotFilledByWhatComesAgainAndAgain(t *testing.T) {
	now := time.Unix(0, 0)
	q := quiet{now: func() time.Time { return now }}
	if !q.allow("a") || q.allow("a") || !q.allow("b") {
		t.Error("one line of each kind is allowed, and no second one at once")
	}
	now = now.Add(quietFor)
	if !q.allow("a") {
		t.Error("after a while it is allowed again")
	}
	lines := 0
	for i := range 10 * quietKeys {
		if q.allow(fmt.Sprint("kind ", i)) {
			lines++
		}
	}
	if lines > quietKeys || len(q.last) > quietKeys {
		t.Errorf("%d lines of as many kinds, %d remembered", lines, len(q.last))
	}
	now = now.Add(quietFor)
	if !q.allow("yet another kind") {
		t.Error("the memory of old kinds keeps new ones out")
	}
}

package checker

import (
	"context"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/history"
)

type outcomes []history.Outcome

func (o *outcomes) Do(context.Context, history.Op) history.Reply {
	next := (*o)[0]
	*o = (*o)[1:]
	return history.Reply{Outcome: next}
}

func TestTheLongestSilenceIsBetweenRepliesThatWereOK(t *testing.T) {
	now := time.Duration(0)
	c := newCounting(&outcomes{history.OK, history.Failed, history.Unknown, history.OK}, func() time.Duration { return now })
	for _, at := range []time.Duration{1, 3, 5, 8} {
		now = at * time.Second
		c.Do(t.Context(), history.Op{})
	}
	now = 10 * time.Second
	if got := c.longest(now); got != 7*time.Second {
		t.Errorf("%v, want the 7 s from the first to the fourth", got)
	}
	if got, want := c.tick(), (Tick{Elapsed: now, Counts: Counts{2, 1, 1}, Silent: 2 * time.Second}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

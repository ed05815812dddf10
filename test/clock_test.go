//go:build unix

package test

import (
	"errors"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
	"github.com/prakashpandey/vegadb/internal/faultfs"
	"github.com/prakashpandey/vegadb/internal/history"
)

func TestAClusterWhoseClocksJumpKeepsItsPromises(t *testing.T) {
	t.Parallel()
	options := three
	options.Faulty = true
	scenario{
		options: options, workload: history.Workload{Levels: allLevels},
		faults: []clustertest.Fault{
			clustertest.ClockOff(clustertest.AnyLeader, 500*time.Millisecond, time.Hour),
			clustertest.ClockOff(clustertest.AnyLeader, 500*time.Millisecond, -time.Hour),
			clustertest.ClockOff(clustertest.MetaLeader, 500*time.Millisecond, 10*time.Minute),
		},
		beside: []clustertest.Fault{clustertest.Kill(clustertest.AnyLeader, 100*time.Millisecond)},
		count:  3, calm: 300 * time.Millisecond, atLeast: 50,
	}.run(t)
}

// gone waits until a key has expired and returns how long that took.
func gone(t *testing.T, cl *client.Client, key string) time.Duration {
	t.Helper()
	began := time.Now()
	err := clustertest.Poll(within(t), func() error {
		_, err := cl.Get(within(t), key)
		switch {
		case errors.Is(err, client.ErrNotFound):
			return nil
		case err == nil:
			err = errors.New("it is there")
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return time.Since(began)
}

func TestABuiltServerWhoseClockIsSetBackAndForwardExpiresByItsLog(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Faulty: true})
	n, cl := c.Node(1), c.Client(t)
	const ttl = 500 * time.Millisecond
	put := func(key string, options ...client.Option) {
		t.Helper()
		if _, err := cl.Put(within(t), key, []byte("value"), options...); err != nil {
			t.Fatal(err)
		}
	}
	is := func(when, key string) {
		t.Helper()
		if _, err := cl.Get(within(t), key); err != nil {
			t.Errorf("%s: %s: %v", when, key, err)
		}
	}
	put("for ever")
	put("for two hours", client.WithTTL(2*time.Hour))
	for _, when := range []string{"an hour back", "an hour back, restarted"} {
		c.Event("%s", when)
		if when == "an hour back" {
			n.Order(faultfs.Orders{ClockMs: -time.Hour.Milliseconds()})
		} else if err := n.Restart(within(t)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		put("for a moment", client.WithTTL(ttl))
		gone(t, cl, "for a moment")
		if lived := time.Since(began); lived < ttl {
			t.Errorf("%s: a key that was to live for %v lived for %v", when, ttl, lived)
		}
		is(when, "for ever")
		is(when, "for two hours")
	}
	n.Order(faultfs.Orders{ClockMs: time.Hour.Milliseconds()})
	put("for a moment", client.WithTTL(ttl))
	gone(t, cl, "for a moment")
	is("an hour forward", "for two hours")
	n.Order(faultfs.Orders{ClockMs: 3 * time.Hour.Milliseconds()})
	gone(t, cl, "for two hours")
	is("three hours forward", "for ever")
}

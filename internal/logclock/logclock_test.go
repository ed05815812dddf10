package logclock

import "testing"

func TestTheNodesTimeNeverGoesBackAndCatchesUp(t *testing.T) {
	const ms, hour = int64(1), int64(3_600_000)
	var l Clock
	at := func(wall, mono, want int64) {
		t.Helper()
		if got := l.raise(wall, mono); got != want {
			t.Errorf("wall %d, monotonic %d: %d, want %d", wall, mono, got, want)
		}
	}
	at(10*hour, 0, 10*hour)
	at(10*hour+5, 5, 10*hour+5) // as the wall clock goes
	at(11*hour+6, 6, 11*hour+6) // set forward by an hour: so be it
	at(10*hour+8, 8, 11*hour+7) // back again: on at half speed from where it was
	at(10*hour+hour+6, hour+6, 11*hour+6+hour/2)
	at(12*hour+6, 2*hour+6, 12*hour+6) // two hours later they meet
	at(13*hour, 3*hour, 13*hour)
	at(13*hour+ms, 3*hour, 13*hour+ms) // a drifting pair
	at(12*hour, 3*hour+1, 13*hour+ms)
}

package attempt

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAcknowledgedIsEverythingUpToTheFirstOutstandingWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, last := &Session{}, uint64(0)
		var outstanding []uint64
		first := func() uint64 {
			low := last + 1
			for _, n := range outstanding {
				low = min(low, n)
			}
			return low
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			for range rapid.IntRange(0, 200).Draw(t, "begin") {
				if s.Full() {
					if s.Outstanding() != Window {
						t.Fatalf("full with %d of %d", s.Outstanding(), Window)
					}
					break
				}
				n, acked := s.Number()
				if n != last+1 || acked != first()-1 {
					t.Fatalf("number %d with mark %d after %d, %v outstanding", n, acked, last, outstanding)
				}
				last = n
				outstanding = append(outstanding, n)
			}
			for range rapid.IntRange(0, 220).Draw(t, "end") {
				if len(outstanding) == 0 {
					break
				}
				at := rapid.IntRange(0, len(outstanding)-1).Draw(t, "which")
				if rapid.IntRange(0, 3).Draw(t, "oldest") > 0 {
					at = 0
				}
				n := outstanding[at]
				outstanding = append(outstanding[:at], outstanding[at+1:]...)
				s.Settle(n)
				if s.Acked() != first()-1 {
					t.Fatalf("acknowledged %d with %v outstanding", s.Acked(), outstanding)
				}
			}
		}
	})
}

func TestASessionIsAsOldAsTheServersClockSays(t *testing.T) {
	told := time.Unix(5000, 0)
	now := told.Add(1500 * time.Millisecond)
	for _, c := range []struct {
		clock Clock
		ms    uint64
	}{
		{Clock{Ms: 77_000, At: told}, 78_500},
		{Clock{At: told}, uint64(now.UnixMilli())}, // it did not tell: by our own
	} {
		var s Session
		s.Begin(c.clock, now, 0x0102030405060708)
		if ms := binary.BigEndian.Uint64(s.ID[:]); ms != c.ms || s.ID[8] != 8 || s.ID[15] != 1 || !s.Born.Equal(now) {
			t.Errorf("%+v: %x of %v, want %d ms", c.clock, s.ID, s.Born, c.ms)
		}
	}
	if (Clock{At: told}).Read(now) != 0 {
		t.Error("it did not tell")
	}
}

func TestWritesJoinAndAreRepeatedWellBeforeServersForget(t *testing.T) {
	ages, born := DefaultAges(), time.Unix(5000, 0)
	s := &Session{Born: born}
	const servers = 10 * time.Minute
	if ages.Use > ages.Repeat/2 || ages.Repeat > servers/2 {
		t.Errorf("%+v: no room for clocks that differ", ages)
	}
	for age, want := range map[time.Duration][2]bool{
		0: {true, true}, ages.Use: {true, true}, ages.Use + 1: {false, true}, ages.Repeat - 1: {false, true}, ages.Repeat: {false, false},
	} {
		if got := [2]bool{s.Joins(ages, born.Add(age)), s.repeats(ages, born.Add(age))}; got != want {
			t.Errorf("at %v: joined and repeated: %v, want %v", age, got, want)
		}
	}
}

func TestAClockIsDoubtedWhenAYoungSessionIsRefusedAndTheNewsIsOld(t *testing.T) {
	ages, born := DefaultAges(), time.Unix(5000, 0)
	s := &Session{Born: born}
	for _, c := range []struct {
		name           string
		session, clock time.Duration // ages
		want           bool
	}{
		{"the news is fresh", time.Second, ages.Relearn, false},
		{"the news is old", time.Second, ages.Relearn + 1, true},
		{"the session is old as well", ages.Use + 1, time.Hour, false},
	} {
		now := born.Add(c.session)
		if got := (Clock{At: now.Add(-c.clock)}).Doubted(s, ages, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

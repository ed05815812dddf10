package lender

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// file counts how often it is closed.
type file struct {
	*strings.Reader
	closed int
}

func (f *file) Close() error { f.closed++; return nil }

func image(token uint64) (*Image, *file) {
	f := &file{Reader: strings.NewReader("image")}
	return &Image{Info: Info{Token: token}, File: f}, f
}

var begin = time.Unix(1_000_000, 0)

// add opens an image.
func add(t *testing.T, d *Desk, token uint64, at time.Time) *file {
	t.Helper()
	if err := d.Reserve(2, at); err != nil {
		t.Fatal(err)
	}
	b, f := image(token)
	if err := d.Add(b, nil, at); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatIsIdleForLongestMakesRoomAndWhatIsReadDoesNot(t *testing.T) {
	var d Desk
	first, second := add(t, &d, 1, begin), add(t, &d, 2, begin.Add(time.Second))
	if err := d.Reserve(2, begin.Add(Idle)); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	b := d.Take(1) // being read
	third := add(t, &d, 3, begin.Add(time.Minute))
	if first.closed != 0 || second.closed != 1 || d.Take(2) != nil || d.Len() != 2 {
		t.Errorf("closed %d %d, %d open", first.closed, second.closed, d.Len())
	}
	d.GiveBack(b, begin.Add(time.Minute))
	d.Expire(begin.Add(2 * time.Minute))
	if d.Len() != 2 {
		t.Error("let go too early")
	}
	d.Expire(begin.Add(2*time.Minute + time.Second))
	if d.Len() != 0 || first.closed != 1 || third.closed != 1 {
		t.Errorf("%d open", d.Len())
	}
}

func TestAFileIsClosedOnceAndNotWhileItIsRead(t *testing.T) {
	var d Desk
	f := add(t, &d, 1, begin)
	b := d.Take(1)
	d.End(1)
	if d.End(1); f.closed != 0 || d.Take(1) != nil {
		t.Error("closed while it is read, or found after its end")
	}
	if d.GiveBack(b, begin); f.closed != 1 {
		t.Errorf("closed %d times", f.closed)
	}
	g := add(t, &d, 2, begin)
	d.Close()
	if d.Close(); g.closed != 1 {
		t.Errorf("closed %d times", g.closed)
	}
	if err := d.Reserve(2, begin); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAPlaceIsGivenUpWhenNothingComesOfIt(t *testing.T) {
	var d Desk
	failed := errors.New("no space")
	for range 5 {
		if err := d.Reserve(1, begin); err != nil {
			t.Fatal(err)
		}
		b, f := image(1)
		if err := d.Add(b, failed, begin); err != failed || f.closed != 1 || d.Len() != 0 {
			t.Fatalf("%v, closed %d", err, f.closed)
		}
	}
}

// TestAnImageForABackupIsNotOlderThanItsBeginning: see the invariants.
func TestAnImageForABackupIsNotOlderThanItsBeginning(t *testing.T) {
	for newest := range uint64(5) {
		for applied := uint64(1); applied < 5; applied++ {
			if !Stale(newest, applied) && !Recent(newest, applied) || Recent(newest, applied) && newest < applied {
				t.Errorf("a snapshot at %d is lent when %d is applied", newest, applied)
			}
		}
	}
}

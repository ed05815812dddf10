package wal

import (
	"context"
	"testing"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func TestASteppedLogDoesNothingByItself(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, Always)
	o.Stepped = true
	var told []uint64
	o.OnDurable = func(pos uint64) { told = append(told, pos) }
	l, _ := mustOpen(t, o)
	first, err := l.Append(rec(1, 1, 100))
	if err != nil {
		t.Fatal(err)
	}
	l.Kick()
	if l.DurablePos() != 0 || len(told) > 0 {
		t.Fatal("durable without a step")
	}
	if unsynced, err := l.StepWrite(false); err != nil || !unsynced {
		t.Fatal(unsynced, err)
	}
	second, err := l.Append(rec(1, 2, 100)) // while the disk is at work: the next round's
	if err != nil {
		t.Fatal(err)
	}
	if err := l.StepSync(); err != nil {
		t.Fatal(err)
	}
	if l.DurablePos() != first || len(told) != 1 {
		t.Fatalf("durable up to %d, told %v, want %d", l.DurablePos(), told, first)
	}
	if err := l.Sync(context.Background()); err != nil || l.DurablePos() != second {
		t.Fatal(l.DurablePos(), err)
	}
	for index := uint64(3); l.Stats().Segments < 3; index++ { // fill two
		if _, err := l.Append(rec(2, index, 1000)); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			if more, err = l.StepPrepare(); err != nil {
				t.Fatal(err)
			}
		}
		if index > 100 {
			t.Fatal("no segment is prepared")
		}
	}
	if _, err := l.Append(rec(1, 3, 100)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, got := mustOpen(t, small(fs, Always))
	defer again.Close()
	if want := int(l.Stats().Records); len(got) != want {
		t.Fatalf("%d records are back, want %d", len(got), want)
	}
}

package snapshot

import (
	"context"
	"errors"
	"testing"

	"github.com/prakashpandey/vegadb/internal/store"
)

func TestRebaseMovesTheSameStateToALaterIndex(t *testing.T) {
	fs := newMem(t)
	src := numbered(700)
	src.all[3].ExpireAt, src.all[4].Kind = 5_000_000, 2
	want := append([]store.Entry(nil), src.all...)
	from := write(t, fs, withState(testMeta(1, 700), 200_000), src)
	to := testMeta(1, 900)
	to.Term = 8
	info, err := Rebase(context.Background(), fs, testDir, from.Path, to)
	check(t, err)
	m, got, err := collect(fs, info.Path)
	check(t, err)
	to.Entries, to.State = 700, from.State
	if !equalMeta(m, to) || !equalEntries(got, want) {
		t.Errorf("%+v with %d entries", m, len(got))
	}
}

func TestRebaseOfNothingIsAnEmptySnapshot(t *testing.T) {
	fs := newMem(t)
	info, err := Rebase(context.Background(), fs, testDir, "", testMeta(1, 900))
	check(t, err)
	if m, got, err := collect(fs, info.Path); err != nil || m.Index != 900 || len(got) != 0 {
		t.Errorf("%+v with %d entries, %v", m, len(got), err)
	}
}

func TestRebaseOfABadFilePublishesNothing(t *testing.T) {
	fs := newMem(t)
	from := write(t, fs, testMeta(1, 700), incompressible(700, 1000, 1))
	flip(t, fs, from.Path)
	if _, err := Rebase(context.Background(), fs, testDir, from.Path, testMeta(1, 900)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error is %v", err)
	}
	assertNames(t, fs, FileName(1, 700))
}

package load

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recordingLibrary keeps the keys it was given; its calls take time, and every second write fails.
type recordingLibrary struct {
	mu     sync.Mutex
	keys   map[string]int
	writes int
}

func (l *recordingLibrary) Get(context.Context, string) error {
	time.Sleep(time.Millisecond)
	return nil
}

func (l *recordingLibrary) Set(context.Context, string, string) error {
	time.Sleep(2 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writes++; l.writes%2 == 0 {
		return errFull
	}
	return nil
}

func (l *recordingLibrary) SetBatch(_ context.Context, keys []string, _ string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		l.keys[key]++
	}
	return nil
}

func (l *recordingLibrary) Close() error { return nil }

func TestFillingALibrarySetsEveryKeyOnce(t *testing.T) {
	l := &recordingLibrary{keys: map[string]int{}}
	if err := FillLibrary(t.Context(), l, 5, 1005, "v", 128); err != nil {
		t.Fatal(err)
	}
	for i := uint64(5); i < 1005; i++ {
		if l.keys[Key(i)] != 1 {
			t.Fatalf("key %d was set %d times", i, l.keys[Key(i)])
		}
	}
	if len(l.keys) != 1000 {
		t.Errorf("%d keys were set, want 1000", len(l.keys))
	}
}

func TestPacedCallersGoOnAfterAFailureAndCountIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &recordingLibrary{}
		stop := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(stop) })
		out := PacedCallers{Library: l, Readers: 2, Writers: 1, Every: 10 * time.Millisecond, Keys: 100, Value: "v"}.Run(t.Context(), stop)
		if out.Failed != int64(l.writes/2) || out.Failed < 45 || out.Err == nil {
			t.Errorf("%d of %d writes failed, the first with %v", out.Failed, l.writes, out.Err)
		}
		if n := out.Get.TotalCount(); n < 195 || n > 205 {
			t.Errorf("two readers made %d calls in a second, want 200", n)
		}
		if got := time.Duration(out.Set.Max()).Round(10 * time.Microsecond); got != 2*time.Millisecond {
			t.Errorf("the slowest write took %v, want 2 ms", got)
		}
	})
}

package rows

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryRowAboutAClusterIsNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range slices.Concat(All(), Cluster()) {
		if r.Name == "" || r.Title == "" || r.Run == nil || seen[r.Name] {
			t.Errorf("row %q is incomplete or named twice", r.Name)
		}
		seen[r.Name] = true
	}
	if len(Cluster()) != 6 {
		t.Errorf("%d rows, want the 5 of the plan and the dials", len(Cluster()))
	}
}

func TestEveryPartitionGetsAKeyOfItsOwn(t *testing.T) {
	if got := crc16("123456789"); got != 0x31C3 {
		t.Fatalf("crc16 = %#x, want 0x31c3", got)
	}
	for _, partitions := range []int{1, 3, 64, 1024} {
		keys := keyOfEach(partitions)
		for p, key := range keys {
			// Partition p has the slots s with s × partitions ÷ 16384 = p.
			if slot := int(crc16(key)) % 16384; key == "" || slot*partitions/16384 != p {
				t.Errorf("%d partitions: key %q of slot %d is not of partition %d", partitions, key, slot, p)
			}
		}
	}
}

func TestAnOutageLastsUntilAWriteThatBeganAfterwardsSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKilling([]int{3, 5})
		k.at = time.Now()
		early := time.Now()
		time.Sleep(100 * time.Millisecond)
		w := &partitionWriters{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var times []time.Duration
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			times, err = w.await(ctx, k)
		}()
		synctest.Wait() // the process has ended at 100 ms
		time.Sleep(time.Millisecond)
		k.succeeded(3, early)      // began before that: it may have been answered by the dead
		k.succeeded(4, time.Now()) // of another node
		time.Sleep(time.Second)
		k.succeeded(3, time.Now())
		time.Sleep(time.Second)
		k.succeeded(3, time.Now()) // a second time
		k.succeeded(5, time.Now())
		<-done
		slices.Sort(times)
		if want := []time.Duration{1101 * time.Millisecond, 2101 * time.Millisecond}; err != nil || !slices.Equal(times, want) {
			t.Errorf("times %v, %v; want %v", times, err, want)
		}
	})
}

func TestAnOutageWithoutEndIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if times, err := (&partitionWriters{}).await(ctx, newKilling([]int{1})); err == nil {
			t.Errorf("times %v without an error", times)
		}
	})
}

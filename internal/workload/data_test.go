package workload

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestKeysHaveTheSizeAskedForAndDiffer(t *testing.T) {
	if got := string(appendKey(nil, 42, 16)); got != "user000000000042" {
		t.Fatal(got)
	}
	if got := string(appendKey(nil, 123456, 6)); got != "user123456" {
		t.Fatal(got)
	}
	if keySizeNeeded(1001) != len("user1000") {
		t.Fatal(keySizeNeeded(1001))
	}
}

func TestSizesParse(t *testing.T) {
	for text, want := range map[string]Sizes{"0": {0, 0}, "100": {100, 100}, "64-1024": {64, 1024}} {
		got, err := ParseSizes(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "x", "-1", "5-4", "1-", "99999999999"} {
		if _, err := ParseSizes(bad); err == nil {
			t.Errorf("ParseSizes(%q) succeeded", bad)
		}
	}
}

func TestVerificationNoticesEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := Sizes{checksumBytes, 200}
		v := newValues(sizes, true, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))), newPool(1, sizes))
		key := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key")
		value := bytes.Clone(v.next(key))
		if err := v.check(key, value); err != nil {
			t.Fatal(err)
		}
		if v.check(append(bytes.Clone(key), 'x'), value) == nil {
			t.Fatal("another key's value passed")
		}
		value[rapid.IntRange(0, len(value)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if v.check(key, value) == nil {
			t.Fatal("a changed value passed")
		}
	})
}

func TestRecordsBecomeVisibleInOrder(t *testing.T) {
	r := newRecords(10)
	a, b, c := r.claim(), r.claim(), r.claim()
	r.settle(c)
	r.settle(b)
	if r.visible() != 10 {
		t.Fatalf("visible %d while %d is not settled", r.visible(), a)
	}
	r.settle(a)
	if r.visible() != 13 || len(r.settled) != 0 {
		t.Fatalf("visible %d, %d left over", r.visible(), len(r.settled))
	}
}

func TestReceiptsKeepTheHighestVersion(t *testing.T) {
	var r receipts
	var callers sync.WaitGroup
	for i := range uint64(4) {
		callers.Go(func() {
			for v := range uint64(1000) {
				r.acknowledged(receiptChunk+7, v*4+i)
			}
		})
	}
	callers.Wait()
	if got := r.least(receiptChunk + 7); got != 3999 {
		t.Fatal(got)
	}
	if r.least(3) != 0 || r.least(receiptChunk*receiptChunks) != 0 {
		t.Fatal("a record that nobody wrote has a receipt")
	}
	r.acknowledged(receiptChunk*receiptChunks, 1) // beyond: forgotten, not a crash
}

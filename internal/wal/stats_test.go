package wal

import (
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

func TestTheHistogramPutsDurationsInTheirBuckets(t *testing.T) {
	var h histogram
	for _, us := range []int64{0, 50, 51, 10_000_000, 10_000_001} {
		h.observe(time.Duration(us) * time.Microsecond)
	}
	got := h.read()
	n := len(got.Counts)
	if got.Counts[0] != 2 || got.Counts[1] != 1 || got.Counts[n-2] != 1 || got.Counts[n-1] != 1 || got.Total() != 5 {
		t.Errorf("counts %v", got.Counts)
	}
	if got.SumMicros != 20_000_102 || len(got.BoundsMicros) != n-1 {
		t.Errorf("sum %d, %d bounds for %d buckets", got.SumMicros, len(got.BoundsMicros), n)
	}
	for i := 1; i < len(got.BoundsMicros); i++ {
		if got.BoundsMicros[i] <= got.BoundsMicros[i-1] {
			t.Errorf("bounds do not ascend: %v", got.BoundsMicros)
		}
	}
}

func TestStatsCountWhatHappened(t *testing.T) {
	l, _ := mustOpen(t, small(vfs.NewMem(), Never))
	mustAppend(t, l, rec(1, 1, 100), rec(1, 2, 4))
	s := l.Stats()
	if s.QueueBytes != recordSize(100)+recordSize(4) || s.Records != 2 || s.AppendedPos != 1 || s.DurablePos != 0 {
		t.Errorf("before the sync: %+v", s)
	}
	mustSync(t, l)
	s = l.Stats()
	if s.QueueBytes != 0 || s.DurablePos != 1 || s.Fsyncs != 1 || s.FsyncLatency.Total() != 1 || s.Batches != 1 ||
		s.WrittenBytes != s.RecordBytes+commitBytes || s.DiskBytes < 16<<10 || s.LiveBytes != headerBytes+int64(s.WrittenBytes) {
		t.Errorf("after the sync: %+v", s)
	}
	mustClose(t, l)
}

package vegadb

import (
	"testing"

	"github.com/prakashpandey/vegadb/internal/config"
)

func TestLogRecordsHoldTheLargestValueAndStayWithinTheFormat(t *testing.T) {
	for _, tc := range []struct{ segment, value int64 }{
		{1 << 20, 1 << 10}, {64 << 20, 64 << 20}, {1 << 20, 512 << 20}, {4 << 30, 1 << 20}, {4 << 30, 512 << 20},
	} {
		got := maxRecordBytes(&config.Server{LogSegmentBytes: tc.segment, MaxValueBytes: tc.value})
		if got < tc.value+recordOverhead || got > mostRecordBytes {
			t.Errorf("segments of %d, values of %d: records of %d bytes", tc.segment, tc.value, got)
		}
	}
}

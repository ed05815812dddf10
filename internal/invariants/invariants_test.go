package invariants

import "testing"

func TestCheckPanicsOnlyWhenCompiledIn(t *testing.T) {
	Check(true, "a condition that holds is never reported")
	defer func() {
		if got := recover() != nil; got != Enabled {
			t.Fatalf("a violated invariant panicked: %v, compiled in: %v", got, Enabled)
		}
	}()
	Check(false, "entry %d", 7)
}

func TestCheckAllocatesNothingWhenCompiledOut(t *testing.T) {
	n := 1
	if got := testing.AllocsPerRun(100, func() { Check(n == 1, "n is one") }); got != 0 {
		t.Fatalf("a check that holds allocated %v times", got)
	}
}

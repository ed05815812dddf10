package mutant

import (
	"bytes"
	"os"
	"testing"
)

// behind stands for what is behind a mutant's condition in the product.
//
//go:noinline
func behind(n int) int { return n * n }

//go:noinline
func product(n int) int {
	if On(EarlyAck) {
		return behind(n)
	}
	return n
}

// What nothing calls is not linked: this test's own program shows whether the compiler has removed the call.
func TestNothingBehindAMutantIsInABuildWithoutTheTag(t *testing.T) {
	if got := product(3); got != 3 {
		t.Fatalf("%d: a mutant is on", got)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	function := func(name string) []byte { return append([]byte("internal/mutant."), name...) }
	if !bytes.Contains(program, function("product")) {
		t.Fatal("functions cannot be found in this program by their names")
	}
	if linked := bytes.Contains(program, function("behind")); linked != Enabled {
		t.Errorf("what is behind a mutant is in the program: %v; mutants are compiled in: %v", linked, Enabled)
	}
}

func TestSwitchTurnsOneOnAndPutsBackWhatWas(t *testing.T) {
	if !Enabled {
		defer func() {
			if recover() == nil {
				t.Error("a mutant can be asked for where there are none")
			}
		}()
		Switch(None)()
		Switch(EarlyAck)
		return
	}
	back := Switch(EarlyAck)
	if !On(EarlyAck) || On(SkippedFsync) {
		t.Error("not the one that was asked for")
	}
	if back(); On(EarlyAck) {
		t.Error("still on")
	}
}

func TestEachHasANameOfItsOwn(t *testing.T) {
	for _, b := range All() {
		if got, ok := Named(b.String()); !ok || got != b || b.String() == "" {
			t.Errorf("%d is called %q, which is %d", b, b, got)
		}
	}
	if _, ok := Named("no such mutant"); ok {
		t.Error("a name that nobody has")
	}
}

package proc

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCPUIsUserPlusSystemWhateverTheProgramIsCalled(t *testing.T) {
	stat := "4242 (a (nasty) name) S 1 4242 4242 0 -1 4194560 1180 0 0 0 150 25 7 3 20 0 4 0 1000 1000000 300 18446744073709551615"
	got, err := parseCPU([]byte(stat))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("parseCPU = %v, %v; want 1.75s", got, err)
	}
	for _, bad := range []string{"", "1 no parentheses", "1 (short) S 1 2", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 many 25 0 0"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("parseCPU(%q) must fail", bad)
		}
	}
}

func TestStatusSizesAreBytes(t *testing.T) {
	status := []byte("Name:\tredis-server\nVmPeak:\t  71000 kB\nVmRSS:\t   12345 kB\nThreads:\t5\n")
	if got, err := parseStatus(status, "VmRSS"); err != nil || got != 12345*1024 {
		t.Errorf("VmRSS = %d, %v", got, err)
	}
	if got, err := parseStatus(status, "Threads"); err != nil || got != 5 {
		t.Errorf("Threads = %d, %v", got, err)
	}
	if _, err := parseStatus(status, "VmSwap"); err == nil {
		t.Error("a field that is not there must be an error")
	}
}

func TestALiveProcessIsMeasuredAndEnded(t *testing.T) {
	p, err := Start("sleep", t.TempDir(), "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if rss, err := p.RSS(); err != nil || rss <= 0 {
		t.Errorf("RSS = %d, %v", rss, err)
	}
	if err := p.Stop(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if !p.Exited() {
		t.Error("stopped, but not seen as ended")
	}
	if err := p.Kill(); err != nil {
		t.Errorf("ending an ended process must be harmless: %v", err)
	}
}

func TestAProcessThatIgnoresTheRequestIsKilled(t *testing.T) {
	p, err := Start("stubborn", t.TempDir(), "sh", "-c", `trap "" TERM; echo ready; while :; do sleep 1; done`)
	if err != nil {
		t.Fatal(err)
	}
	ready := func() error {
		if strings.Contains(p.Output(), "ready") {
			return nil
		}
		return errors.New("not yet")
	}
	if err := p.Wait(t.Context(), time.Millisecond, ready); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(20 * time.Millisecond); err == nil || !p.Exited() {
		t.Errorf("err = %v, exited = %v; want it killed and said so", err, p.Exited())
	}
}

func TestWaitingEndsWithTheProcessAndQuotesItsOutput(t *testing.T) {
	p, err := Start("failing", t.TempDir(), "sh", "-c", "echo no such port; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait(context.Background(), time.Millisecond, func() error { return os.ErrNotExist })
	if err == nil || !strings.Contains(err.Error(), "no such port") {
		t.Errorf("err = %v, want the process's own words in it", err)
	}
}

func TestOnlyTheEndOfTheOutputIsKept(t *testing.T) {
	out := &tail{}
	for range 100 {
		if _, err := out.Write([]byte(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = out.Write([]byte("end"))
	if s := out.String(); len(s) != tailBytes || !strings.HasSuffix(s, "xend") {
		t.Errorf("kept %d bytes ending in %q", len(s), s[len(s)-4:])
	}
}

//go:build linux

package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// panicEnv makes TestDies start a server and panic.
const panicEnv = "VEGADB_TEST_PANIC"

func TestDies(t *testing.T) {
	if os.Getenv(panicEnv) == "" {
		t.Skip("for TestAServerDiesWithATestThatPanics only")
	}
	c := Start(t, Options{})
	fmt.Printf("\nserver %d\n", c.Node(1).process.cmd.Process.Pid)
	go panic("the test panics, and nobody cleans up")
	select {}
}

func TestAServerDiesWithATestThatPanics(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestDies$")
	cmd.Env = append(os.Environ(), panicEnv+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for in := bufio.NewScanner(out); pid == 0 && in.Scan(); {
		if number, ok := strings.CutPrefix(in.Text(), "server "); ok {
			pid, _ = strconv.Atoi(number)
		}
	}
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err == nil || pid == 0 {
		t.Fatalf("it did not panic, or had no server: %v, %d\n%s", err, pid, rest)
	}
	if err := Poll(ctx, func() error {
		if alive(pid) {
			return fmt.Errorf("the server, process %d, has survived its test", pid)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestAServerThatEndsByItselfIsNoticed(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	n := c.Node(1)
	if how, ended := n.endedByItself(); ended {
		t.Fatalf("it has not ended: %s", how)
	}
	p := n.process
	p.cmd.Process.Kill() // not by way of the node
	<-p.done
	if _, ended := n.endedByItself(); !ended {
		t.Error("it was not noticed")
	}
	if err := n.Start(t.Context()); err != nil {
		t.Error(err)
	}
}

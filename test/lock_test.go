//go:build unix

package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/clustertest"
)

// holderEnv makes this test's program a lock holder: the addresses of the cluster.
const holderEnv = "VEGADB_TEST_LOCK_HOLDER"

// lease is how long the lock is held without being renewed.
const lease = 400 * time.Millisecond

// holdLockIfAsked is the lock holder, a process of its own. It takes the lock, remembers the version of what the lock
// guards, and writes that when it is told to, as somebody who believes to hold the lock still.
func holdLockIfAsked() {
	addresses := os.Getenv(holderEnv)
	if addresses == "" {
		return
	}
	err := holdLock(strings.Split(addresses, ","))
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func holdLock(addresses []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cl, err := client.Open(ctx, client.Options{Addresses: addresses, Timeout: patience})
	if err != nil {
		return err
	}
	defer cl.Close()
	fence, err := cl.CompareAndPut(ctx, "lock", 0, []byte("first"), client.WithTTL(lease))
	if err != nil {
		return err
	}
	guarded, err := cl.GetEntry(ctx, "guarded")
	if err != nil {
		return err
	}
	fmt.Println("locked")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	_, err = cl.CompareAndPut(ctx, "lock", fence, []byte("first"), client.WithTTL(lease))
	fmt.Println("renewed:", verdict(err))
	_, err = cl.CompareAndPut(ctx, "guarded", guarded.Version, []byte("by the first"))
	fmt.Println("written:", verdict(err))
	return nil
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, client.ErrVersionMismatch):
		return "refused"
	}
	return err.Error()
}

// stop stops a child, and returns when it has come to a stop.
func stop(t *testing.T, child *os.Process) {
	t.Helper()
	if err := child.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := clustertest.Poll(within(t), func() error {
		var now syscall.WaitStatus
		if _, err := syscall.Wait4(child.Pid, &now, syscall.WUNTRACED|syscall.WNOHANG, nil); err != nil {
			return clustertest.Stop(err)
		}
		if !now.Stopped() {
			return errors.New("it goes on after SIGSTOP")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A lock is an entry with a time to live; whoever writes what it guards names the version seen under the lock. The holder is
// stopped past its lease, another takes the lock and writes, and the first goes on where it was.
func TestALockHolderPausedPastItsLeaseIsRefused(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, three)
	cl := c.Client(t)
	mustPut(t, cl, "guarded", "by nobody")
	var addresses []string
	for _, n := range c.Nodes() {
		addresses = append(addresses, n.Addr)
	}
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	holder.Env = append(os.Environ(), holderEnv+"="+strings.Join(addresses, ","))
	orders, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	says := bufio.NewReader(out)
	if line, err := says.ReadString('\n'); line != "locked\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	stop(t, holder.Process)
	c.Event("the holder is stopped")
	if _, err := io.WriteString(orders, "write\n"); err != nil {
		t.Fatal(err)
	}
	err = clustertest.Poll(within(t), func() error { // until the lease is over
		_, err := cl.CompareAndPut(within(t), "lock", 0, []byte("second"), client.WithTTL(2*patience))
		return err
	})
	if err != nil {
		t.Fatalf("the lease does not end: %v", err)
	}
	c.Event("the lock is taken")
	mustPut(t, cl, "guarded", "by the second")
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(says)
	if err := errors.Join(err, holder.Wait()); err != nil || string(rest) != "renewed: refused\nwritten: refused\n" {
		t.Errorf("the holder says %q, %v", rest, err)
	}
	for key, want := range map[string]string{"guarded": "by the second", "lock": "second"} {
		if got, err := cl.Get(within(t), key); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
}

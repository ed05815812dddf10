//go:build unix

package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prakashpandey/vegadb/internal/faultfs"
)

// Node is one server of a cluster: a directory, addresses, and now and then a process.
type Node struct {
	Number int    // from 1
	Addr   string // of the data port
	Admin  string // of the admin port
	Peer   string // of the peer port

	cluster *Cluster
	reached string // peer address that others are told
	dir     string // its log file is here, and its disk
	dataDir string
	disk    *disk // nil: the machine's
	args    []string
	ports   *ports // held until the first start

	commander *faultfs.Commander // nil: the server was not built to fail
	socket    string             // the commander's

	mu      sync.Mutex
	process *process // the present run, or the last; nil: none so far. guarded by mu
	asked   bool     // it was told to end. guarded by mu
	served  bool     // it has been ready once. guarded by mu
	retired bool     // it is not a member any more, and not to be started again. guarded by mu
}

func (n *Node) String() string { return fmt.Sprintf("node %d", n.Number) }

// ID returns the node's identity, 32 hex digits, from its data directory.
func (n *Node) ID() (string, error) {
	const manifest = "VEGA"
	text, err := os.ReadFile(filepath.Join(n.dataDir, manifest))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "node "); ok {
			return id, nil
		}
	}
	return "", fmt.Errorf("%s: no node id in %s", n, manifest)
}

// Launch starts the server and does not wait for it.
func (n *Node) Launch() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil && !n.process.ended() {
		return fmt.Errorf("%s runs already", n)
	}
	output, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close() // the child has its own
	n.ports.release()
	command := append(n.cluster.Network.enter(n), n.cluster.binary)
	var env []string
	if n.commander != nil {
		env = []string{faultfs.Variable + "=" + n.socket}
	}
	p, err := startProcess(append(command, n.args...), env, output)
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	n.process, n.asked = p, false
	return nil
}

// Start starts the server and waits until it is ready. A node that was retired stays as it is.
func (n *Node) Start(ctx context.Context) error {
	if n.isRetired() {
		return nil
	}
	if err := n.Launch(); err != nil {
		return err
	}
	return n.WaitReady(ctx)
}

// WaitReady waits until /readyz says so.
func (n *Node) WaitReady(ctx context.Context) error {
	err := Poll(ctx, func() error {
		if n.isRetired() {
			return nil
		}
		if !n.Running() {
			return Stop(fmt.Errorf("%s has ended:\n%s", n, n.Log(20)))
		}
		return n.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s is not ready: %w", n, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.served = true
	return nil
}

// serves reports whether the node runs and has been ready before.
func (n *Node) serves() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.served && n.process != nil && !n.process.ended()
}

func (n *Node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Admin+"/readyz", nil)
	if err != nil {
		return Stop(err)
	}
	resp, err := n.cluster.http.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz: %s", resp.Status)
	}
	return nil
}

// current returns the process, which is nil before the first start, and says that its end, if it comes, was asked for.
func (n *Node) current(end bool) *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = n.asked || end
	return n.process
}

// Running reports whether there is a process, paused or not.
func (n *Node) Running() bool {
	p := n.current(false)
	return p != nil && !p.ended()
}

// Kill ends the process with SIGKILL and waits for its end: it gets no chance to finish anything.
func (n *Node) Kill() {
	if p := n.current(true); p != nil {
		p.signal(killed) // an error means that it has ended
		<-p.done
	}
}

// Retire kills the process of a node that is not a member any more.
func (n *Node) Retire() {
	n.mu.Lock()
	n.retired = true
	n.mu.Unlock()
	n.Kill()
}

func (n *Node) isRetired() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.retired
}

// Wipe removes everything that the node has on disk. It must not run.
func (n *Node) Wipe() error { return os.RemoveAll(n.dataDir) }

// Terminate asks the server to stop (SIGTERM) and waits until it has; an exit code other than 0 is an error.
func (n *Node) Terminate(ctx context.Context) error {
	p := n.current(true)
	if p == nil {
		return fmt.Errorf("%s has not been started", n)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: SIGTERM: %w", n, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("%s does not stop after SIGTERM: %w", n, context.Cause(ctx))
	}
	if p.err != nil {
		return fmt.Errorf("%s: after SIGTERM: %w", n, p.err)
	}
	return nil
}

// Restart kills the process and starts another.
func (n *Node) Restart(ctx context.Context) error {
	n.Kill()
	return n.Start(ctx)
}

// Pause stops the process in its tracks (SIGSTOP), Resume lets it go on.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	p := n.current(false)
	if p == nil {
		return fmt.Errorf("%s has not been started", n)
	}
	if err := p.signal(s); err != nil {
		return fmt.Errorf("%s: %s: %w", n, s, err)
	}
	return nil
}

// endedByItself says how the process ended if nobody had asked it to.
func (n *Node) endedByItself() (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil || n.asked || !n.process.ended() {
		return "", false
	}
	return fmt.Sprint(n.process.cmd.ProcessState), true
}

// ExpectEnd waits until the process has ended by itself, as it must when its disk fails.
func (n *Node) ExpectEnd(ctx context.Context) error {
	_, err := n.ExpectExit(ctx)
	return err
}

// ExpectExit is ExpectEnd, and returns the exit code; -1 says that a signal has ended the process.
func (n *Node) ExpectExit(ctx context.Context) (code int, err error) {
	p := n.current(true)
	if p == nil {
		return 0, fmt.Errorf("%s has not been started", n)
	}
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s goes on: %w", n, context.Cause(ctx))
	}
}

// Pid is the number of the present process, or of the last.
func (n *Node) Pid() int { return n.current(false).cmd.Process.Pid }

func (n *Node) logPath() string { return filepath.Join(n.dir, "output.log") }

// Log returns the last lines of what the server has printed, in all its runs.
func (n *Node) Log(lines int) string {
	text, err := os.ReadFile(n.logPath())
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// FillDisk takes all the space that the node's own disk has left.
func (n *Node) FillDisk() error { return n.onDisk((*disk).fill) }

// FreeDisk gives back what FillDisk took.
func (n *Node) FreeDisk() error { return n.onDisk((*disk).free) }

// FreezeDisk lets everything that the node writes wait until ThawDisk, but not longer than told. Until then the process cannot
// be killed if it waits for the disk.
func (n *Node) FreezeDisk(most time.Duration) error {
	return n.onDisk(func(d *disk) error { return d.freeze(most) })
}

// ThawDisk ends a FreezeDisk.
func (n *Node) ThawDisk() error { return n.onDisk((*disk).thaw) }

func (n *Node) onDisk(do func(*disk) error) error {
	if n.disk == nil {
		return fmt.Errorf("%s has no disk of its own: set Options.DiskBytes", n)
	}
	if err := do(n.disk); err != nil {
		return fmt.Errorf("%s: its disk: %w", n, err)
	}
	return nil
}

// DataDir is the node's data directory.
func (n *Node) DataDir() string { return n.dataDir }

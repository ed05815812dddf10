// Package proc starts, measures and ends the server processes of a benchmark.
//
// CPU time and memory are read from /proc, the same way for every server, so no server is asked about itself.
// A process is only ever ended through the handle that started it.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one running server.
type Process struct {
	Name string
	cmd  *exec.Cmd
	log  *tail
	done chan struct{} // closed once Wait returned
	err  error         // Wait's result; read after done
}

// Start runs a program in dir. Its output is kept (the last 16 KiB) for error messages.
func Start(name, dir, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(program, args...), log: &tail{}, done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// A group of its own: Ctrl-C in the terminal reaches this program, which then ends its servers in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is the end of what the process printed.
func (p *Process) Output() string { return p.log.String() }

// Exited says whether the process has ended by itself.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop asks the process to end and kills it when it has not within the grace period.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return errors.Join(fmt.Errorf("%s did not end within %v", p.Name, grace), p.Kill())
	}
}

// Kill ends the process at once and waits for it.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// Pause stops the process where it is; it keeps everything it has, and its sockets stay open.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (p *Process) Continue() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s os.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Wait polls ready until it returns nil. It gives up when the process ends or the context does.
func (p *Process) Wait(ctx context.Context, every time.Duration, ready func() error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting (%v); its last output:\n%s", p.Name, p.err, p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w); its last output:\n%s", p.Name, err, p.Output())
		case <-ticker.C:
		}
	}
}

// CPU returns the user and system time the process has used, children it waited for not included.
func (p *Process) CPU() (time.Duration, error) {
	text, err := os.ReadFile(p.path("stat"))
	if err != nil {
		return 0, err
	}
	return parseCPU(text)
}

// RSS returns the resident memory in bytes.
func (p *Process) RSS() (int64, error) { return p.status("VmRSS") }

// Threads returns the number of threads.
func (p *Process) Threads() (int64, error) { return p.status("Threads") }

func (p *Process) status(field string) (int64, error) {
	text, err := os.ReadFile(p.path("status"))
	if err != nil {
		return 0, err
	}
	return parseStatus(text, field)
}

func (p *Process) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.PID()), name)
}

// The unit of times in /proc is 1/100 s on every Linux this runs on (USER_HZ is part of the kernel's ABI).
const tick = 10 * time.Millisecond

// parseCPU adds utime and stime, fields 14 and 15 of /proc/PID/stat. The second field is the program's name in
// parentheses and may itself hold spaces and parentheses, so counting starts after the last one.
func parseCPU(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("/proc stat without a program name: %q", stat)
	}
	fields := bytes.Fields(stat[end+1:])
	const utime, stime = 14 - 3, 15 - 3 // the first field after the name is number 3
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc stat has %d fields after the name, want at least %d", len(fields), stime+1)
	}
	var sum int64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// parseStatus returns a number of /proc/PID/status; sizes, given there in KiB, are returned in bytes.
func parseStatus(status []byte, field string) (int64, error) {
	for line := range strings.Lines(string(status)) {
		value, ok := strings.CutPrefix(line, field+":")
		if !ok {
			continue
		}
		number, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc status %s: %w", field, err)
		}
		if isSize {
			n *= 1024
		}
		return n, nil
	}
	return 0, fmt.Errorf("/proc status has no field %s", field)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

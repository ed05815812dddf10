package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/prakashpandey/vegadb/internal/mutant"
	"github.com/prakashpandey/vegadb/internal/sim"
)

// many runs seeds one after the other. What fails is told at once, on errs: out is for the sums.
func many(ctx context.Context, c sim.Config, o options, out, errs io.Writer) int {
	part, parts := 0, 1
	if o.part != "" {
		if n, err := fmt.Sscanf(o.part, "%d/%d", &part, &parts); n != 2 || err != nil || part < 0 || part >= parts {
			fmt.Fprintf(errs, "-part %s: it is I/N, with I from 0 to N-1\n", o.part)
			return 2
		}
	}
	began := time.Now()
	from := first(o.from, began)
	if parts == 1 {
		fmt.Fprintf(errs, "seeds from %d on\n", from)
	}
	var total sim.Figures
	for n := part; (o.seeds == 0 || n < o.seeds) && total.Failed == 0 && ctx.Err() == nil; n += parts {
		if o.limit > 0 && time.Since(began) > o.limit {
			break
		}
		c := c
		c.Seed, c.Membership = from+uint64(n), c.Membership || n%2 == 1 && c.Mutant == mutant.None
		r := sim.Run(c)
		total.Add(&r.Figures)
		if o.verbose || r.Failed() {
			fmt.Fprintln(errs, r)
		}
	}
	return conclude(&total, began, o, out)
}

// conclude prints the sums.
func conclude(total *sim.Figures, began time.Time, o options, out io.Writer) int {
	took := time.Since(began)
	fmt.Fprint(out, sums(total, o.json))
	if !o.json {
		fmt.Fprintf(out, "%-12s %v: %.0f seeds an hour\n", "took", took.Round(time.Millisecond), float64(total.Seeds)/took.Hours())
	}
	if total.Failed > 0 {
		return 1
	}
	return 0
}

// first is the first seed.
func first(from uint64, now time.Time) uint64 {
	if from != 0 {
		return from
	}
	return uint64(now.UnixNano()) % 1_000_000_000 * 1000
}

// spread has several processes run a part of the seeds each: a run replaces crypto/rand.Reader, so there is one at a time
// in a process. When a seed fails, the others are interrupted, and sum up what they have run.
func spread(ctx context.Context, args []string, o options, out, errs io.Writer) int {
	program, err := os.Executable()
	if err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	began := time.Now()
	from := first(o.from, began)
	fmt.Fprintf(errs, "seeds from %d on\n", from)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	told := &locked{w: errs}
	figures, failures := make([]sim.Figures, o.workers), make([]error, o.workers)
	var workers sync.WaitGroup
	for i := range o.workers {
		workers.Go(func() {
			if failures[i] = child(ctx, program, i, from, args, o, told, &figures[i]); failures[i] != nil || figures[i].Failed > 0 {
				stop()
			}
		})
	}
	workers.Wait()
	var total sim.Figures
	for i := range figures {
		total.Add(&figures[i])
	}
	if err := errors.Join(failures...); err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	return conclude(&total, began, o, out)
}

// child runs one process and takes its figures.
func child(ctx context.Context, program string, i int, from uint64, args []string, o options, errs io.Writer, f *sim.Figures) error {
	cmd := exec.CommandContext(ctx, program, append(append([]string{}, args...), "-json", "-workers=1", fmt.Sprintf("-from=%d", from), fmt.Sprintf("-part=%d/%d", i, o.workers))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, errs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute // of a seed that is under way
	err := cmd.Run()
	if err := json.Unmarshal(out.Bytes(), f); err == nil {
		return nil // it has said itself how it ended
	}
	return fmt.Errorf("worker %d: %v", i, err)
}

// locked is a writer for several.
type locked struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

package load

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// RedisBenchmark is one run of the program of that name.
type RedisBenchmark struct {
	Program     string
	Addr        string
	Test        string // "get" or "set"
	Connections int
	Pipeline    int
	Requests    int
	ValueBytes  int
	Keys        int // keys are drawn from this many
}

// Args are the program's arguments, quoted in the report.
func (b RedisBenchmark) Args() []string {
	host, port, err := net.SplitHostPort(b.Addr)
	if err != nil {
		host, port = b.Addr, "" // the program will say what is wrong with it
	}
	return []string{
		"-h", host, "-p", port, "-t", b.Test, "-c", strconv.Itoa(b.Connections), "-P", strconv.Itoa(b.Pipeline),
		"-n", strconv.Itoa(b.Requests), "-d", strconv.Itoa(b.ValueBytes), "-r", strconv.Itoa(b.Keys), "--csv",
	}
}

// Run runs it and returns the operations per second it reports.
func (b RedisBenchmark) Run(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.Program, b.Args()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("redis-benchmark %s: %w\n%s%s", strings.Join(b.Args(), " "), err, stdout.String(), stderr.String())
	}
	return parseCSV(stdout.String(), b.Test)
}

// parseCSV reads the throughput of one test from redis-benchmark's --csv output: a line of titles, then a line per
// test.
func parseCSV(text, test string) (float64, error) {
	rows := csv.NewReader(strings.NewReader(text))
	rows.FieldsPerRecord = -1
	records, err := rows.ReadAll()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark's output: %w\n%s", err, text)
	}
	for _, r := range records {
		if len(r) >= 2 && strings.EqualFold(r[0], test) {
			v, err := strconv.ParseFloat(r[1], 64)
			if err != nil || v <= 0 {
				return 0, fmt.Errorf("redis-benchmark reports %q operations per second", r[1])
			}
			return v, nil
		}
	}
	return 0, fmt.Errorf("redis-benchmark's output has no test %q:\n%s", test, text)
}

//go:build unix && !linux

package clustertest

import (
	"errors"
	"testing"
	"time"
)

type disk struct{ dir string }

func newDisk(t testing.TB, under string, size int64) (*disk, error) {
	need(t, "a file system for each node", errors.New("only on Linux"))
	return nil, nil
}

func (*disk) fill() error                { return nil }
func (*disk) free() error                { return nil }
func (*disk) freeze(time.Duration) error { return nil }
func (*disk) thaw() error                { return nil }
func (*disk) close() error               { return nil }

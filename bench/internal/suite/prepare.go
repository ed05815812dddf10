package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"

	"github.com/prakashpandey/vegadb/bench/internal/peer"
	"github.com/prakashpandey/vegadb/bench/internal/report"
	"github.com/prakashpandey/vegadb/bench/internal/rows"
)

// prepare finds and builds the programs and makes the directory for the servers' files.
func (s Suite) prepare(ctx context.Context, o Options, results string) (_ *rows.Env, machine report.Machine, cleanup func(), err error) {
	logf := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	env := &rows.Env{Rounds: o.Rounds, Quick: o.Quick, Log: logf}
	if env.Programs, err = peer.Find(ctx, logf, s.Needs...); err != nil {
		return nil, machine, nil, err
	}
	if env.Profiles = o.Profiles; o.Profiles != "" {
		if err := os.MkdirAll(o.Profiles, 0o755); err != nil {
			return nil, machine, nil, err
		}
	}
	if env.Dir, err = dataDir(o, results); err != nil {
		return nil, machine, nil, err
	}
	cleanup = func() { _ = os.RemoveAll(env.Dir) }
	if o.Server, err = server(ctx, o, env.Dir); err == nil && o.Against != "" {
		o.Against, err = filepath.Abs(o.Against)
	}
	if err == nil {
		machine = report.ThisMachine(env.Dir)
		machine.VegaDB = report.Commit(o.Repository)
		err = s.Set(ctx, o, env, &machine)
	}
	if err != nil {
		cleanup()
		return nil, machine, nil, err
	}
	return env, machine, cleanup, nil
}

// dataDir makes a directory on a disk for this run alone.
func dataDir(o Options, results string) (string, error) {
	if o.Dir == "" {
		o.Dir = filepath.Join(results, "data")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(o.Dir, "run-")
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if report.FileSystem(dir) == report.Tmpfs {
		return "", errors.Join(fmt.Errorf("%s is on tmpfs, where fsync costs nothing: choose a directory on a disk with --dir", dir), os.Remove(dir))
	}
	return dir, nil
}

// server returns the path of the vega-server to measure, building it when none was given.
func server(ctx context.Context, o Options, dir string) (string, error) {
	if o.Server != "" || o.Calibrate {
		return filepath.Abs(o.Server)
	}
	path := filepath.Join(dir, "vega-server")
	return path, peer.Build(ctx, o.Repository, "./cmd/server", path)
}

// startProfile profiles this process, when asked to, until the function it returns is called.
func startProfile(path string) (func(), error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "the profile:", err)
		}
	}, nil
}

// ModuleVersion is the version of a module that this program was built with.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return dep.Version
		}
	}
	return "unknown"
}

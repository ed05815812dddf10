package config

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestSetChangesAllPairsOrNone(t *testing.T) {
	l := NewLive(Default())
	if _, err := l.Set([]Pair{{"maxmemory", "100mb"}, {"Log-Level", "debug"}}, nil); err != nil {
		t.Fatal(err)
	}
	if c := l.Current(); c.MemoryLimit != 100<<20 || c.LogLevel != "debug" {
		t.Errorf("%+v", c)
	}
	var ve *ValueError
	for _, tc := range []struct {
		pairs []Pair
		name  string
		is    func(error) bool
	}{
		{[]Pair{{"memory-limit", "1g"}, {"nonsense", "1"}}, "nonsense", func(err error) bool { return errors.Is(err, ErrUnknown) }},
		{[]Pair{{"memory-limit", "1g"}, {"dir", "/x"}}, "dir", func(err error) bool { return errors.Is(err, ErrFixed) }},
		{[]Pair{{"memory-limit", "1g"}, {"save", ""}}, "save", func(err error) bool { return errors.Is(err, ErrFixed) }},
		{[]Pair{{"memory-limit", "1g"}, {"maxclients", "x"}}, "maxclients", func(err error) bool { return errors.As(err, &ve) }},
	} {
		name, err := l.Set(tc.pairs, nil)
		if name != tc.name || !tc.is(err) {
			t.Errorf("Set(%v) = %q, %v", tc.pairs, name, err)
		}
		if l.Current().MemoryLimit != 100<<20 {
			t.Fatalf("Set(%v) failed and changed something all the same", tc.pairs)
		}
	}
	boom := errors.New("boom")
	if _, err := l.Set([]Pair{{"memory-limit", "1g"}}, func(old, now *Server) error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	if l.Current().MemoryLimit != 100<<20 {
		t.Error("a change that could not be applied was kept")
	}
}

func TestConcurrentSetsAreNotLost(t *testing.T) {
	l := NewLive(Default())
	var wg sync.WaitGroup
	for _, name := range []string{"memory-limit", "max-connections", "max-connections-per-address"} {
		wg.Go(func() {
			for i := range 200 {
				if _, err := l.Set([]Pair{{name, fmt.Sprint(1<<20 + i)}}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if c := l.Current(); c.MemoryLimit != 1<<20+199 || c.MaxConnections != 1<<20+199 || c.MaxConnectionsPerAddress != 1<<20+199 {
		t.Errorf("%+v", c)
	}
}

func TestParametersSpeakRedisUnderRedisNames(t *testing.T) {
	c := Default()
	c.MemoryLimit, c.Fsync, c.IdleTimeout = 1<<30, FsyncNever, 90e9
	got := map[string]string{}
	for _, p := range Parameters(&c, func(string) bool { return true }) {
		if _, twice := got[p.Name]; twice {
			t.Errorf("%s is listed twice", p.Name)
		}
		got[p.Name] = p.Value
	}
	for name, want := range map[string]string{
		"memory-limit": "1GiB", "maxmemory": "1073741824", "fsync": "never", "appendfsync": "no", "idle-timeout": "1m30s", "timeout": "90",
		"maxclients": "10000", "dir": "./vega-data", "appendonly": "yes", "save": "", "databases": "1", "port": "8342", "bind": "127.0.0.1",
		"maxmemory-policy": "noeviction", "io-threads": "0", "in-memory": "false",
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %q (%v), want %q", name, v, ok, want)
		}
	}
	some := Parameters(&c, func(n string) bool { return n == "save" })
	if !slices.Equal(some, []Pair{{"save", ""}}) {
		t.Errorf("%v", some)
	}
}

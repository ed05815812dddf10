package peer

import (
	"slices"
	"strings"
	"testing"
)

func TestBothSidesGetTheSameDurability(t *testing.T) {
	s := &Server{Addr: "127.0.0.1:7001", AdminAddr: "127.0.0.1:7002", Dir: "/data"}
	cases := []struct {
		d           Durability
		redis, vega []string // consecutive arguments that must be there
	}{
		{InMemory, []string{"--appendonly", "no"}, []string{"--in-memory"}},
		{EverySec, []string{"--appendonly", "yes", "--appendfsync", "everysec"}, []string{"--data-dir", "/data", "--fsync", "everysec"}},
		{Always, []string{"--appendonly", "yes", "--appendfsync", "always"}, []string{"--data-dir", "/data", "--fsync", "always"}},
	}
	for _, c := range cases {
		t.Run(string(c.d), func(t *testing.T) {
			if args := redisArgs(s, c.d); !strings.Contains(strings.Join(args, " "), strings.Join(c.redis, " ")) {
				t.Errorf("redis: %v lacks %v", args, c.redis)
			}
			args := vegaArgs(s, c.d)
			if !strings.Contains(strings.Join(args, " "), strings.Join(c.vega, " ")) {
				t.Errorf("vega: %v lacks %v", args, c.vega)
			}
			if c.d != InMemory && slices.Contains(args, "--in-memory") {
				t.Errorf("vega keeps nothing on disk: %v", args)
			}
		})
	}
}

func TestVersionIsFoundInWhatProgramsPrint(t *testing.T) {
	for text, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0": "7.0.15",
		"memcached 1.6.18": "1.6.18",
		"no number":        "",
	} {
		if got := versionPattern.FindString(text); got != want {
			t.Errorf("in %q found %q, want %q", text, got, want)
		}
	}
}

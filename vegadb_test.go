package vegadb_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

func durable(dir, fsync string) func(*vegadb.Config) {
	return func(c *vegadb.Config) { c.InMemory, c.DataDir, c.Fsync = false, dir, fsync }
}

func redisClient(t *testing.T, n *vegadb.Node) *redis.Client {
	db := redis.NewClient(&redis.Options{Addr: n.Addr()})
	t.Cleanup(func() { db.Close() })
	return db
}

// TestThePartitionsShownAreThoseOfTheDirectory: 0 in the configuration leaves the
// number to the directory, and CONFIG GET says what it is.
func TestThePartitionsShownAreThoseOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		partitions int
		want       string
	}{{5, "5"}, {0, "5"}} {
		node := vegadbtest.Start(t, durable(dir, "never"), func(c *vegadb.Config) { c.Partitions = tc.partitions })
		got, err := redisClient(t, node).ConfigGet(t.Context(), "partitions").Result()
		if err != nil || got["partitions"] != tc.want || node.Facts().Node.Partitions != 5 {
			t.Errorf("configured %d: CONFIG GET says %v, %v", tc.partitions, got, err)
		}
		vegadbtest.Stop(t, node)
	}
	node := vegadbtest.Start(t)
	if got := node.Settings().Partitions; got != 64 {
		t.Errorf("in memory: %d partitions, want 64", got)
	}
}

// TestTheLargestValueCanBeWritten with log segments and a queue that are set
// smaller than it, under every policy, and is there after a restart. The ratios are
// those of the defaults.
func TestTheLargestValueCanBeWritten(t *testing.T) {
	const largest = 2 << 20
	for _, fsync := range []string{"always", "everysec", "never"} {
		t.Run(fsync, func(t *testing.T) {
			dir := t.TempDir()
			start := func() *vegadb.Node {
				return vegadbtest.Start(t, durable(dir, fsync), func(c *vegadb.Config) {
					c.MaxValueBytes, c.LogSegmentBytes, c.LogQueueBytes = largest, largest, largest
					c.Partitions = 4
				})
			}
			node := start()
			db := redisClient(t, node)
			for _, fill := range []string{"a", "b", "c"} {
				if err := db.Set(t.Context(), "key", strings.Repeat(fill, largest), 0).Err(); err != nil {
					t.Fatalf("a value of %d bytes: %v", largest, err)
				}
			}
			if err := db.Set(t.Context(), "key", strings.Repeat("d", largest+1), 0).Err(); err == nil {
				t.Error("a value above the limit was taken")
			}
			vegadbtest.Stop(t, node)
			got, err := redisClient(t, start()).Get(t.Context(), "key").Result()
			if err != nil || got != strings.Repeat("c", largest) {
				t.Errorf("after a restart: %d bytes, %v", len(got), err)
			}
		})
	}
}

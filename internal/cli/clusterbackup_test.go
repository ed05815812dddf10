package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/backup"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

func partitions(n int) func(*vegadb.Config) {
	return func(c *vegadb.Config) { c.Partitions = n }
}

// someData fills a node with what is hard to carry over.
func someData(t *testing.T, w world) {
	t.Helper()
	var lines strings.Builder
	for i := range 1000 {
		lines.WriteString("key-" + strconv.Itoa(i) + "\t" + strings.Repeat("v", i%300) + "\n")
	}
	in := w
	in.stdin = lines.String()
	in.run(t, "load", "-", "--format", "tsv").want(t, exitOK, "", "~loaded 1,000 records")
	w.run(t, "put", "bytes\x00\xff", "\xfe\r\n\",\t").want(t, exitOK, "~\n", "")
	w.run(t, "put", "short", "lived", "--ttl", "3590s").want(t, exitOK, "~\n", "")
	w.run(t, "put", "dying", "soon", "--ttl", "300ms").want(t, exitOK, "~\n", "")
}

func TestBackupAndRestoreCarryEverythingIntoAnyNumberOfPartitions(t *testing.T) {
	from, dir := serve(t, partitions(7)), filepath.Join(t.TempDir(), "sub", "backup")
	someData(t, from)
	from.run(t, "cluster", "backup", dir).want(t, exitOK, "~7 partitions with 1,003 entries (", "")
	from.run(t, "cluster", "backup", "verify", dir).want(t, exitOK, "~is whole: 7 partitions, 1,003 entries, ", "")
	from.run(t, "--json", "cluster", "backup", "verify", dir).want(t, exitOK, `~"whole":true`, "")
	for _, n := range []int{1, 7, 32} {
		to := serve(t, partitions(n))
		// What expires while the backup lies there is left out.
		for deadline := time.Now().Add(20 * time.Second); ; {
			r := from.run(t, "ttl", "dying")
			if r.code == exitNotFound {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(r)
			}
		}
		to.run(t, "cluster", "restore", dir, "--into-other-cluster").want(t, exitOK, "", "~restored 1,002 entries (")
		to.run(t, "count").want(t, exitOK, "1002\n", "")
		to.run(t, "get", "key-299").want(t, exitOK, strings.Repeat("v", 299), "")
		to.run(t, "get", "key-0").want(t, exitOK, "", "")
		to.run(t, "get", "bytes\x00\xff").want(t, exitOK, "\xfe\r\n\",\t", "")
		to.run(t, "ttl", "short").want(t, exitOK, "~35", "")
		to.run(t, "ttl", "key-1").want(t, exitOK, "-1\n", "")
		// Once more: nothing changes.
		to.run(t, "--json", "cluster", "restore", dir, "--into-other-cluster", "--overwrite").want(t, exitOK, `~"restored":1002`, "")
		to.run(t, "count").want(t, exitOK, "1002\n", "")
	}
}

// Fault 34: a backup restored into another cluster is refused on the cluster's id
// unless it is asked for.
func TestARestoreIntoAnotherClusterIsRefusedUnlessAskedFor(t *testing.T) {
	from, dir := serve(t, partitions(3)), filepath.Join(t.TempDir(), "b")
	from.run(t, "put", "k", "old").want(t, exitOK, "1\n", "")
	from.run(t, "cluster", "backup", dir).want(t, exitOK, "~", "")
	to := serve(t, partitions(3))
	r := to.run(t, "cluster", "restore", dir)
	r.want(t, exitCondition, "", "~the backup is of cluster ")
	r.want(t, exitCondition, "", "~--into-other-cluster")
	to.run(t, "count").want(t, exitOK, "0\n", "")
	to.run(t, "--json", "cluster", "restore", dir, "--overwrite").want(t, exitCondition, "", `~"status":"REFUSED"`)
	to.run(t, "cluster", "restore", dir, "--into-other-cluster").want(t, exitOK, "", "~restored 1 entries")

	// Its own cluster takes it back, once it is said that it may overwrite.
	from.run(t, "put", "k", "new").want(t, exitOK, "2\n", "")
	from.run(t, "put", "other", "stays").want(t, exitOK, "~\n", "")
	from.run(t, "cluster", "restore", dir).want(t, exitCondition, "", "~the cluster is not empty: it holds 2 entries")
	from.run(t, "get", "k").want(t, exitOK, "new", "")
	from.run(t, "cluster", "restore", dir, "--overwrite").want(t, exitOK, "", "~restored 1 entries")
	from.run(t, "get", "k").want(t, exitOK, "old", "")
	from.run(t, "get", "other").want(t, exitOK, "stays", "")
}

func TestADamagedBackupIsNamedAndNothingIsWritten(t *testing.T) {
	from, dir := serve(t, partitions(4)), filepath.Join(t.TempDir(), "b")
	someData(t, from)
	from.run(t, "cluster", "backup", dir).want(t, exitOK, "~", "")
	last, gone := filepath.Join(dir, "partition-00003.snap"), filepath.Join(dir, "partition-00002.snap")
	text, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(last, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	to := serve(t, partitions(4))
	for _, args := range [][]string{{"backup", "verify", dir}, {"restore", dir, "--into-other-cluster"}} {
		r := to.run(t, append([]string{"cluster"}, args...)...)
		r.want(t, exitCheck, "", "~"+last+" is damaged")
		r.want(t, exitCheck, "", "~"+gone+" is missing")
		r.want(t, exitCheck, "", "~2 files of 4 damaged, missing or unreadable")
	}
	to.run(t, "count").want(t, exitOK, "0\n", "")
	to.run(t, "--json", "cluster", "backup", "verify", dir).want(t, exitCheck, "", `~"status":"CHECK_FAILED"`)
}

func TestAnInterruptedBackupIsSaidToBeOne(t *testing.T) {
	w, dir := serve(t, partitions(2)), filepath.Join(t.TempDir(), "b")
	ctx, cancel := context.WithCancel(t.Context())
	db := &app{env: w.build(nil, nil, nil), session: &session{env: w.build(nil, nil, nil)}, timeout: time.Minute}
	db.session.conn.address = w.env["VEGA_ADDR"]
	c, err := db.db(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := backup.Take(ctx, interrupted{c, cancel}, vfs.OS(), dir, backup.Options{Parallel: 1}); err == nil {
		t.Fatal("not interrupted")
	}
	w.run(t, "cluster", "restore", dir).want(t, exitCheck, "", "~holds an incomplete backup of ")
	w.run(t, "cluster", "backup", "verify", dir).want(t, exitCheck, "", "~1 of 2 partitions")
	w.run(t, "cluster", "backup", dir).want(t, exitUsage, "", "~--resume")
	w.run(t, "cluster", "backup", dir, "--resume").want(t, exitOK, "~2 partitions with 0 entries", "")
	w.run(t, "cluster", "backup", dir).want(t, exitUsage, "", "~holds a complete backup already: choose another directory")
	w.run(t, "cluster", "restore", t.TempDir()).want(t, exitError, "", "~holds no backup")
	w.run(t, "cluster", "backup", filepath.Dir(dir)).want(t, exitUsage, "", "~is not empty")
}

// interrupted is a cluster of which partition 1 makes somebody press Ctrl-C.
type interrupted struct {
	backup.Cluster
	ctrlC func()
}

func (c interrupted) Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	if partition == 1 {
		c.ctrlC()
	}
	return c.Cluster.Forward(ctx, partition, req, reply)
}

func TestBackupManifestsAreForMachinesToo(t *testing.T) {
	w, dir := serve(t, partitions(2)), filepath.Join(t.TempDir(), "b")
	w.run(t, "put", "k", "v").want(t, exitOK, "1\n", "")
	w.run(t, "--json", "cluster", "backup", dir, "--parallel", "1").want(t, exitOK, `~"entries":1,"partitions":2`, "")
	text, err := os.ReadFile(filepath.Join(dir, "BACKUP.json"))
	var m struct {
		Files []struct{ Name, SHA256 string }
	}
	if err != nil || json.Unmarshal(text, &m) != nil || len(m.Files) != 2 || len(m.Files[0].SHA256) != 64 {
		t.Errorf("%v %s", err, text)
	}
}

func TestARestoreThatTheClusterRefusesNamesTheEntry(t *testing.T) {
	from, dir := serve(t, func(c *vegadb.Config) { c.MaxValueBytes = 2 << 20 }), filepath.Join(t.TempDir(), "b")
	from.stdin = strings.Repeat("x", 3<<19)
	from.run(t, "put", "large", "-").want(t, exitOK, "1\n", "")
	from.run(t, "cluster", "backup", dir).want(t, exitOK, "~", "")
	to := serve(t) // its limit is 1 MiB
	to.run(t, "cluster", "restore", dir, "--into-other-cluster").want(t, exitError, "", "~entry large: TOO_LARGE")
}

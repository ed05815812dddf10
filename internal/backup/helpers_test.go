package backup

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
	"github.com/prakashpandey/vegadb/vegadbtest"
)

// serve starts a node with so many partitions and connects to it.
func serve(t testing.TB, partitions int, options ...func(*vegadb.Config)) *client.Client {
	t.Helper()
	node := vegadbtest.Start(t, append(options, func(c *vegadb.Config) { c.Partitions = partitions })...)
	db, err := client.Open(t.Context(), client.Options{Addresses: []string{node.Addr()}, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// fill stores n entries; every seventh expires in an hour.
func fill(t testing.TB, db *client.Client, n int) map[string]string {
	t.Helper()
	want := map[string]string{}
	var b client.Batch
	for i := range n {
		key, value := fmt.Sprintf("key-%05d", i), fmt.Sprintf("value-%d-%0100d", i, i)
		var options []client.Option
		if i%7 == 0 {
			options = append(options, client.WithTTL(time.Hour))
		}
		b.Put(key, []byte(value), options...)
		want[key] = value
	}
	if _, err := db.Batch(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return want
}

// hooked is a Cluster with a hook before each BACKUP; true: the hook has answered.
type hooked struct {
	Cluster
	hook func(partition int, body *wire.BackupBody, reply *wire.Response) (bool, error)
}

func (h hooked) Forward(ctx context.Context, partition int, req *wire.Request, reply *wire.Response) error {
	var body wire.BackupBody
	if err := body.Decode(req.OpFlags, req.Body); err != nil {
		return err
	}
	if done, err := h.hook(partition, &body, reply); done {
		return err
	}
	// Small pieces: interesting things happen between them.
	body.Most = 300
	small := *req
	small.Body = body.Append(nil)
	return h.Cluster.Forward(ctx, partition, &small, reply)
}

// contents walks a backup.
func contents(t testing.TB, b *Backup) map[string]string {
	t.Helper()
	got := map[string]string{}
	for e, err := range b.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[string(e.Key)] = string(e.Value)
	}
	return got
}

func equal(t testing.TB, got, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %.40q, want %.40q", k, got[k], v)
			break
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
}

// open opens a backup and verifies it.
func open(t testing.TB, fs vfs.FS, dir string) *Backup {
	t.Helper()
	b, err := Open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := b.Verify(t.Context(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return b
}

// flip changes a bit of a file.
func flip(t testing.TB, fs vfs.FS, path string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

package server

import (
	"fmt"
	"testing"

	"github.com/prakashpandey/vegadb/internal/node"
	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/store"
	"github.com/prakashpandey/vegadb/internal/vfs"
	"github.com/prakashpandey/vegadb/internal/wire"
)

// backup sends one BACKUP.
func (c *testConn) backup(flags uint8, b wire.BackupBody) (wire.Response, wire.BackupPiece) {
	c.h.t.Helper()
	r := c.do(wire.OpBackup, flags, b.Append(nil))
	var piece wire.BackupPiece
	if r.Status == wire.OK {
		if err := piece.Decode(r.Body); err != nil {
			c.h.t.Fatal(err)
		}
	}
	return r, piece
}

// backupAll reads a partition's whole file and loads it.
func (c *testConn) backupAll(partition int, most uint32) map[string]string {
	t := c.h.t
	t.Helper()
	var all []byte
	b := wire.BackupBody{Partition: uint32(partition), Most: most}
	for {
		r, piece := c.backup(0, b)
		if r.Status != wire.OK || most > 0 && len(piece.Data) > int(most) {
			t.Fatalf("%v %.100q, %d bytes", r.Status, r.Body, len(piece.Data))
		}
		all = append(all, piece.Data...)
		b.Token, b.Offset = piece.Token, uint64(len(all))
		if len(piece.Data) == 0 {
			if piece.Size != uint64(len(all)) {
				t.Fatalf("%d bytes of %d", len(all), piece.Size)
			}
			break
		}
	}
	if r, piece := c.backup(wire.BackupEnd, wire.BackupBody{Token: b.Token}); r.Status != wire.OK || len(piece.Data) != 0 {
		t.Errorf("end: %v %q", r.Status, r.Body)
	}
	fs := vfs.NewMem()
	f, err := fs.Create("/copy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(all); err != nil {
		t.Fatal(err)
	}
	f.Close()
	entries := map[string]string{}
	if _, err := snapshot.Load(fs, "/copy", func(snapshot.Meta) (snapshot.Sink, error) {
		return func(e *store.Entry) error { entries[string(e.Key)] = string(e.Value); return nil }, nil
	}); err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestNativeBackupsHoldWhatWasAcknowledged(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		want := map[string]string{}
		for i := range 300 {
			key := fmt.Sprintf("key-%d", i)
			c.put(key, key)
			want[key] = key
		}
		for _, most := range []uint32{0, 100, 5000} {
			got := map[string]string{}
			for p := range c.h.srv.node.Partitions() {
				for k, v := range c.backupAll(p, most) {
					got[k] = v
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("most %d: %d entries of %d", most, len(got), len(want))
			}
		}
	})
}

func TestNativeBackupsAreRefusedWithAReason(t *testing.T) {
	onNativePolicies(t, func(t *testing.T, c *testConn) {
		r, _ := c.backup(0, wire.BackupBody{Partition: 8})
		expect(t, "no such partition", r, wire.InvalidArgument, "")
		r, _ = c.backup(0, wire.BackupBody{Token: 7, Offset: 1})
		expect(t, "no such token", r, wire.NotFound, "")
		r, _ = c.backup(wire.BackupEnd, wire.BackupBody{Token: 7})
		if r.Status != wire.OK {
			t.Errorf("the end of nothing: %v", r.Status)
		}
		expect(t, "a short body", c.do(wire.OpBackup, 0, []byte("x")), wire.InvalidArgument, "")
		for range 100 { // an offset behind the end is no piece, and no harm
			r, piece := c.backup(0, wire.BackupBody{})
			if r.Status == wire.Busy {
				break
			}
			if r, piece = c.backup(0, wire.BackupBody{Token: piece.Token, Offset: 1 << 40}); r.Status != wire.OK || len(piece.Data) != 0 {
				t.Fatalf("behind the end: %v", r.Status)
			}
		}
		r, _ = c.backup(0, wire.BackupBody{})
		if r.Status != node.ErrBackupBusy.Status {
			t.Errorf("too many: %v", r.Status)
		}
	})
}

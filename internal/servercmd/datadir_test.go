package servercmd

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/internal/datadir"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// newDataDir makes an empty data directory "d", as a first start does.
func newDataDir(t *testing.T, fs vfs.FS) {
	t.Helper()
	d, err := datadir.Open(fs, "d", datadir.Want{Partitions: 4, Rand: rand.Reader, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckAndRepairOfADirectoryInOrder(t *testing.T) {
	for _, args := range [][]string{{"check", "d"}, {"repair", "d"}, {"repair", "d", "--apply"}} {
		w := newWorld(args...)
		newDataDir(t, w.FS)
		if code := Run(&w.Env); code != 0 {
			t.Errorf("%v: exit code %d: %s%s", args, code, w.out.String(), w.err.String())
		}
		if !strings.Contains(w.out.String(), "verdict: ok") || w.err.String() != "" {
			t.Errorf("%v: %q, %q", args, w.out.String(), w.err.String())
		}
	}
}

func TestCheckAndRepairSayWhatIsDamagedAndChangeNothing(t *testing.T) {
	for _, args := range [][]string{{"check", "d"}, {"repair", "d"}, {"check", "--json", "d"}} {
		w := newWorld(args...)
		newDataDir(t, w.FS)
		damaged := []byte("vega-data 1\nnode of somebody else\n")
		f, err := w.FS.Create("d/VEGA")
		if err != nil {
			t.Fatal(err)
		}
		f.Write(damaged)
		f.Close()
		if code := Run(&w.Env); code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
		wantOneLine(t, w, "d is damaged")
		if !strings.Contains(w.out.String(), "VEGA") {
			t.Errorf("%v: the report does not name the file: %s", args, w.out.String())
		}
		if args[1] == "--json" {
			var r datadir.Report
			if err := json.Unmarshal([]byte(w.out.String()), &r); err != nil || r.Verdict != datadir.Damaged {
				t.Errorf("%v: %s", err, w.out.String())
			}
		}
		f, err = w.FS.Open("d/VEGA")
		if err != nil {
			t.Fatal(err)
		}
		after, _ := io.ReadAll(f)
		if !bytes.Equal(after, damaged) {
			t.Errorf("%v changed the file", args)
		}
	}
}

func TestCheckAndRepairNeedADirectoryThatNobodyUses(t *testing.T) {
	for _, command := range []string{"check", "repair"} {
		for name, tc := range map[string]struct {
			args []string
			want string
		}{
			"no argument":   {nil, "vega-server " + command + " DIR"},
			"two arguments": {[]string{"a", "b"}, "one argument"},
			"missing":       {[]string{"nowhere"}, "nowhere"},
			"unknown flag":  {[]string{"d", "--force"}, "--force"},
			"in use":        {[]string{"d"}, "in use"},
		} {
			w := newWorld(append([]string{command}, tc.args...)...)
			newDataDir(t, w.FS)
			if name == "in use" {
				lock, err := w.FS.Lock("d/LOCK")
				if err != nil {
					t.Fatal(err)
				}
				defer lock.Close()
			}
			if code := Run(&w.Env); code != 1 {
				t.Errorf("%s, %s: exit code %d", command, name, code)
			}
			wantOneLine(t, w, tc.want)
			if w.out.String() != "" {
				t.Errorf("%s, %s: standard output %q", command, name, w.out.String())
			}
		}
	}
}

package datadir

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb/internal/snapshot"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// build makes the directory the cases below start from: two of four groups hold
// data; group 1 has snapshots at 20 and 40 and the log from before 20 on; group 2
// has a snapshot at 30 and the log up to 33.
func build(t testing.TB, fs vfs.FS) {
	w := newWorld(t, fs, 4)
	w.append(1, 1, 20)
	w.publish(1, 20)
	w.append(2, 1, 30)
	w.publish(2, 30)
	w.append(1, 21, 40)
	w.publish(1, 40)
	w.truncate(map[uint32]uint64{1: 20, 2: 30})
	w.append(1, 41, 45)
	w.append(2, 31, 33)
	w.close()
}

func snap(group uint32, index uint64) string {
	return testDir + "/snapshots/" + snapshot.FileName(group, index)
}

// logFiles are the paths of the log's segments, oldest first.
func logFiles(t testing.TB, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List(testDir + "/log")
	check(t, err)
	var out []string
	for _, n := range names {
		if strings.HasSuffix(n, ".wal") {
			out = append(out, testDir+"/log/"+n)
		}
	}
	return out
}

// flipRecord changes a bit of a record of group 1 with the given index, which
// is durable: the log is then corrupt there.
func flipRecord(t testing.TB, fs vfs.FS, index uint64) {
	t.Helper()
	needle := strings.Repeat(string([]byte{byte(index)}), recordBytes)
	for _, path := range logFiles(t, fs) {
		b := readAll(t, fs, path)
		if at := strings.LastIndex(string(b), needle); at >= 0 {
			b[at+100] ^= 0x10
			writeAll(t, fs, path, b)
			return
		}
	}
	t.Fatalf("no segment holds the record")
}

func remove(t testing.TB, fs vfs.FS, paths ...string) {
	t.Helper()
	for _, p := range paths {
		check(t, fs.Remove(p))
	}
	check(t, fs.SyncDir(testDir+"/snapshots"))
	check(t, fs.SyncDir(testDir+"/log"))
}

// join makes the directory one that was created to join a cluster.
func join(t testing.TB, fs vfs.FS) {
	t.Helper()
	m, err := readManifest(fs, testDir+"/VEGA")
	check(t, err)
	m.Joined = m.Created
	writeAll(t, fs, testDir+"/VEGA", []byte(m.encode()))
}

// cases are what can have happened to the directory, and what is to be said and
// done about it.
func cases(t testing.TB) map[string]struct {
	damage  func(vfs.FS)
	verdict Verdict
	stuck   bool              // no repair
	reached map[uint32]uint64 // after it
	says    []string
} {
	whole := map[uint32]uint64{1: 45, 2: 33}
	return map[string]struct {
		damage  func(vfs.FS)
		verdict Verdict
		stuck   bool
		reached map[uint32]uint64
		says    []string
	}{
		"nothing": {
			damage: func(vfs.FS) {}, verdict: OK, reached: whole, says: []string{"verdict: ok"},
		},
		"the newest snapshot is bad": {
			damage:  func(fs vfs.FS) { flip(t, fs, snap(1, 40)) },
			verdict: Repairable, reached: whole,
			says: []string{"repairable: " + snap(1, 40) + ", offset 128", "the one before it and the log make up for it", "repair would: move it to damaged/"},
		},
		"an older snapshot is bad": {
			damage:  func(fs vfs.FS) { flip(t, fs, snap(1, 20)) },
			verdict: Repairable, reached: whole, says: []string{"repairable: " + snap(1, 20) + ", offset 128"},
		},
		"FLOORS is bad": {
			damage:  func(fs vfs.FS) { flip(t, fs, testDir+"/FLOORS") },
			verdict: Repairable, reached: whole, says: []string{"repairable: " + testDir + "/FLOORS"},
		},
		"all snapshots of a group are bad, its log was truncated": {
			damage: func(fs vfs.FS) {
				flip(t, fs, snap(1, 40))
				flip(t, fs, snap(1, 20))
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 45, 2: 33}, // declared
			says: []string{"no snapshot reaches index 0 and the log goes on at", "lost: group 1: writes 1 to 45", "declare it index 45"},
		},
		"all snapshots of a group are gone": {
			damage:  func(fs vfs.FS) { remove(t, fs, snap(2, 30)) },
			verdict: Damaged, reached: map[uint32]uint64{1: 45, 2: 33},
			says: []string{"lost: group 2: writes 1 to 33"},
		},
		"log and the newest snapshots are gone": {
			damage: func(fs vfs.FS) {
				remove(t, fs, append(logFiles(t, fs), snap(1, 40), snap(2, 30))...)
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 20},
			says: []string{"group 2: snapshots and log reach index 0; it is known to have reached 30", "lost: group 2: writes 1 to at least 30"},
		},
		"the log is gone": {
			damage:  func(fs vfs.FS) { remove(t, fs, logFiles(t, fs)...) },
			verdict: Damaged, reached: map[uint32]uint64{1: 40, 2: 30},
			says: []string{"the log is gone: FLOORS or a snapshot says that it has been in use", "repair would: begin a new, empty log", "lost: every write that is not in a snapshot"},
		},
		"the log's directory is gone": {
			damage: func(fs vfs.FS) {
				remove(t, fs, logFiles(t, fs)...)
				check(t, fs.Remove(testDir+"/log"))
				check(t, fs.SyncDir(testDir))
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 40, 2: 30},
			says: []string{"the log is gone", "repair would: begin a new, empty log"},
		},
		"nothing of the log can be read": {
			damage: func(fs vfs.FS) {
				b := readAll(t, fs, logFiles(t, fs)[0])
				b[3] ^= 1
				writeAll(t, fs, logFiles(t, fs)[0], b)
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 40, 2: 30},
			says: []string{"the log is damaged", "repair would: rename"},
		},
		"the log of a node that joined is gone": {
			damage: func(fs vfs.FS) {
				join(t, fs)
				remove(t, fs, logFiles(t, fs)...)
			},
			verdict: Damaged, stuck: true,
			says: []string{"the log is gone", "you can: start the node with a new, empty --data-dir and --join"},
		},
		"the log of a node that has company is gone": {
			damage: func(fs vfs.FS) {
				d, err := Open(fs, testDir, want(4, 1))
				check(t, err)
				check(t, d.MarkClustered())
				check(t, d.Close())
				remove(t, fs, logFiles(t, fs)...)
			},
			verdict: Damaged, stuck: true,
			says: []string{"the log is gone", "you can: start the node with a new, empty --data-dir and --join"},
		},
		"the log of a node that joined is damaged": {
			damage: func(fs vfs.FS) {
				join(t, fs)
				flipRecord(t, fs, 43)
			},
			verdict: Damaged, stuck: true,
			says: []string{"the log is damaged", "you can: start the node with a new, empty --data-dir and --join"},
		},
		"a bad file was set aside and the log does not make up for it": {
			damage: func(fs vfs.FS) {
				remove(t, fs, logFiles(t, fs)...)
				_, err := snapshot.SetAside(fs, snap(1, 40))
				check(t, err)
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 20, 2: 30},
			says: []string{snap(1, 40) + ".bad, offset 0: set aside earlier", "known to have reached 40"},
		},
		"the log is damaged after the last snapshot": {
			damage:  func(fs vfs.FS) { flipRecord(t, fs, 43) },
			verdict: Damaged, reached: map[uint32]uint64{1: 42, 2: 30},
			says: []string{"damaged: " + testDir + "/log/", "the log is damaged", ".cut"},
		},
		"the log is damaged where snapshots cover it": {
			damage:  func(fs vfs.FS) { flipRecord(t, fs, 38) },
			verdict: Damaged, reached: map[uint32]uint64{1: 40, 2: 30},
			says: []string{"the log is damaged"},
		},
		"log and newest snapshot are damaged": {
			damage: func(fs vfs.FS) {
				flipRecord(t, fs, 38)
				flip(t, fs, snap(1, 40))
			},
			verdict: Damaged, reached: map[uint32]uint64{1: 37, 2: 30},
			says: []string{"lost: group 1: writes 38 to at least 40"},
		},
		"a segment in the middle is gone": {
			damage:  func(fs vfs.FS) { remove(t, fs, logFiles(t, fs)[1]) },
			verdict: Damaged, reached: map[uint32]uint64{1: 40, 2: 30},
			says: []string{"the segment is missing"},
		},
		"the manifest is bad": {
			damage:  func(fs vfs.FS) { flip(t, fs, testDir+"/VEGA") },
			verdict: Damaged, stuck: true, says: []string{"you can: restore VEGA from a copy", "cannot be repaired as it is"},
		},
		"the manifest is gone": {
			damage: func(fs vfs.FS) {
				check(t, fs.Remove(testDir+"/VEGA"))
				check(t, fs.SyncDir(testDir))
			},
			verdict: Damaged, stuck: true, says: []string{"VEGA is missing"},
		},
		"a snapshot of another cluster": {
			damage: func(fs vfs.FS) {
				w := &world{t: t, fs: fs, dir: &Dir{path: testDir, Manifest: Manifest{Partitions: 4, Cluster: ID{1}}}}
				w.publish(3, 5)
			},
			verdict: Damaged, stuck: true, says: []string{"belongs to another data directory", "you can: move the file out"},
		},
		"what is no damage": {
			damage: func(fs vfs.FS) {
				writeAll(t, fs, snap(1, 50)+".tmp", []byte("x"))
				writeAll(t, fs, snap(1, 10)+".bad", []byte("x"))
				writeAll(t, fs, testDir+"/notes.txt", []byte("x"))
			},
			verdict: OK, reached: whole,
			says: []string{"unfinished; a server removes it", "set aside earlier", "notes.txt: not VegaDB's"},
		},
	}
}

func TestCheckSaysWhatIsWrongAndChangesNothing(t *testing.T) {
	for name, c := range cases(t) {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			build(t, fs)
			c.damage(fs)
			before := tree(t, fs, "/srv")
			r, err := Check(fs, testDir)
			check(t, err)
			if r.Verdict != c.verdict || r.Startable == c.stuck || r.Applied {
				t.Errorf("verdict %s, startable %v", r.Verdict, r.Startable)
			}
			for _, s := range c.says {
				if !strings.Contains(lines(&r), s) {
					t.Errorf("it does not say %q", s)
				}
			}
			dry, err := Repair(fs, testDir, Options{})
			check(t, err)
			if a, b := lines(&r), lines(&dry); a != b {
				t.Errorf("a dry repair says something else:\n%s", b)
			}
			assertUnchanged(t, fs, "/srv", before)
			var back Report
			b, err := json.Marshal(r)
			check(t, err)
			check(t, json.Unmarshal(b, &back))
			if lines(&back) != lines(&r) {
				t.Error("the report does not survive JSON")
			}
			if t.Failed() {
				t.Log("\n" + lines(&r))
			}
		})
	}
}

func TestRepairMakesItStartAndDeletesNothing(t *testing.T) {
	for name, c := range cases(t) {
		t.Run(name, func(t *testing.T) {
			fs := newMem(t)
			build(t, fs)
			c.damage(fs)
			before := tree(t, fs, "/srv")
			r, err := Repair(fs, testDir, Options{Apply: true})
			if c.stuck {
				if r.Applied {
					t.Error("something was done")
				}
				assertUnchanged(t, fs, "/srv", before)
				return
			}
			check(t, err)
			assertNothingDeleted(t, before, tree(t, fs, "/srv"))
			reached, err := start(fs, 4)
			if err != nil || !maps.Equal(reached, c.reached) {
				t.Errorf("a start reaches %v, %v; want %v", reached, err, c.reached)
				t.Log("\n" + lines(&r))
			}
		})
	}
}

// assertNothingDeleted: the contents of every file are still somewhere. Of a
// log segment that was cut, what was there is in two files; of FLOORS, what it
// said is given up.
func assertNothingDeleted(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, content := range before {
		if strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/FLOORS") || content == "" {
			continue
		}
		found := false
		for now, c := range after {
			if c == content {
				found = true
				break
			}
			// Cut in two: the front is in place, the rest in a .cut file.
			if now == path && strings.HasSuffix(path, ".wal") {
				front := 0
				for front < len(c) && c[front] == content[front] {
					front++
				}
				rest := strings.TrimRight(content[front:], "\x00")
				for other, cut := range after {
					found = found || strings.HasSuffix(other, ".cut") && strings.Contains(cut+"\x00", rest)
				}
			}
		}
		if !found {
			t.Errorf("what was in %s is nowhere", path)
		}
	}
}

// TestACrashDuringRepairLeavesADirectoryToRepairAgain cuts the power before
// each change of each repair.
func TestACrashDuringRepairLeavesADirectoryToRepairAgain(t *testing.T) {
	for name, c := range cases(t) {
		if c.stuck || c.verdict == OK {
			continue
		}
		t.Run(name, func(t *testing.T) {
			disk := newMem(t)
			build(t, disk)
			c.damage(disk)
			var left []*vfs.Mem
			fs := vfs.Inject(disk, func(op vfs.Op) error {
				if op.Kind.Changes() {
					left = append(left, disk.CrashClone(nil), disk.CrashClone(rand.New(rand.NewSource(int64(len(left))))))
				}
				return nil
			})
			_, err := Repair(fs, testDir, Options{Apply: true})
			check(t, err)
			for i, m := range left {
				if r, err := Repair(m, testDir, Options{Apply: true}); err != nil {
					t.Errorf("after crash %d: %v\n%s", i, err, lines(&r))
					continue
				}
				if reached, err := start(m, 4); err != nil || !maps.Equal(reached, c.reached) {
					t.Errorf("after crash %d: a start reaches %v, %v; want %v", i, reached, err, c.reached)
				}
			}
		})
	}
}

// TestAStartHaltsWhereCheckSaysDamaged: check and start agree.
func TestAStartHaltsWhereCheckSaysDamaged(t *testing.T) {
	for name, c := range cases(t) {
		fs := newMem(t)
		build(t, fs)
		c.damage(fs)
		reached, err := start(fs, 4)
		if c.verdict == Damaged && err == nil {
			t.Errorf("%s: a start reaches %v as if nothing had happened", name, reached)
		}
		if c.verdict == OK && (err != nil || !maps.Equal(reached, c.reached)) {
			t.Errorf("%s: a start reaches %v, %v", name, reached, err)
		}
	}
}

func TestCheckOfWhatIsNotThere(t *testing.T) {
	fs := newMem(t)
	if _, err := Check(fs, testDir); err == nil || !strings.Contains(err.Error(), testDir) {
		t.Errorf("error is %v", err)
	}
	check(t, fs.MkdirAll(testDir))
	r, err := Check(fs, testDir)
	check(t, err)
	if r.Verdict != OK || !strings.Contains(lines(&r), "holds no data") {
		t.Error(lines(&r))
	}
}

func TestRepairStopsAtAFailingDisk(t *testing.T) {
	fs := newMem(t)
	build(t, fs)
	flip(t, fs, snap(1, 40))
	failure := errors.New("disk")
	broken := vfs.Inject(fs, func(op vfs.Op) error {
		if op.Kind == vfs.OpRename {
			return failure
		}
		return nil
	})
	if r, err := Repair(broken, testDir, Options{Apply: true}); !errors.Is(err, failure) || r.Applied {
		t.Errorf("applied %v, error %v", r.Applied, err)
	}
}

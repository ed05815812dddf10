package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prakashpandey/vegadb/internal/vfs"
)

// send reads all that OpenForSend gives.
func send(t testing.TB, fs vfs.FS, path string) ([]byte, Meta) {
	t.Helper()
	f, size, m, err := OpenForSend(fs, path)
	check(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	check(t, err)
	if int64(len(b)) != size {
		t.Fatalf("%d bytes are sent, %d were announced", len(b), size)
	}
	return b, m
}

func receive(fs vfs.FS, b []byte, o ReceiveOptions) (Info, error) {
	return Receive(context.Background(), fs, testDir, bytes.NewReader(b), int64(len(b)), nil, o)
}

func TestASnapshotArrivesAsItWasSent(t *testing.T) {
	for name, c := range map[string]struct {
		meta Meta
		img  *entries
	}{
		"entries":                 {testMeta(1, 40), numbered(40)},
		"state and many blocks":   {withState(testMeta(3, 900), 300_000), incompressible(900, 1000, 1)},
		"the meta group":          {withState(testMeta(0, 12), 5000), &entries{}},
		"neither state nor entry": {testMeta(2, 1), &entries{}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := newMem(t), newMem(t)
			sent := write(t, from, c.meta, c.img)
			b, meta := send(t, from, sent.Path)
			var asked Meta
			// One byte at a time is as good as any other way to cut the stream.
			info, err := Receive(context.Background(), to, testDir, iotest.OneByteReader(bytes.NewReader(b)), int64(len(b)), func(m Meta) error {
				asked = m
				return nil
			}, ReceiveOptions{})
			check(t, err)
			if !reflect.DeepEqual(info, sent) || !equalMeta(meta, sent.Meta) {
				t.Errorf("sent %+v, said %+v, received %+v", sent, meta, info)
			}
			want := sent.Meta
			want.State, want.Entries = nil, 0
			if !equalMeta(asked, want) {
				t.Errorf("check was asked about %+v", asked)
			}
			assertNames(t, to, FileName(c.meta.Group, c.meta.Index))
			if !bytes.Equal(readFile(t, to.CrashClone(nil), info.Path), b) {
				t.Error("it is not durable as it was sent")
			}
		})
	}
}

func TestASnapshotWrittenToBeSentIsTheSameAndLeavesNothing(t *testing.T) {
	fs, to := newMem(t), newMem(t)
	m := withState(testMeta(3, 900), 300_000)
	published := write(t, newMem(t), m, incompressible(900, 1000, 1))
	f, size, err := WriteForSend(context.Background(), fs, testDir, m, incompressible(900, 1000, 1), WriteOptions{Duty: NewDuty(time.Now)})
	check(t, err)
	if size != published.Bytes {
		t.Errorf("%d bytes, a published one has %d", size, published.Bytes)
	}
	if infos, err := List(fs, testDir); err != nil || len(infos) != 0 {
		t.Errorf("what is only sent counts as a snapshot: %v, %v", infos, err)
	}
	info, err := Receive(context.Background(), to, testDir, f, size, nil, ReceiveOptions{Duty: NewDuty(time.Now)})
	check(t, err)
	if info.Entries != published.Entries || !equalMeta(info.Meta, published.Meta) {
		t.Errorf("received %+v, want %+v", info, published)
	}
	assertNames(t, fs.CrashClone(nil)) // nothing of it was synced
	check(t, f.Close())
	assertNames(t, fs)
}

func TestWhatIsLeftOfASendIsCleanedUp(t *testing.T) {
	fs := newMem(t)
	_, _, err := WriteForSend(context.Background(), fs, testDir, testMeta(1, 40), numbered(40), WriteOptions{})
	check(t, err)
	check(t, fs.SyncDir(testDir)) // by something else, and then the process is killed
	check(t, Clean(fs, testDir))
	assertNames(t, fs)
}

func TestADropWhileASnapshotIsBeingSentIsNoErrorOfIts(t *testing.T) {
	fs := newMem(t)
	f, size, err := WriteForSend(context.Background(), fs, testDir, testMeta(1, 40), numbered(40), WriteOptions{})
	check(t, err)
	check(t, Drop(fs, testDir, 1))
	b, err := io.ReadAll(f)
	if err != nil || int64(len(b)) != size {
		t.Errorf("%d of %d bytes, %v", len(b), size, err)
	}
	check(t, f.Close())
}

func TestASnapshotOfVersion1IsReceived(t *testing.T) {
	fs := newMem(t)
	info, err := receive(fs, wholeFiles(t)["version 1"], ReceiveOptions{})
	check(t, err)
	if info.Entries != 32 || info.State != nil || info.Path != pathOf(1, 40) {
		t.Errorf("received %+v", info)
	}
}

func TestAPrunedSnapshotIsSentToItsEnd(t *testing.T) {
	fs := newMem(t)
	info := write(t, fs, testMeta(1, 700), incompressible(700, 1000, 1))
	want := readFile(t, fs, info.Path)
	f, _, _, err := OpenForSend(fs, info.Path)
	check(t, err)
	defer f.Close()
	half := make([]byte, len(want)/2)
	_, err = io.ReadFull(f, half)
	check(t, err)
	check(t, fs.Remove(info.Path))
	rest, err := io.ReadAll(f)
	check(t, err)
	if !bytes.Equal(append(half, rest...), want) {
		t.Error("what was sent is not the file")
	}
}

func TestWhatCannotBeSentIsSaidBeforeItIs(t *testing.T) {
	fs := newMem(t)
	info := write(t, fs, withState(testMeta(1, 40), 100), numbered(40))
	for _, at := range []int64{20, headerBytes + blockHeaderBytes + 7, info.Bytes - 10} {
		b := readFile(t, fs, info.Path)
		b[at] ^= 1
		writeFileBytes(t, fs, pathOf(1, 41), b)
		if f, _, _, err := OpenForSend(fs, pathOf(1, 41)); !errors.Is(err, ErrCorrupt) || f != nil {
			t.Errorf("byte %d flipped: %v", at, err)
		}
	}
	if _, _, _, err := OpenForSend(fs, pathOf(1, 99)); err == nil {
		t.Error("a file that is not there is sent")
	}
}

// TestDamageOnTheWayIsRefusedAndLeavesNothing flips a bit of each byte, and ends the
// stream at each.
func TestDamageOnTheWayIsRefusedAndLeavesNothing(t *testing.T) {
	for name, file := range wholeFiles(t) {
		fs := newMem(t)
		for i := range file {
			bad := bytes.Clone(file)
			bad[i] ^= 1 << (i % 8)
			if _, err := receive(fs, bad, ReceiveOptions{}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, byte %d: %v", name, i, err)
			}
			_, err := Receive(context.Background(), fs, testDir, bytes.NewReader(file[:i]), int64(len(file)), nil, ReceiveOptions{})
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), fmt.Sprintf("after %d of %d bytes", i, len(file))) {
				t.Errorf("%s, ended after %d: %v", name, i, err)
			}
			if _, err := receive(fs, file[:i], ReceiveOptions{}); err == nil {
				t.Errorf("%s, %d bytes announced and sent: it was received", name, i)
			}
		}
		if _, err := receive(fs, append(bytes.Clone(file), 0), ReceiveOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, one byte more: %v", name, err)
		}
		assertNames(t, fs)
	}
}

func TestNothingBeyondTheAnnouncedSizeIsRead(t *testing.T) {
	fs := newMem(t)
	file := wholeFiles(t)["state and entries"]
	r := bytes.NewReader(append(bytes.Clone(file), "the next message"...))
	_, err := Receive(context.Background(), fs, testDir, r, int64(len(file)), nil, ReceiveOptions{})
	check(t, err)
	if rest, _ := io.ReadAll(r); string(rest) != "the next message" {
		t.Errorf("left is %q", rest)
	}
}

func TestWhatIsNotWantedIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	file := wholeFiles(t)["state and entries"]
	newer := bytes.Clone(file)
	newer[8]++
	newer = mended(newer)
	no := errors.New("not wanted")
	for name, c := range map[string]struct {
		file    []byte
		size    int64
		check   func(Meta) error
		options ReceiveOptions
		want    error
		says    string
		read    int64 // at most
	}{
		"check says no":         {check: func(Meta) error { return no }, want: no, says: testDir, read: headerBytes},
		"too large":             {options: ReceiveOptions{MaxBytes: int64(len(file)) - 1}, says: "the limit is"},
		"too small":             {size: headerBytes + footerBytes - 1, says: "header and footer alone take 192"},
		"less than nothing":     {size: -5, says: "-5 bytes were announced"},
		"not a snapshot":        {file: bytes.Repeat([]byte("x"), 500), want: ErrCorrupt, says: "not a VegaDB snapshot", read: headerBytes},
		"of a newer version":    {file: newer, want: ErrVersion, says: "version 3", read: headerBytes},
		"the other side breaks": {file: []byte{}, size: 1000, want: io.ErrUnexpectedEOF, says: "after 0 of 1000 bytes"},
		"no random name":        {options: ReceiveOptions{Rand: iotest.ErrReader(no)}, want: no, read: headerBytes},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newMem(t)
			fs := vfs.Inject(disk, func(op vfs.Op) error {
				if op.Kind.Changes() {
					t.Errorf("%s of %s", op.Kind, op.Name)
				}
				return nil
			})
			if c.file == nil {
				c.file = file
			}
			if c.size == 0 {
				c.size = int64(len(c.file))
			}
			r := bytes.NewReader(c.file)
			_, err := Receive(context.Background(), fs, testDir, r, c.size, c.check, c.options)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v", err)
			}
			if read := r.Size() - int64(r.Len()); read > c.read {
				t.Errorf("%d bytes were read", read)
			}
		})
	}
}

func TestAReceivedSnapshotIsPublishedOnlyWithConsent(t *testing.T) {
	fs := newMem(t)
	sent := withState(testMeta(1, 40), 200)
	file := wholeFiles(t)["state and entries"]
	no := errors.New("the group has moved on")
	_, err := receive(fs, file, ReceiveOptions{BeforePublish: func(_ context.Context, info Info) error {
		names, err := fs.List(testDir)
		check(t, err)
		if len(names) != 1 || !unfinished(names[0]) {
			t.Fatalf("the directory holds %q", names)
		}
		check(t, fs.SyncDir(testDir)) // its contents are durable, whatever becomes of its name
		if !bytes.Equal(readFile(t, fs.CrashClone(nil), testDir+"/"+names[0]), file) {
			t.Error("it is not durable yet")
		}
		if info.Path != pathOf(1, 40) || !bytes.Equal(info.State, sent.State) || info.Entries != 5 {
			t.Errorf("asked about %+v", info)
		}
		return no
	}})
	if !errors.Is(err, no) {
		t.Errorf("error is %v", err)
	}
	assertNames(t, fs)
}

func TestTwoReceptionsOfOneSnapshotDoNotMeet(t *testing.T) {
	fs := newMem(t)
	file := readFile(t, fs, write(t, fs, withState(testMeta(1, 700), 10), incompressible(700, 1000, 1)).Path)
	old := write(t, fs, testMeta(1, 650), numbered(650))
	var together, all sync.WaitGroup
	const n = 4
	together.Add(n)
	for range n {
		all.Go(func() {
			info, err := receive(fs, file, ReceiveOptions{BeforePublish: func(context.Context, Info) error {
				together.Done()
				together.Wait() // all of them are complete under their own names
				return nil
			}})
			if err != nil || info.Path != pathOf(1, 700) {
				t.Errorf("%+v, %v", info, err)
			}
		})
	}
	all.Wait()
	assertNames(t, fs, FileName(1, 650), FileName(1, 700))
	for _, path := range []string{old.Path, pathOf(1, 700)} {
		if _, err := Verify(fs, path); err != nil {
			t.Error(err)
		}
	}
}

func TestACrashWhileReceivingLeavesTheOldSnapshotOrTheNew(t *testing.T) {
	source := newMem(t)
	nextMeta := withState(testMeta(1, 90), 150_000)
	file := readFile(t, source, write(t, source, nextMeta, incompressible(300, 1000, 9)).Path)
	published := false
	crashEverywhere(t,
		func(fs vfs.FS) { write(t, fs, testMeta(1, 50), numbered(50)) },
		func(fs vfs.FS) error {
			_, err := receive(fs, file, ReceiveOptions{})
			published = err == nil
			return err
		},
		func(at string, left vfs.FS) {
			l, got := loadNewest(t, left)
			switch {
			case l.Meta.Index == 50 && !published && equalEntries(got, numbered(50).all):
			case l.Meta.Index == 90 && bytes.Equal(l.Meta.State, nextMeta.State) && equalEntries(got, incompressible(300, 1000, 9).all):
			default:
				t.Errorf("%s: index %d with %d entries (published: %v)", at, l.Meta.Index, len(got), published)
			}
			names, err := left.List(testDir)
			check(t, err)
			if slices.ContainsFunc(names, unfinished) {
				t.Errorf("%s: after the start the directory still holds %q", at, names)
			}
		})
}

// TestAFailingDiskReceivesNothing fails each operation of a reception in turn.
func TestAFailingDiskReceivesNothing(t *testing.T) {
	source := newMem(t)
	file := readFile(t, source, write(t, source, withState(testMeta(1, 90), 1000), incompressible(300, 1000, 9)).Path)
	for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := 0; ; n++ {
			disk := newMem(t)
			count, failed := 0, vfs.Op{}
			fs := vfs.Inject(disk, func(op vfs.Op) error {
				if op.Kind == vfs.OpRemove {
					return nil // cleaning up works
				}
				if count++; count == n+1 {
					failed = op
					return failure
				}
				return nil
			})
			_, err := receive(fs, file, ReceiveOptions{})
			if failed.Kind == 0 {
				check(t, err)
				break
			}
			if failed.Kind == vfs.OpClose && err == nil {
				assertNames(t, disk, FileName(1, 90)) // of the file that was read back
				continue
			}
			if !errors.Is(err, failure) || !strings.Contains(err.Error(), testDir) {
				t.Errorf("%s of %s fails: Receive gives %v", failed.Kind, failed.Name, err)
			}
			if failed.Kind == vfs.OpSyncDir {
				assertNames(t, disk, FileName(1, 90)) // whole; only its durability is unknown
			} else {
				assertNames(t, disk)
			}
		}
	}
}

func TestAFullDiskGivesWhatWasReceivedBack(t *testing.T) {
	source, disk := newMem(t), newMem(t)
	file := readFile(t, source, write(t, source, testMeta(1, 400), incompressible(400, 1000, 3)).Path)
	disk.SetLimit(200_000)
	if _, err := receive(disk, file, ReceiveOptions{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error is %v", err)
	}
	if disk.Used() != 0 {
		t.Errorf("%d bytes stay in use", disk.Used())
	}
	disk.SetLimit(10 << 20)
	_, err := receive(disk, file, ReceiveOptions{})
	check(t, err)
}

func TestReceivingEndsWithTheContextAndKeepsThePace(t *testing.T) {
	fs := newMem(t)
	file := readFile(t, fs, write(t, fs, testMeta(1, 900), incompressible(900, 1000, 3)).Path)
	check(t, fs.Remove(pathOf(1, 900)))
	ctx, cancel := context.WithCancel(context.Background())
	// At this rate the second chunk has to wait for hours.
	pacer := NewPacer(10, time.Now)
	r, w := io.Pipe()
	var sender sync.WaitGroup
	sender.Go(func() {
		_, err := w.Write(file[:2*readChunkBytes]) // returns when the second chunk has been read
		cancel()
		w.CloseWithError(err)
	})
	_, err := Receive(ctx, fs, testDir, r, int64(len(file)), nil, ReceiveOptions{Pacer: pacer})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	sender.Wait()
	assertNames(t, fs)
}

func TestReceivingHoldsLittleOfALargeSnapshot(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	info, err := Write(context.Background(), vfs.OS(), from, benchMeta(1), newSlab(400_000, true), WriteOptions{})
	check(t, err)
	f, n, _, err := OpenForSend(vfs.OS(), info.Path)
	check(t, err)
	defer f.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Receive(context.Background(), vfs.OS(), to, f, n, nil, ReceiveOptions{MaxBytes: n})
	runtime.ReadMemStats(&after)
	check(t, err)
	if got := after.TotalAlloc - before.TotalAlloc; n < 20<<20 || got > 2<<20 {
		t.Errorf("receiving a file of %d bytes allocated %d", n, got)
	}
}

func unfinished(name string) bool {
	_, ok := parseUnfinished(name)
	return ok
}

func TestUnfinishedNamesAreRecognisedExactly(t *testing.T) {
	tag := [8]byte{1, 2, 3, 4, 5, 6, 7, 0xFE}
	for name, want := range map[string]bool{
		receivedName(0, 7, tag):                true,
		receivedName(100_000, 1<<64-1, tag):    true,
		FileName(1, 7) + ".tmp":                true,
		FileName(1, 7):                         false,
		FileName(1, 7) + ".0102.tmp":           false,
		FileName(1, 7) + ".01020304050607zz":   false,
		"mine.0102030405060708.tmp":            false,
		FileName(1, 7) + ".bad.tmp":            false,
		FileName(1, 7) + ".0102030405060708.x": false,
	} {
		if got := unfinished(name); got != want {
			t.Errorf("%s: unfinished %v", name, got)
		}
	}
}

// FuzzReceive receives arbitrary bytes: what is published verifies, and of what is
// not nothing stays.
func FuzzReceive(f *testing.F) {
	fs := newMem(f)
	for _, m := range []Meta{testMeta(1, 40), withState(testMeta(0, 40), 300)} {
		f.Add(readFile(f, fs, write(f, fs, m, numbered(20)).Path), int64(0), true)
		f.Add(readFile(f, fs, write(f, fs, m, nil).Path), int64(3), false)
	}
	f.Fuzz(func(t *testing.T, file []byte, more int64, mend bool) {
		if mend {
			file = mended(file)
		}
		fs := newMem(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		info, err := Receive(context.Background(), fs, testDir, bytes.NewReader(file), int64(len(file))+more, nil,
			ReceiveOptions{MaxBytes: 1 << 40, Rand: rand.New(rand.NewSource(1))})
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(fuzzAllocBytes+16*len(file))+6*gatheredBytes(file); got > most {
			t.Errorf("%d bytes made receiving allocate %d", len(file), got)
		}
		if err != nil {
			assertNames(t, fs)
			return
		}
		if again, err := Verify(fs, info.Path); err != nil || !reflect.DeepEqual(again, info) {
			t.Errorf("received %+v, which verifies as %+v, %v", info, again, err)
		}
	})
}

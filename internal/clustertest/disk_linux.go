package clustertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// disk is a file system of its own for one node: ext4 in a file.
type disk struct {
	image, dir string

	mu     sync.Mutex
	thawer *exec.Cmd // the process that will thaw it, nil while it is not frozen; guarded by mu
	melt   io.Closer // its input; guarded by mu
}

// mountPrefix marks our mount points, with the number of the process that made them.
const mountPrefix = "vegadb-disk-"

// newDisk makes a file system of about this size and mounts it.
func newDisk(t testing.TB, under string, size int64) (*disk, error) {
	need(t, "a file system for each node", canMount())
	sweepMounts()
	d := &disk{image: filepath.Join(under, "disk.img"), dir: filepath.Join(under, mountPrefix+strconv.Itoa(os.Getpid()))}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Truncate(d.image, size), os.Mkdir(d.dir, 0o700)); err != nil {
		return nil, err
	}
	// No blocks kept back for root, and no work left for later.
	if err := command("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.image); err != nil {
		return nil, err
	}
	return d, command("mount", "-o", "loop", d.image, d.dir)
}

func canMount() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount", "fsfreeze"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	_, err := os.Stat("/dev/loop-control")
	return err
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all the space there is.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; {
		if _, err := f.Write(make([]byte, size)); err == nil {
			continue
		} else if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		size /= 4
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// free gives the space back.
func (d *disk) free() error {
	err := os.Remove(d.ballast())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// freeze lets every write and fsync wait until thaw or, whatever becomes of this process, until that or the given
// time has passed. A process that waits cannot even be killed.
func (d *disk) freeze(most time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.thawer != nil {
		return errors.New("the disk is frozen already")
	}
	// It thaws when its input ends, which is when we say so or are no more, or when time is up.
	thawer := exec.Command("sh", "-c", `timeout "$1" cat; fsfreeze --unfreeze "$2"`, "thawer", fmt.Sprintf("%.3f", most.Seconds()), d.dir)
	input, err := thawer.StdinPipe()
	if err != nil {
		return err
	}
	if err := thawer.Start(); err != nil {
		return err
	}
	d.thawer, d.melt = thawer, input
	return command("fsfreeze", "--freeze", d.dir)
}

// thaw ends a freeze.
func (d *disk) thaw() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.thawer == nil {
		return nil
	}
	d.melt.Close()
	err := d.thawer.Wait()
	d.thawer = nil
	return err
}

func (d *disk) close() error {
	err := d.thaw()
	return errors.Join(err, command("umount", d.dir))
}

// sweepMounts unmounts what test binaries that were killed have left behind.
func sweepMounts() {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		number, ours := strings.CutPrefix(filepath.Base(fields[1]), mountPrefix)
		pid, err := strconv.Atoi(number)
		if ours && err == nil && !alive(pid) {
			command("umount", "--lazy", fields[1])
		}
	}
}

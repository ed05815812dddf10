package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// ThisMachine describes the machine; dir is where the servers keep their data.
func ThisMachine(dir string) Machine {
	m := Machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), CPU: "unknown CPU", Kernel: "unknown"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = fieldOf(string(text), "model name", m.CPU)
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = release(string(text))
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		const gib = 1 << 30
		m.MemoryGiB = int((info.Totalram*uint64(info.Unit) + gib/2) / gib)
	}
	m.Disk = FileSystem(dir)
	return m
}

// release keeps the version of a kernel and leaves out the name of its build.
func release(text string) string {
	version, _, _ := strings.Cut(strings.TrimSpace(text), "-")
	return version
}

func fieldOf(text, name, fallback string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return fallback
}

// Tmpfs is the name of the file system that is no disk.
const Tmpfs = "tmpfs"

// FileSystem names the file system that holds dir.
func FileSystem(dir string) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "unknown"
	}
	switch fs.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return Tmpfs
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", fs.Type)
}

// Commit names the repository's commit, with "-dirty" when files differ from it.
func Commit(repository string) string {
	cmd := exec.Command("git", "describe", "--always", "--dirty", "--exclude", "*")
	cmd.Dir = repository
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

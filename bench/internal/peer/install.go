package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// The peers' programs.
const (
	RedisServer     = "redis-server"
	RedisBenchmark  = "redis-benchmark"
	MemcachedServer = "memcached"
)

// packages are Debian's packages of the programs.
var packages = map[string]string{RedisServer: "redis-server", RedisBenchmark: "redis-tools", MemcachedServer: "memcached"}

// Programs are the paths of programs by their names.
type Programs map[string]string

// Find locates the peers' programs. What is missing is installed with apt-get when that is possible, otherwise the
// error says what to install.
func Find(ctx context.Context, log func(string, ...any), needs ...string) (Programs, error) {
	var missing []string
	for _, program := range needs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, packages[program])
		}
	}
	if len(missing) > 0 {
		if err := install(ctx, missing, log); err != nil {
			return nil, err
		}
	}
	found := Programs{}
	for _, program := range needs {
		path, err := exec.LookPath(program)
		if err != nil {
			return nil, fmt.Errorf("%s is missing: install the Debian package %s or put it on the PATH", program, packages[program])
		}
		found[program] = path
	}
	return found, nil
}

func install(ctx context.Context, packages []string, log func(string, ...any)) error {
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing programs: install %s (Debian packages) and run again", strings.Join(packages, ", "))
	}
	log("installing %s with apt-get", strings.Join(packages, ", "))
	// The packages' own services are not wanted: this program starts its servers itself. A policy that denies
	// service starts would need a file in /usr/sbin, so RUNLEVEL=1 is used, which invoke-rc.d honours.
	cmd := exec.CommandContext(ctx, apt, append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get install (try apt-get update first): %w\n%s", err, out)
	}
	return nil
}

// Build compiles a program of the module in dir.
func Build(ctx context.Context, dir, pkg, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", output, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

var versionPattern = regexp.MustCompile(`\d+\.\d+\.\d+`)

// Version runs a program with one argument and returns the first version number it prints.
func Version(ctx context.Context, program, arg string) string {
	out, err := exec.CommandContext(ctx, program, arg).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	if v := versionPattern.FindString(string(out)); v != "" {
		return v
	}
	return "unknown"
}

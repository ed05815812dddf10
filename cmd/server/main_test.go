package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests run the built program as people do: what it prints, how it ends,
// and what it leaves on disk.

// binary builds vega-server once, with the line that the README gives.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vega-server")
	build := exec.Command("go", "build", "-o", path, "./cmd/server/main.go")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// process is a running server.
type process struct {
	cmd         *exec.Cmd
	stderr      bytes.Buffer
	addr, admin string
	lines       []string // of standard output until it was ready
	ended       chan error
}

// start runs the server on free ports and waits until it says that it is ready.
func start(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan error, 1)}
	p.cmd = exec.Command(path, append([]string{"--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"}, args...)...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	in := bufio.NewScanner(stdout)
	for in.Scan() {
		line := in.Text()
		p.lines = append(p.lines, line)
		if rest, ok := strings.CutPrefix(line, "  data     "); ok {
			p.addr, _, _ = strings.Cut(rest, " ")
		}
		if rest, ok := strings.CutPrefix(line, "  admin    http://"); ok {
			p.admin = rest
		}
		if strings.HasPrefix(line, "Ready") {
			go func() {
				for in.Scan() {
				}
				p.ended <- p.cmd.Wait()
			}()
			return p
		}
	}
	t.Fatalf("it ended before it was ready: %v\n%s\n%s", p.cmd.Wait(), strings.Join(p.lines, "\n"), p.stderr.String())
	return nil
}

// stop signals the server and returns how it ended.
func (p *process) stop(t *testing.T, sig os.Signal) error {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

// ask sends one RESP command and returns the first line of the reply.
func ask(t *testing.T, addr string, args ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(reply)
}

// fails runs the server, which must end with exit code 1 and one line that
// holds want, and must not have printed anything else.
func fails(t *testing.T, path string, env []string, want []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v: %v, want exit code 1", args, err)
	}
	text := stderr.String()
	if !strings.HasPrefix(text, "vega-server: ") || strings.Count(text, "\n") != 1 {
		t.Errorf("%v: standard error is not one line from vega-server: %q", args, text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%v: %q is missing in %q", args, w, text)
		}
	}
	if stdout.Len() > 0 {
		t.Errorf("%v: standard output: %q", args, stdout.String())
	}
}

// tree lists a directory with the sizes and times of its files.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheServerAsAProcess(t *testing.T) {
	path := binary(t)
	t.Run("stops with exit code 0 and keeps what it was given", func(t *testing.T) { testStopAndRestart(t, path) })
	t.Run("refuses to start without touching anything", func(t *testing.T) { testRefusals(t, path) })
	t.Run("refuses what another server uses", func(t *testing.T) { testSecondServer(t, path) })
	t.Run("rereads users on SIGHUP", func(t *testing.T) { testReload(t, path) })
	t.Run("checks and repairs", func(t *testing.T) { testCheck(t, path) })
	t.Run("stops when a client says SHUTDOWN", func(t *testing.T) { testShutdown(t, path) })
}

func testStopAndRestart(t *testing.T, path string) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, path, "--data-dir", dir)
	if got := ask(t, p.addr, "SET", "greeting", "hello"); got != "+OK" {
		t.Fatal(got)
	}
	resp, err := http.Get("http://" + p.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("readyz: %s", resp.Status)
	}
	banner := strings.Join(p.lines, "\n")
	for _, want := range []string{dir, "fsync always", p.addr} {
		if !strings.Contains(banner, want) {
			t.Errorf("%q is missing in\n%s", want, banner)
		}
	}
	began := time.Now()
	if err := p.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v\n%s", err, p.stderr.String())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}

	p = start(t, path, "--data-dir", dir)
	if got := ask(t, p.addr, "STRLEN", "greeting"); got != ":5" {
		t.Errorf("after the restart: %s", got)
	}
	if err := p.stop(t, os.Interrupt); err != nil {
		t.Errorf("%v\n%s", err, p.stderr.String())
	}
}

func testRefusals(t *testing.T, path string) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	badKey := write("bad.toml", "memroy-limit = 1\n")
	plain := write("users.toml", "[users.a]\nrole = \"read\"\npassword = \"hunter2\"\n")
	noCert := write("cert.pem", "not a certificate\n")
	file := write("file", "")
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	write("foreign/thesis.tex", "years of work")
	before := tree(t, dir)
	free := []string{"--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"}
	for _, tc := range []struct {
		env, args, want []string
	}{
		{nil, []string{"--fsync=sometimes"}, []string{"--fsync", "always, everysec, never"}},
		{nil, []string{"--memroy-limit=1g"}, []string{"--memroy-limit", "memory-limit"}},
		{[]string{"VEGA_PARTITION=8"}, nil, []string{"VEGA_PARTITION", "VEGA_PARTITIONS"}},
		{nil, []string{"--config", badKey}, []string{badKey, "memroy-limit", "memory-limit"}},
		{nil, []string{"--config", dir + "/nowhere"}, []string{"nowhere"}},
		{nil, []string{"--addr=0.0.0.0:0"}, []string{"--users-file", "--allow-no-auth"}},
		{nil, []string{"--addr=nonsense"}, []string{"host:port"}},
		{nil, append(free, "--users-file", plain), []string{plain, "hash-password"}},
		{nil, append(free, "--users-file", dir+"/nobody"), []string{"nobody"}},
		{nil, append(free, "--tls-cert", noCert, "--tls-key", noCert), []string{"cert.pem"}},
		{nil, append(free, "--tls-cert", noCert), []string{"tls-key"}},
		{nil, append(free, "--data-dir", foreign), []string{"foreign"}},
		{nil, append(free, "--data-dir", file), []string{"file"}},
	} {
		args := tc.args
		if !strings.Contains(strings.Join(args, " "), "--data-dir") {
			args = append(args, "--data-dir", data)
		}
		fails(t, path, tc.env, tc.want, args...)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("something was touched. Before:\n%s\nafter:\n%s", before, after)
	}
}

func testSecondServer(t *testing.T, path string) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := start(t, path, "--data-dir", data, "--partitions=8")
	other := filepath.Join(dir, "other")
	fails(t, path, nil, []string{data, "in use"}, "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--partitions=8", "--data-dir", data)
	fails(t, path, nil, []string{p.addr, "in use"}, "--addr", p.addr, "--admin-addr=127.0.0.1:0", "--data-dir", other)
	fails(t, path, nil, []string{p.admin, "in use"}, "--addr=127.0.0.1:0", "--admin-addr", p.admin, "--data-dir", other)
	if _, err := os.Stat(other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a server that found its port in use has made %s", other)
	}
	if got := ask(t, p.addr, "PING"); got != "+PONG" {
		t.Errorf("the first server is disturbed: %s", got)
	}
	if err := p.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	before := tree(t, data)
	fails(t, path, nil, []string{data, "8"}, "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--partitions=16", "--data-dir", data)
	if after := tree(t, data); after != before {
		t.Errorf("a refused start changed the directory. Before:\n%s\nafter:\n%s", before, after)
	}
}

func testReload(t *testing.T, path string) {
	dir := t.TempDir()
	hash := func(password string) string {
		cmd := exec.Command(path, "hash-password")
		cmd.Stdin = strings.NewReader(password)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	users := filepath.Join(dir, "users.toml")
	write := func(password string) {
		text := fmt.Sprintf("[users.default]\nrole = \"admin\"\npassword = %q\n", password)
		if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(hash("old"))
	p := start(t, path, "--in-memory", "--users-file", users)
	if got := ask(t, p.addr, "AUTH", "old"); got != "+OK" {
		t.Fatal(got)
	}
	if got := ask(t, p.addr, "GET", "x"); !strings.HasPrefix(got, "-NOAUTH") {
		t.Error(got)
	}
	write("not a hash")
	p.cmd.Process.Signal(syscall.SIGHUP)
	write(hash("new")) // takes longer than the signal does, and does not matter if not
	p.cmd.Process.Signal(syscall.SIGHUP)
	deadline := time.Now().Add(20 * time.Second)
	for ask(t, p.addr, "AUTH", "new") != "+OK" {
		if time.Now().After(deadline) {
			t.Fatal("the new password is not taken")
		}
	}
	if got := ask(t, p.addr, "AUTH", "old"); !strings.HasPrefix(got, "-WRONGPASS") {
		t.Errorf("the old password: %s", got)
	}
	if err := p.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if text := p.stderr.String(); strings.Contains(text, "pbkdf2") || strings.Contains(text, "not a hash\"") {
		t.Errorf("the log holds secrets: %s", text)
	}
}

func testCheck(t *testing.T, path string) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, path, "--data-dir", data)
	ask(t, p.addr, "SET", "k", "v")
	fails(t, path, nil, []string{"in use"}, "check", data)
	if err := p.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	before := tree(t, data)
	for _, command := range []string{"check", "repair"} {
		out, err := exec.Command(path, command, data).CombinedOutput()
		if err != nil || !regexp.MustCompile(`(?m)^verdict: ok$`).Match(out) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if after := tree(t, data); after != before {
		t.Errorf("check or repair changed the directory. Before:\n%s\nafter:\n%s", before, after)
	}
}

func testShutdown(t *testing.T, path string) {
	p := start(t, path, "--in-memory")
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("SHUTDOWN\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("%v\n%s", err, p.stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

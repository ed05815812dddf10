package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prakashpandey/vegadb/vegadbtest"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// The built program as people run it: it starts before the cluster, answers, reloads and
// ends in an orderly way.
func TestTheBuiltRouter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vega-router")
	build := exec.Command("go", "build", "-o", path, "./cmd/router/main.go") // the line that the README gives
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	node := vegadbtest.Start(t)
	cmd := exec.Command(path, "--cluster", node.Addr(), "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() { cmd.Process.Kill() })
	data, admin := addresses(t, stdout)
	go func() {
		io.Copy(io.Discard, stdout)
		ended <- cmd.Wait()
	}()
	deadline := time.After(patience)
	for !ready(t, admin) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("not ready: %s", stderr.String())
		}
	}
	conn, err := net.Dial("tcp", data)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	fmt.Fprintf(conn, "SET k v\r\nSTRLEN k\r\n")
	for _, want := range []string{"+OK\r\n", ":1\r\n"} {
		if got, err := in.ReadString('\n'); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v; want the end", rest, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v: %s", err, stderr.String())
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if !strings.Contains(stderr.String(), "stopped") {
		t.Errorf("log: %s", stderr.String())
	}
}

// addresses reads from the banner where the router listens.
func addresses(t *testing.T, stdout io.Reader) (data, admin string) {
	t.Helper()
	in := bufio.NewScanner(stdout)
	for (data == "" || admin == "") && in.Scan() {
		if m := regexp.MustCompile(`^ +data +(\S+)`).FindStringSubmatch(in.Text()); m != nil {
			data = m[1]
		}
		if m := regexp.MustCompile(`^ +admin +(\S+)`).FindStringSubmatch(in.Text()); m != nil {
			admin = m[1]
		}
	}
	if data == "" || admin == "" {
		t.Fatal("the banner names no addresses")
	}
	return data, admin
}

func ready(t *testing.T, admin string) bool {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Get(admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

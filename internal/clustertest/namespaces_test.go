//go:build linux

package clustertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// echoEnv makes the test binary a server that sends back what comes, or a client of one: an address to listen on, or
// one to connect to and the time to wait for an answer.
const (
	echoEnv = "VEGADB_TEST_ECHO"
	sayEnv  = "VEGADB_TEST_SAY"
)

func echoIfAsked() {
	if addr := os.Getenv(echoEnv); addr != "" {
		l, err := net.Listen("tcp", addr)
		fmt.Println("listening", err)
		for {
			conn, err := l.Accept()
			if err != nil {
				os.Exit(1)
			}
			go io.Copy(conn, conn)
		}
	}
	if addr := os.Getenv(sayEnv); addr != "" {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			os.Exit(2)
		}
		conn.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(conn, "hello")
		if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
			os.Exit(3)
		}
		os.Exit(0)
	}
}

func TestNamespacesDropPacketsInOneDirection(t *testing.T) {
	t.Parallel()
	ns, err := newNamespaces(t)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.close)
	in := func(node int, env, addr string) *exec.Cmd {
		command := ns.enter(&Node{Number: node})
		cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], os.Args[0])...)
		cmd.Env = append(os.Environ(), env+"="+addr)
		return cmd
	}
	addr := func(node int) string { return net.JoinHostPort(ns.host(node), "4000") }
	for node := 1; node <= 3; node++ {
		if err := ns.prepare(node); err != nil {
			t.Fatal(err)
		}
		server := in(node, echoEnv, addr(node))
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Process.Kill(); server.Wait() })
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	reaches := func(from, to int, want bool) {
		t.Helper()
		if got := in(from, sayEnv, addr(to)).Run() == nil; got != want {
			t.Errorf("from %d to %d: %v, want %v", from, to, got, want)
		}
	}
	reaches(1, 2, true)
	if err := ns.Block(1, 2); err != nil {
		t.Fatal(err)
	}
	reaches(1, 2, false)
	reaches(2, 1, false) // its packets arrive, and the answers do not
	reaches(1, 3, true)
	reaches(3, 2, true)
	conn, err := net.DialTimeout("tcp", addr(1), time.Second)
	if err != nil {
		t.Errorf("the test does not reach a node: %v", err)
	} else {
		conn.Close()
	}
	if err := ns.Unblock(1, 2); err != nil {
		t.Fatal(err)
	}
	reaches(1, 2, true)
	reaches(2, 1, true)
}

package servercmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/vfs"
)

// buffer is a writer that may be read while others write.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// fakeNode is a Node that does what its fields say.
type fakeNode struct {
	loaded    chan error            // WaitReady returns what is sent
	close     func() error          // nil: Close succeeds at once
	reload    func() error          // nil: Reload succeeds
	reloads   chan struct{}         // one per Reload
	progress  func() (int64, int64) // nil: 0 of 0
	cfg       vegadb.Config
	cluster   *admin.Cluster
	closeOnce sync.Once
	closed    chan struct{}
}

func newFakeNode() *fakeNode {
	return &fakeNode{loaded: make(chan error, 1), reloads: make(chan struct{}, 10), closed: make(chan struct{})}
}

func (n *fakeNode) Addr() string      { return "127.0.0.1:8342" }
func (n *fakeNode) AdminAddr() string { return n.cfg.AdminAddr }
func (n *fakeNode) PeerAddr() string  { return "127.0.0.1:8344" }
func (n *fakeNode) Facts() admin.Facts {
	return admin.Facts{Node: admin.Node{Keys: 12, Partitions: 64, ClusterID: "0b7d3f1e9a8c4d6fb1a2c3d4e5f60718"}, Cluster: n.cluster}
}
func (n *fakeNode) Progress() (string, int64, int64) {
	if n.progress == nil {
		return "log", 0, 0
	}
	done, total := n.progress()
	return "snapshots", done, total
}
func (n *fakeNode) WaitReady(ctx context.Context) error {
	select {
	case err := <-n.loaded:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (n *fakeNode) Reload() error {
	defer func() { n.reloads <- struct{}{} }()
	if n.reload != nil {
		return n.reload()
	}
	return nil
}
func (n *fakeNode) Close(context.Context) error {
	n.closeOnce.Do(func() { close(n.closed) })
	if n.close != nil {
		return n.close()
	}
	return nil
}

// world is an Env whose outside the test holds.
type world struct {
	Env
	out, err buffer
	signals  chan os.Signal
	node     *fakeNode
	files    map[string]string
	exits    chan int
}

func newWorld(args ...string) *world {
	w := &world{signals: make(chan os.Signal, 4), node: newFakeNode(), files: map[string]string{}, exits: make(chan int, 1)}
	w.Env = Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &w.out, Stderr: &w.err, FS: vfs.NewMem(), Signals: w.signals,
		Exit:     func(code int) { w.exits <- code },
		Terminal: func(io.Writer) bool { return false },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := w.files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Launch: func(c vegadb.Config) (Node, error) {
			w.node.cfg = c
			return w.node, nil
		},
	}
	return w
}

// start runs the command in the background; the channel gives its exit code.
func (w *world) start() <-chan int {
	done := make(chan int, 1)
	go func() { done <- Run(&w.Env) }()
	return done
}

var errBoom = errors.New("boom")

// wantOneLine checks what a failing command leaves on standard error.
func wantOneLine(t *testing.T, w *world, parts ...string) {
	t.Helper()
	text := w.err.String()
	if !strings.HasPrefix(text, "vega-server: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("standard error is not one line from vega-server: %q", text)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in %q", p, text)
		}
	}
}

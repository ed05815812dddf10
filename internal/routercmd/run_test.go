package routercmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
	"github.com/prakashpandey/vegadb/internal/router"
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

// world is an Env with a fake router, and what came out.
type world struct {
	Env
	out, err buffer
	signals  chan os.Signal
	options  router.Options
	reload   error
	reloads  int
	close    func() error
}

func newWorld(args ...string) *world {
	w := &world{signals: make(chan os.Signal), close: func() error { return nil }}
	w.Env = Env{
		Args: args, Stdout: &w.out, Stderr: &w.err, Signals: w.signals,
		ReadFile: func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Start: func(o router.Options) (Router, error) {
			w.options = o
			return w, nil
		},
	}
	return w
}

func (w *world) Addr() string                { return "127.0.0.1:8350" }
func (w *world) AdminAddr() string           { return "127.0.0.1:8351" }
func (w *world) Reload() error               { w.reloads++; return w.reload }
func (w *world) Close(context.Context) error { return w.close() }

func (w *world) start() <-chan int {
	done := make(chan int, 1)
	go func() { done <- Run(&w.Env) }()
	return done
}

func TestSignalsEndTheRouterInAnOrderlyWay(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("--cluster=10.0.0.1:8342,10.0.0.2:8342")
			done := w.start()
			synctest.Wait()
			for _, want := range []string{"127.0.0.1:8350", "http://127.0.0.1:8351", "10.0.0.1:8342,10.0.0.2:8342", "redis-cli -p 8350"} {
				if !strings.Contains(w.out.String(), want) {
					t.Errorf("standard output does not name %s: %s", want, w.out.String())
				}
			}
			w.signals <- sig
			if code := <-done; code != 0 {
				t.Errorf("%s: exit code %d: %s", sig, code, w.err.String())
			}
		})
	}
}

func TestSIGHUPReloadsAndNeverEndsTheRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--cluster=a:1", "--log-format=json")
		done := w.start()
		w.signals <- syscall.SIGHUP
		synctest.Wait()
		w.reload = errors.New("users.toml: line 3:\nnonsense")
		w.signals <- syscall.SIGHUP
		synctest.Wait()
		if w.reloads != 2 || !strings.Contains(w.err.String(), "users and certificates reloaded") || !strings.Contains(w.err.String(), "line 3:; nonsense") {
			t.Errorf("%d reloads: %s", w.reloads, w.err.String())
		}
		w.signals <- syscall.SIGTERM
		if code := <-done; code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--cluster=a:1")
		never := make(chan struct{})
		defer close(never)
		w.close = func() error { <-never; return nil }
		done := w.start()
		w.signals <- syscall.SIGTERM
		synctest.Wait()
		w.signals <- syscall.SIGTERM // the same request, delivered twice
		time.Sleep(program.SameStop)
		w.signals <- syscall.SIGHUP // says nothing about stopping
		synctest.Wait()
		select {
		case code := <-done:
			t.Fatalf("it ended with %d: %s", code, w.err.String())
		default:
		}
		w.signals <- syscall.SIGINT
		if code := <-done; code != 1 || !strings.Contains(w.err.String(), "second signal") {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
	})
}

func TestARouterThatDoesNotStopIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--cluster=a:1", "--shutdown-timeout=3s")
		never := make(chan struct{})
		defer close(never)
		w.close = func() error { <-never; return nil }
		done := w.start()
		began := time.Now()
		w.signals <- syscall.SIGTERM
		if code := <-done; code != 1 || !strings.Contains(w.err.String(), "not stopped within 8s") {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFailuresAreOneLineAndExitCode1(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		set  func(*world)
		want string
	}{
		"no cluster":       {nil, nil, "--cluster"},
		"bad setting":      {[]string{"--cluster=a:1", "--max-requests=0"}, nil, "--max-requests"},
		"unknown flag":     {[]string{"--clster=a:1"}, nil, `did you mean "cluster"?`},
		"unknown command":  {[]string{"confg"}, nil, `did you mean "config"?`},
		"variable":         {nil, func(w *world) { w.Environ = []string{"VEGA_ROUTER_CLUTER=a:1"} }, "VEGA_ROUTER_CLUSTER"},
		"missing file":     {[]string{"--config=nowhere.toml"}, nil, "nowhere.toml"},
		"exposed":          {[]string{"--cluster=a:1", "--addr=:8350"}, nil, "--allow-no-auth"},
		"version argument": {[]string{"version", "x"}, nil, `"x"`},
		"no start": {[]string{"--cluster=a:1"}, func(w *world) {
			w.Start = func(router.Options) (Router, error) { return nil, fmt.Errorf("two\nlines") }
		}, "two; lines"},
		"no clean stop": {[]string{"--cluster=a:1"}, func(w *world) {
			w.close = func() error { return errors.New("boom") }
			go func() { w.signals <- syscall.SIGTERM }()
		}, "not cleanly: boom"},
	} {
		w := newWorld(tc.args...)
		if tc.set != nil {
			tc.set(w)
		}
		code := Run(&w.Env)
		last := w.err.String()
		if i := strings.LastIndex(strings.TrimSpace(last), "\n"); i >= 0 {
			last = last[i+1:]
		}
		if code != 1 || !strings.HasPrefix(last, "vega-router: ") || !strings.Contains(last, tc.want) {
			t.Errorf("%s: exit code %d: %q, want %q", name, code, last, tc.want)
		}
	}
}

func TestHelpShowsEverySettingAndExamples(t *testing.T) {
	w := newWorld("--help")
	if code := Run(&w.Env); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, s := range config.RouterTable().Rows {
		if !strings.Contains(w.out.String(), "--"+s.Name) {
			t.Errorf("help does not name --%s", s.Name)
		}
	}
	for _, want := range []string{"Examples:", "vega-router --cluster 127.0.0.1:8342", "VEGA_ROUTER_CLUSTER=", "Limits"} {
		if want != "Limits" && !strings.Contains(w.out.String(), want) {
			t.Errorf("help does not contain %q", want)
		}
	}
}

func TestConfigPrintsWhatWouldBeInEffect(t *testing.T) {
	w := newWorld("config", "--cluster=a:1", "--request-timeout=2s")
	w.Environ = []string{"VEGA_ROUTER_LOG_LEVEL=debug"}
	if code := Run(&w.Env); code != 0 {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	for _, want := range []string{`cluster = "a:1"`, `request-timeout = "2s"`, "# flag", "# environment", "# default"} {
		if !strings.Contains(w.out.String(), want) {
			t.Errorf("%q is missing in %s", want, w.out.String())
		}
	}
	w = newWorld("version")
	if code := Run(&w.Env); code != 0 || !strings.HasPrefix(w.out.String(), "vega-router ") {
		t.Errorf("version: %d %q", code, w.out.String())
	}
}

func TestThePackagedSettingsAreRight(t *testing.T) {
	path := filepath.Join("..", "..", "packaging", "vega-router.toml")
	if _, err := config.RouterTable().Load([]string{"--config", path}, nil, os.ReadFile); err != nil {
		t.Error(err)
	}
}

package servercmd

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/admin"
	"github.com/prakashpandey/vegadb/internal/config"
	"github.com/prakashpandey/vegadb/internal/program"
)

func TestSignalsEndTheServerInAnOrderlyWay(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, loading := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				if !loading {
					w.node.loaded <- nil
				}
				done := w.start()
				synctest.Wait()
				if ready := strings.Contains(w.out.String(), "Ready"); ready == loading {
					t.Errorf("loading %v: standard output is %q", loading, w.out.String())
				}
				w.signals <- sig
				if code := <-done; code != 0 {
					t.Errorf("%s: exit code %d: %s", sig, code, w.err.String())
				}
				<-w.node.closed
			})
		}
	}
}

func TestASignalEndsAStartThatHasToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--join", "127.0.0.1:8344")
		seeds := make(chan struct{}) // that answer in the end
		defer close(seeds)
		w.Launch = func(vegadb.Config) (Node, error) {
			<-seeds
			return nil, errBoom
		}
		done := w.start()
		w.signals <- syscall.SIGHUP // nothing to reload yet
		synctest.Wait()
		select {
		case code := <-done:
			t.Fatalf("ended with %d on SIGHUP", code)
		default:
		}
		w.signals <- syscall.SIGINT
		if code := <-done; code != 0 || !strings.Contains(w.err.String(), "stopped before it had started") {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
	})
}

func TestShutdownByAClientEndsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node.loaded <- nil
		done := w.start()
		synctest.Wait()
		for range 3 {
			w.node.cfg.OnShutdown() // must not block, however often it is sent
		}
		if code := <-done; code != 0 {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
	})
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		never := make(chan struct{})
		defer close(never)
		w.node.close = func() error { <-never; return nil }
		w.node.loaded <- nil
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

func TestANodeThatDoesNotStopIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--shutdown-timeout=3s")
		never := make(chan struct{})
		defer close(never)
		w.node.close = func() error { <-never; return nil }
		w.node.loaded <- nil
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
		"bad setting":     {[]string{"--partitions=-1"}, nil, "--partitions"},
		"unknown flag":    {[]string{"--fsink=always"}, nil, `did you mean "fsync"?`},
		"unknown command": {[]string{"chek"}, nil, `unknown command "chek"`},
		"variable":        {nil, func(w *world) { w.Environ = []string{"VEGA_FSYNCH=always"} }, "VEGA_FSYNC"},
		"missing file":    {[]string{"--config=nowhere.toml"}, nil, "nowhere.toml"},
		"no launch": {nil, func(w *world) {
			w.Launch = func(vegadb.Config) (Node, error) { return nil, fmt.Errorf("two\nlines: %w", errBoom) }
		}, "two; lines: boom"},
		"no load":          {nil, func(w *world) { w.node.loaded <- errBoom }, "boom"},
		"version argument": {[]string{"version", "x"}, nil, `"x"`},
		"config argument":  {[]string{"config", "x"}, nil, `"x"`},
		"config flag":      {[]string{"config", "--memory=1g"}, nil, "unknown flag --memory"},
		"empty password":   {[]string{"hash-password"}, nil, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(tc.args...)
			if tc.set != nil {
				tc.set(w)
			}
			if code := Run(&w.Env); code != 1 {
				t.Errorf("exit code %d", code)
			}
			wantOneLine(t, w, tc.want)
		})
	}
}

func TestSighupReloadsAndNeverEndsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		fail := true
		w.node.reload = func() error {
			if fail {
				return errBoom
			}
			return nil
		}
		w.node.loaded <- nil
		done := w.start()
		w.signals <- syscall.SIGHUP
		synctest.Wait()
		if !strings.Contains(w.err.String(), "level=ERROR") || !strings.Contains(w.err.String(), "boom") {
			t.Errorf("a failed reload is not told: %s", w.err.String())
		}
		fail = false
		w.signals <- syscall.SIGHUP
		synctest.Wait()
		if !strings.Contains(w.err.String(), "reloaded") || len(w.node.reloads) != 2 {
			t.Errorf("%d reloads: %s", len(w.node.reloads), w.err.String())
		}
		select {
		case code := <-done:
			t.Fatalf("it ended with %d", code)
		default:
		}
		w.signals <- syscall.SIGTERM
		<-done
	})
}

func TestAFatalErrorEndsTheProcessWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node.loaded <- nil
		done := w.start()
		synctest.Wait()
		w.node.cfg.OnFatal(fmt.Errorf("fsync log/1: %w", errBoom))
		if code := <-w.exits; code != 1 || !strings.Contains(w.err.String(), "fsync log/1: boom") {
			t.Errorf("exit code %d: %s", code, w.err.String())
		}
		w.signals <- syscall.SIGTERM
		<-done
	})
}

func TestLogLevelFollowsConfigSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--log-level=error")
		w.node.loaded <- nil
		done := w.start()
		synctest.Wait()
		w.node.cfg.Logger.Info("hidden")
		now := config.Default()
		now.LogLevel = "debug"
		if err := w.node.cfg.OnSettings(nil, &now); err != nil {
			t.Fatal(err)
		}
		w.node.cfg.Logger.Debug("shown")
		if text := w.err.String(); strings.Contains(text, "hidden") || !strings.Contains(text, "shown") {
			t.Error(text)
		}
		w.signals <- syscall.SIGTERM
		<-done
	})
}

func TestTheBannerSaysWhereAndWhatIsPromised(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Server)
		want   []string
		not    []string
	}{
		"default": {func(*config.Server) {}, []string{
			"127.0.0.1:8342", "native protocol and RESP", "http://127.0.0.1:8343", "./vega-data", "on disk before its reply (fsync always)",
			"vega-client put greeting hello\n", "redis-cli -p 8342 get greeting\n",
		}, []string{"users", "TLS"}},
		"in memory": {func(c *config.Server) { c.InMemory, c.AdminAddr = true, "" }, []string{"gone when the server ends"}, []string{"vega-data", "fsync", "http"}},
		"guarded":   {func(c *config.Server) { c.UsersFile, c.TLSCert = "u.toml", "c" }, []string{"u.toml", "over TLS", "Ctrl-C"}, []string{"redis-cli"}},
		"alone":     {func(*config.Server) {}, []string{"peers    127.0.0.1:8344; others join with --join 127.0.0.1:8344\n", "12 keys in 64 partitions"}, []string{"cluster status"}},
		"member": {func(c *config.Server) { c.Join = "10.0.0.1:8344" }, []string{
			"peers    127.0.0.1:8344, of the cluster at 10.0.0.1:8344\n", "one of 4 nodes of the cluster 0b7d3f1e.", "when 2 of the 3 copies of its partition have it",
			"vega-client cluster status\n", "redis-cli -c -p 8342 get greeting\n",
		}, []string{"others join"}},
		"open": {func(c *config.Server) { c.AllowNoAuth, c.Fsync = true, "everysec" }, []string{"allow-no-auth", "may lose that second"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			tc.change(&c)
			node := newFakeNode()
			node.cfg.Server = c
			node.cluster = &admin.Cluster{Replicas: 3, Members: make([]admin.Member, 1)}
			if name == "member" {
				node.cluster.Members = make([]admin.Member, 4)
			}
			var b strings.Builder
			writeBanner(&b, c, node)
			writeReady(&b, c, node, 1234*time.Microsecond)
			for _, want := range tc.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%q is missing in\n%s", want, b.String())
				}
			}
			for _, not := range tc.not {
				if strings.Contains(b.String(), not) {
					t.Errorf("%q is in\n%s", not, b.String())
				}
			}
			if lines := strings.Count(b.String(), "\n"); lines > 10 {
				t.Errorf("%d lines are not a few:\n%s", lines, b.String())
			}
		})
	}
}

func TestJSONLogsStandAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("--log-format=json")
		w.node.loaded <- nil
		done := w.start()
		synctest.Wait()
		w.signals <- syscall.SIGTERM
		<-done
		if w.out.String() != "" {
			t.Errorf("standard output: %q", w.out.String())
		}
		for _, line := range strings.Split(strings.TrimSpace(w.err.String()), "\n") {
			if !strings.HasPrefix(line, "{") {
				t.Errorf("not JSON: %s", line)
			}
		}
	})
}

func TestLoadingShowsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Terminal = func(io.Writer) bool { return true }
		w.node.progress = func() (int64, int64) { return 1, 4 }
		done := w.start()
		time.Sleep(3 * terminalEvery)
		synctest.Wait()
		if !strings.Contains(w.err.String(), "\rloading snapshots [########......................]  25 %") {
			t.Errorf("on a terminal: %q", w.err.String())
		}
		w.node.loaded <- nil
		synctest.Wait()
		if !strings.HasSuffix(w.err.String(), " \r") {
			t.Errorf("the line is left on the terminal: %q", w.err.String())
		}
		w.signals <- syscall.SIGTERM
		<-done
	})
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		p := newProgressLine(&b, false, slog.New(slog.NewTextHandler(&b, nil)))
		p.show("snapshots", 1, 4)
		p.show("log", 5, 0)
		p.end()
		p.end()
		if text := b.String(); strings.Contains(text, "\r") || !strings.Contains(text, "what=snapshots percent=25") || !strings.Contains(text, "what=log\n") {
			t.Errorf("elsewhere: %q", text)
		}
	})
}

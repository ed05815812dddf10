package program

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"github.com/prakashpandey/vegadb/internal/config"
)

// run executes a program of the server's settings. It runs by noting what it was given.
func run(args, environ []string, ran func(config.Server) error) (code int, out, complaints string) {
	var stdout, stderr bytes.Buffer
	p := &Program[config.Server]{
		Table: config.ServerTable(), Short: "a test", Help: Help{Usage: "USAGE\n", Examples: "EXAMPLES\n", Flags: "  --more n\n"},
		Environ: environ, Stdout: &stdout, Stderr: &stderr,
		ReadFile: func(path string) ([]byte, error) {
			if path != "f.toml" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte("partitions = 8\n"), nil
		},
	}
	root := p.Root(func(_ *cobra.Command, c config.Server) error { return ran(c) })
	root.AddCommand(p.Config("LONG", "EXAMPLE"), p.Version())
	code = p.Execute(root, args)
	return code, stdout.String(), stderr.String()
}

func TestTheProgramRunsWithTheSettingsInEffect(t *testing.T) {
	var got config.Server
	code, _, complaints := run([]string{"--config=f.toml", "--addr=127.0.0.1:7"}, []string{"VEGA_LOG_LEVEL=debug"}, func(c config.Server) error {
		got = c
		return nil
	})
	if code != 0 || complaints != "" || got.Partitions != 8 || got.Addr != "127.0.0.1:7" || got.LogLevel != "debug" {
		t.Errorf("exit code %d, %q, %+v", code, complaints, got)
	}
}

func TestWhatGoesWrongIsOneLineAndExitCode1(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		err  error
		want string
	}{
		"flag":     {[]string{"--partitons=3"}, nil, `did you mean "partitions"?`},
		"command":  {[]string{"confg"}, nil, `unknown command "confg" (did you mean "config"?)`},
		"argument": {[]string{"version", "x"}, nil, `version takes no argument, and "x" is one`},
		"setting":  {[]string{"--partitions=-1"}, nil, "partitions"},
		"file":     {[]string{"config", "--config=nowhere"}, nil, "nowhere"},
		"failure":  {nil, errors.New("two\r\nlines"), "two; lines"},
	} {
		code, out, complaints := run(tc.args, nil, func(config.Server) error { return tc.err })
		if code != 1 || out != "" || strings.Count(complaints, "\n") != 1 || !strings.HasPrefix(complaints, "vega-server: ") || !strings.Contains(complaints, tc.want) {
			t.Errorf("%s: exit code %d, %q, %q, want %q", name, code, out, complaints, tc.want)
		}
	}
}

func TestHelpIsMadeOfTheProgramsTextsItsCommandsAndItsSettings(t *testing.T) {
	_, out, _ := run([]string{"--help"}, nil, nil)
	at := 0
	for _, want := range []string{
		"USAGE\n\nCommands:\n", "  config [settings]", "  version ", "\nExamples:\nEXAMPLES\n", "--config file", "--more n", "--help ", "--addr ",
	} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing, or not behind what it belongs behind:\n%s", want, out)
		}
		at += i
	}
	if _, out, _ = run([]string{"config", "--help"}, nil, nil); !strings.Contains(out, "LONG") || !strings.Contains(out, "EXAMPLE") {
		t.Errorf("help of config: %s", out)
	}
}

func TestConfigAndVersionPrintWhatTheySay(t *testing.T) {
	code, out, _ := run([]string{"config", "--config=f.toml"}, nil, nil)
	if code != 0 || !strings.Contains(out, "partitions = 8") || !strings.Contains(out, "# file") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, out, _ := run([]string{"version"}, nil, nil); code != 0 || !strings.HasPrefix(out, "vega-server ") || strings.Count(out, "\n") != 1 {
		t.Errorf("exit code %d: %q", code, out)
	}
}

// stopping is a Stop with its log and its signals.
func stopping() (s *Stop, log *bytes.Buffer, signals chan os.Signal) {
	log, signals = &bytes.Buffer{}, make(chan os.Signal)
	logger := slog.New(slog.NewTextHandler(log, nil))
	return &Stop{Timeout: 3 * time.Second, Signals: signals, Logger: logger, AtOnce: "AT ONCE", GivenUp: "; GIVEN UP"}, log, signals
}

func TestStoppingHasTheTimeItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log, _ := stopping()
		err := s.Run("a reason", func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		if err != nil || !strings.Contains(log.String(), `because="a reason" timeout=3s`) || !strings.Contains(log.String(), "msg=stopped") {
			t.Errorf("%v: %s", err, log)
		}
		if err := s.Run("", func(context.Context) error { return errors.New("boom") }); err == nil || err.Error() != "stopped, but not cleanly: boom" {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatDoesNotStopIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, signals := stopping()
		never := make(chan struct{})
		defer close(never)
		hang := func(context.Context) error { <-never; return nil }
		began := time.Now()
		if err := s.Run("", hang); err == nil || err.Error() != "not stopped within 8s, giving up; GIVEN UP" || time.Since(began) != 8*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run("", hang) }()
		synctest.Wait()
		signals <- syscall.SIGTERM // the first one, delivered twice
		time.Sleep(SameStop)
		signals <- syscall.SIGHUP // says nothing about stopping
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("ended too early: %v", err)
		default:
		}
		signals <- syscall.SIGINT
		if err := <-ended; err == nil || err.Error() != "ended at once, on the second signal; AT ONCE" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAReloadIsLogged(t *testing.T) {
	_, log, _ := stopping()
	logger := slog.New(slog.NewTextHandler(log, nil))
	Reload(logger, func() error { return nil })
	Reload(logger, func() error { return errors.New("line 3:\nnonsense") })
	for _, want := range []string{"users and certificates reloaded", `error="line 3:; nonsense"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in %s", want, log)
		}
	}
}

func TestTheLogIsOfTheFormAndLevelThatTheSettingsSay(t *testing.T) {
	for format, want := range map[string]string{"text": "level=WARN msg=b", "json": `"msg":"b"`} {
		var out bytes.Buffer
		level := new(slog.LevelVar)
		logger := NewLogger(&out, &config.Server{LogFormat: format, LogLevel: "warn"}, level)
		logger.Info("a")
		logger.Warn("b")
		level.Set(slog.LevelInfo)
		logger.Info("c")
		if text := out.String(); strings.Contains(text, "a\n") || !strings.Contains(text, want) || strings.Count(text, "\n") != 2 {
			t.Errorf("%s: %s", format, text)
		}
	}
}

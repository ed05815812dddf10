package servercmd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/internal/auth"
	"github.com/prakashpandey/vegadb/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestHelpNamesCommandsExamplesAndEverySetting(t *testing.T) {
	for name, args := range map[string][]string{"help": {"--help"}, "help-repair": {"repair", "--help"}} {
		w := newWorld(args...)
		if code := Run(&w.Env); code != 0 || w.err.String() != "" {
			t.Fatalf("exit code %d: %s", code, w.err.String())
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(w.out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if w.out.String() != string(want) {
			t.Errorf("%s is out of date: run go test ./internal/servercmd -update\n%s", path, w.out.String())
		}
	}
}

func TestConfigPrintsAFileThatGivesTheSameSettings(t *testing.T) {
	w := newWorld("config", "--config=f", "--fsync=never")
	w.files["f"] = "partitions = 8\n"
	w.Environ = []string{"VEGA_MEMORY_LIMIT=1GiB"}
	if code := Run(&w.Env); code != 0 {
		t.Fatal(w.err.String())
	}
	text := w.out.String()
	for _, want := range []string{"# flag", "# file", "# environment", "# default"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	c, err := config.Load([]string{"--config=x"}, nil, func(string) ([]byte, error) { return []byte(text), nil })
	if err != nil || c.Partitions != 8 || c.Fsync != "never" || c.MemoryLimit != 1<<30 {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestVersion(t *testing.T) {
	w := newWorld("version")
	if code := Run(&w.Env); code != 0 || !strings.HasPrefix(w.out.String(), "vega-server "+vegadb.Version+" (go") {
		t.Errorf("%d: %q", code, w.out.String())
	}
}

func TestHashPasswordMakesWhatTheUsersFileWants(t *testing.T) {
	ask := func(answers ...string) func() (string, error) {
		return func() (string, error) {
			a := answers[0]
			answers = answers[1:]
			return a, nil
		}
	}
	for name, tc := range map[string]struct {
		set  func(*world)
		fail string
	}{
		"pipe":             {func(w *world) { w.Stdin = strings.NewReader("s3cret\nrest") }, ""},
		"pipe, no newline": {func(w *world) { w.Stdin = strings.NewReader("s3cret") }, ""},
		"terminal":         {func(w *world) { w.ReadPassword = ask("s3cret", "s3cret") }, ""},
		"typing slip":      {func(w *world) { w.ReadPassword = ask("s3cret", "s3cert") }, "differ"},
		"nothing":          {func(w *world) {}, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld("hash-password")
			tc.set(w)
			code := Run(&w.Env)
			if tc.fail != "" {
				if code != 1 || !strings.Contains(w.err.String(), tc.fail) || w.out.String() != "" {
					t.Errorf("%d: %q, %q", code, w.out.String(), w.err.String())
				}
				return
			}
			if code != 0 || strings.Count(w.out.String(), "\n") != 1 {
				t.Fatalf("%d: %q, %q", code, w.out.String(), w.err.String())
			}
			if strings.Contains(w.out.String()+w.err.String(), "s3cret") {
				t.Error("the password is shown")
			}
			f, err := w.FS.Create("users")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(f, "[users.a]\nrole = \"admin\"\npassword = %q\n", strings.TrimSpace(w.out.String()))
			f.Close()
			users, err := auth.Load(w.FS, "users")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := users.Authenticate("a", "s3cret"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheExampleConfigurationLoads(t *testing.T) {
	c, err := config.Load([]string{"--config", filepath.Join("..", "..", "packaging", "vega-server.toml")}, nil, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/vegadb" {
		t.Errorf("data-dir is %s", c.DataDir)
	}
}

func TestTheExampleUsersFileIsAccepted(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "packaging", "users.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	f, err := w.FS.Create("users")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(data)
	f.Close()
	users, err := auth.Load(w.FS, "users")
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]auth.Role{"default": auth.Read, "shop": auth.Write, "ops": auth.Admin} {
		if u, _ := users.Current(name); u == nil || u.Role != role {
			t.Errorf("%s is %+v", name, u)
		}
		if _, err := users.Authenticate(name, "change-me"); err != nil {
			t.Errorf("the password that the file's comment names does not work for %s", name)
		}
	}
}

// The drop-in's variables have to be settings, and together make a node that may start.
func TestTheExampleDropInForAClusterIsAccepted(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "packaging", "vega-server-cluster.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var environ []string
	for line := range strings.Lines(string(data)) {
		if variable, ok := strings.CutPrefix(strings.TrimSpace(line), "Environment="); ok {
			environ = append(environ, variable)
		}
	}
	c, err := config.Load([]string{"--data-dir", "/var/lib/vegadb"}, environ, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Join == "" || c.PeerTLSCA == "" || c.UsersFile == "" {
		t.Errorf("%d variables, and they set too little: %+v", len(environ), c)
	}
}

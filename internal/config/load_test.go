package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func files(content map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if text, ok := content[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
}

func TestFlagsOverrideEnvironmentOverridesFileOverridesDefault(t *testing.T) {
	const file = "partitions = 8\nlog-level = \"debug\"\nmax-connections = 7\n"
	for _, tc := range []struct {
		name      string
		args, env []string
		want      int
	}{
		{"default", nil, nil, 0},
		{"file", []string{"--config", "f"}, nil, 8},
		{"file named by the environment", nil, []string{"VEGA_CONFIG=f"}, 8},
		{"environment over default", nil, []string{"VEGA_PARTITIONS=16"}, 16},
		{"environment over file", []string{"--config=f"}, []string{"VEGA_PARTITIONS=16"}, 16},
		{"flag over default", []string{"--partitions=32"}, nil, 32},
		{"flag over environment", []string{"--partitions=32"}, []string{"VEGA_PARTITIONS=16"}, 32},
		{"flag over file", []string{"--partitions=32", "--config=f"}, nil, 32},
		{"flag over both", []string{"--partitions", "32", "--config=f"}, []string{"VEGA_PARTITIONS=16"}, 32},
		{"flag at its default still wins", []string{"--partitions=0", "--config=f"}, []string{"VEGA_PARTITIONS=16"}, 0},
		{"config flag over config variable", []string{"--config", "f"}, []string{"VEGA_CONFIG=missing"}, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Load(tc.args, tc.env, files(map[string]string{"f": file}))
			if err != nil {
				t.Fatal(err)
			}
			if c.Partitions != tc.want {
				t.Errorf("partitions = %d, want %d", c.Partitions, tc.want)
			}
			if usesFile := slices.ContainsFunc(append(tc.args, tc.env...), func(s string) bool {
				return strings.Contains(s, "config") || strings.Contains(s, "CONFIG")
			}); usesFile && (c.LogLevel != "debug" || c.MaxConnections != 7) {
				t.Errorf("the file's other lines are lost: %+v", c)
			}
		})
	}
}

// companions are what a setting's example needs beside it to be valid.
var companions = map[string][]string{
	"tls-cert":      {"tls-key", "k"},
	"tls-key":       {"tls-cert", "c"},
	"tls-client-ca": {"tls-cert", "c", "tls-key", "k"},
	"output-limit":  {"max-value-bytes", "1MiB"},
	"peer-tls-cert": {"peer-tls-key", "k", "peer-tls-ca", "a"},
	"peer-tls-key":  {"peer-tls-cert", "c", "peer-tls-ca", "a"},
	"peer-tls-ca":   {"peer-tls-cert", "c", "peer-tls-key", "k"},
}

func TestEverySettingRoundTripsThroughFlagEnvironmentAndFile(t *testing.T) {
	for _, s := range Settings() {
		want := Default()
		var args, env []string
		var file strings.Builder
		line := func(name, text string) { file.WriteString(name + " = " + `"` + text + `"` + "\n") }
		for i := 0; i+1 < len(companions[s.Name]); i += 2 {
			name, text := companions[s.Name][i], companions[s.Name][i+1]
			args = append(args, "--"+name+"="+text)
			env = append(env, ServerTable().Env(Lookup(name))+"="+text)
			line(name, text)
			if err := Lookup(name).Set(&want, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Set(&want, s.Example); err != nil {
			t.Fatal(err)
		}
		line(s.Name, s.Get(&want)) // the canonical form must read back too
		for way, load := range map[string]func() (Server, error){
			"flag": func() (Server, error) { return Load(append(args, "--"+s.Name, s.Example), nil, files(nil)) },
			"env":  func() (Server, error) { return Load(nil, append(env, ServerTable().Env(s)+"="+s.Example), files(nil)) },
			"file": func() (Server, error) {
				return Load([]string{"--config=f"}, nil, files(map[string]string{"f": file.String()}))
			},
		} {
			if s.Type() == "bool" && way == "flag" {
				load = func() (Server, error) { return Load(append(args, "--"+s.Name), nil, files(nil)) }
			}
			got, err := load()
			if err != nil {
				t.Errorf("%s by %s: %v", s.Name, way, err)
			} else if got != want {
				t.Errorf("%s by %s:\n got %+v\nwant %+v", s.Name, way, got, want)
			}
		}
	}
}

func TestFileTakesBareNumbersAndBooleans(t *testing.T) {
	c, err := Load([]string{"--config=f"}, nil, files(map[string]string{
		"f": "in-memory = true\nmemory-limit = 1073741824\nidle-timeout = 90\ntls-min-version = 1.2\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !c.InMemory || c.MemoryLimit != 1<<30 || c.IdleTimeout.Seconds() != 90 || c.TLSMinVersion != "1.2" {
		t.Errorf("%+v", c)
	}
}

func TestEachMistakeIsOneLineThatNamesIt(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		env  []string
		file string
		want []string
	}{
		{name: "unknown flag", args: []string{"--memroy-limit=1g"}, want: []string{"--memroy-limit", `did you mean "memory-limit"?`}},
		{name: "unknown flag, nothing near", args: []string{"--zzzzzzzzzzzz=1"}, want: []string{"unknown flag --zzzzzzzzzzzz"}},
		{name: "unknown shorthand", args: []string{"-x"}, want: []string{"-x"}},
		{name: "stray argument", args: []string{"8342"}, want: []string{`"8342"`}},
		{name: "flag without value", args: []string{"--addr"}, want: []string{"--addr needs a value"}},
		{name: "bad flag value", args: []string{"--fsync=sometimes"}, want: []string{"--fsync", "sometimes", "always, everysec, never"}},
		{name: "bad size", args: []string{"--memory-limit=lots"}, want: []string{"--memory-limit", "lots", "64MiB"}},
		{name: "negative size", args: []string{"--memory-limit=-1"}, want: []string{"--memory-limit"}},
		{name: "size out of range", args: []string{"--max-value-bytes=1TiB"}, want: []string{"--max-value-bytes", "1TiB", "512MiB"}},
		{name: "bad duration", args: []string{"--idle-timeout=soon"}, want: []string{"--idle-timeout", "soon", "30s"}},
		{name: "number out of range", args: []string{"--partitions=-1"}, want: []string{"--partitions", "0 to 4096"}},
		{name: "not a number", args: []string{"--partitions=many"}, want: []string{"--partitions", "many"}},
		{name: "bad boolean", args: []string{"--in-memory=perhaps"}, want: []string{"--in-memory", "perhaps"}},
		{name: "bad environment value", env: []string{"VEGA_PARTITIONS=x"}, want: []string{"VEGA_PARTITIONS", `"x"`}},
		{name: "unknown variable", env: []string{"VEGA_MEMORYLIMIT=1g"}, want: []string{"VEGA_MEMORYLIMIT", "VEGA_MEMORY_LIMIT"}},
		{name: "unknown key", file: "memory_limit = 1", want: []string{"f: ", `"memory_limit"`, `did you mean "memory-limit"?`}},
		{name: "bad value in file", file: "partitions = \"x\"", want: []string{"f: ", "partitions", `"x"`}},
		{name: "table in file", file: "[addr]\nx = 1", want: []string{"f: ", "addr", "table"}},
		{name: "list in file", file: "addr = [\"a\"]", want: []string{"f: ", "addr", "list"}},
		{name: "syntax", file: "partitions = 8\naddr = ", want: []string{"f: line 2"}},
		{name: "key twice", file: "partitions = 8\npartitions = 9", want: []string{"f: line 2", "partitions"}},
		{name: "huge file", file: strings.Repeat("#\n", maxFileBytes), want: []string{"f: ", "too many"}},
		{name: "missing file", args: []string{"--config=missing"}, want: []string{"configuration file", "missing"}},
		{name: "control characters", args: []string{"--data-dir=a\nb"}, want: []string{"--data-dir", "control"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := tc.args
			if tc.file != "" {
				args = append(args, "--config=f")
			}
			_, err := Load(args, tc.env, files(map[string]string{"f": tc.file}))
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not contain %q", err, w)
				}
			}
		})
	}
}

func TestMissingFileIsRecognisable(t *testing.T) {
	if _, err := Load([]string{"--config=missing"}, nil, files(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

func TestVariablesOfOthersAreIgnored(t *testing.T) {
	c, err := Load(nil, []string{
		"VEGA_USER=u", "VEGA_PASSWORD=x", "VEGA_SERVICE_HOST=10.0.0.1", "VEGA_SERVICE_PORT=8342", "VEGA_PORT=tcp://10.0.0.1:8342",
		"VEGA_PORT_8342_TCP_ADDR=10.0.0.1", "VEGA_DB_SERVICE_PORT_DATA=8342", "VEGA_DB_PORT=tcp://x", "VEGAS=1", "HOME=/root", "odd",
	}, files(nil))
	if err != nil || c != Default() {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestOriginsSayWhereEachValueCameFrom(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	ServerTable().AddFlags(flags)
	if err := flags.Parse([]string{"--config=f", "--addr=127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	_, from, err := ServerTable().Resolve(flags, []string{"VEGA_PARTITIONS=2"}, files(map[string]string{"f": "partitions = 1\nfsync = \"never\""}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Origin{"addr": FromFlag, "partitions": FromEnv, "fsync": FromFile, "dir": "", "data-dir": FromDefault} {
		if from[name] != want {
			t.Errorf("%s is from %q, want %q", name, from[name], want)
		}
	}
}

package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLinesOfAPipeAreCarriedOut(t *testing.T) {
	w := serve(t)
	w.stdin = "put k \"a b\"\n\n# a comment\nget k\nget nope\nincr n -2\nput 'open\nquit\nput never done\n"
	r := w.run(t)
	r.want(t, exitNotFound, "~a b", "~nope: not found\n  in line 5: get\n")
	r.want(t, exitNotFound, "~-2\n", "~line 7: a quote is not closed")
	w.run(t, "get", "never").want(t, exitNotFound, "", "~not found")
	w.stdin = "put k2 v\n"
	w.run(t, "--json").want(t, exitOK, `{"key":"k2","version":1}`+"\n", "")
	w.stdin = "put k -\n"
	w.run(t).want(t, exitUsage, "", "~in the shell a value cannot come from standard input")
}

func TestShellCarriesOutLinesUntilQuit(t *testing.T) {
	state := t.TempDir()
	w := serve(t)
	w.terminal = true
	w.env["XDG_STATE_HOME"], w.env["NO_COLOR"] = state, "1"
	w.editor = &fakeEditor{lines: []string{"put k \"a b\"", "^C", "get k", "get nope", "", "gte k", " put secret value", "help incr", "^C", "^C", "exit", "get k"}}
	r := w.run(t)
	r.want(t, exitOK, "~VegaDB at 127.0.0.1:", "~nope: not found")
	r.want(t, exitOK, "~OK version 1\na b\n", "~unknown command \"gte\"; did you mean get")
	r.want(t, exitOK, "~Add DELTA", "~quit or Ctrl-D leaves the shell")
	if len(w.editor.lines) != 1 {
		t.Errorf("the shell did not end at exit: %q", w.editor.lines)
	}
	if !strings.HasSuffix(w.editor.prompts[0], "> ") || !strings.Contains(w.editor.prompts[0], w.env["VEGA_ADDR"]) {
		t.Errorf("prompt %q", w.editor.prompts[0])
	}
	name := filepath.Join(state, "vegadb", "client_history")
	text, err := os.ReadFile(name)
	if err != nil || strings.Contains(string(text), "secret") || !strings.Contains(string(text), `put k "a b"`) {
		t.Errorf("history: %v %q", err, text)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("history: %v, mode %v: lines hold values", err, info.Mode())
	}
}

func TestShellEndsAtCtrlDAndTellsWhenTheServerIsNotThere(t *testing.T) {
	w := serve(t)
	w.terminal, w.editor = true, &fakeEditor{}
	w.run(t).want(t, exitOK, "~entries", "")
	world{terminal: true, editor: &fakeEditor{}, env: map[string]string{"VEGA_ADDR": "127.0.0.1:1"}}.run(t).
		want(t, exitUnreachable, "", "~cannot reach 127.0.0.1:1")
}

func TestALineOfTheShellMayHaveATimeoutOfItsOwn(t *testing.T) {
	w := serve(t)
	w.stdin = "put k v\nget k --timeout 1ns\nget k\nget k --timeout 20s\n"
	w.run(t).want(t, exitBusy, "1\nvv", "~in line 2: get")
}

func TestConnectionFlagsBelongToTheSession(t *testing.T) {
	w := serve(t)
	w.stdin = "get k --addr 127.0.0.1:1\n"
	w.run(t).want(t, exitUsage, "", "~unknown flag: --addr")
}

func TestCompletionOffersCommandsFlagsAndFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data.csv", "data.tsv", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := &session{env: world{}.build(nil, nil, nil), shell: true}
	for before, want := range map[string][]string{
		"per":                        {"persist "},
		"e":                          {"expire "},
		"qu":                         {"quit "},
		"sn":                         {"snapshot "},
		"help pi":                    {"ping "},
		"scan --pre":                 {"--prefix "},
		"scan --prefix a --k":        {"--keys-only "},
		"scan --js":                  {"--json "},
		"get k":                      nil,
		"nonsense ":                  nil,
		"load " + dir + "/da":        {dir + "/data.csv ", dir + "/data.tsv "},
		"dump " + dir + "/di":        {dir + "/dir/"},
		"bench --plot " + dir + "/o": {dir + "/other "},
	} {
		head, got := s.complete(before)
		if !strings.HasPrefix(before, head) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q + %q, want %q", before, head, got, want)
		}
	}
	if _, all := s.complete(""); len(all) < 18 {
		t.Errorf("an empty line offers %q", all)
	}
}

func TestHistoryFollowsTheXDGDirectories(t *testing.T) {
	for _, c := range []struct{ state, home, want string }{
		{"/s", "/h", "/s/vegadb/client_history"},
		{"", "/h", "/h/.local/state/vegadb/client_history"},
		{"relative", "/h", "/h/.local/state/vegadb/client_history"},
		{"", "", ""},
	} {
		got := historyFile(func(name string) string { return map[string]string{"XDG_STATE_HOME": c.state, "HOME": c.home}[name] })
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRouterDefaultsNeedOnlyTheCluster(t *testing.T) {
	r := DefaultRouter()
	if err := r.Validate(); err == nil || !strings.Contains(err.Error(), "--cluster") {
		t.Errorf("without a cluster: %v", err)
	}
	got, err := RouterTable().Load([]string{"--cluster", "a:1, b:2,"}, nil, files(nil))
	if err != nil {
		t.Fatal(err)
	}
	if a := got.Addresses(); len(a) != 2 || a[0] != "a:1" || a[1] != "b:2" {
		t.Errorf("addresses %q", a)
	}
}

// routerCompanions are what an example needs beside it to be valid.
var routerCompanions = map[string][]string{
	"tls-cert":                {"--tls-key=k"},
	"tls-key":                 {"--tls-cert=c"},
	"tls-client-ca":           {"--tls-cert=c", "--tls-key=k"},
	"output-limit":            {"--max-value-bytes=1MiB"},
	"cluster-user":            {"--cluster-password-file=p"},
	"cluster-password-file":   {"--cluster-user=u"},
	"cluster-tls-cert":        {"--cluster-tls-key=k", "--cluster-tls"},
	"cluster-tls-key":         {"--cluster-tls-cert=c", "--cluster-tls"},
	"cluster-tls-server-name": {"--cluster-tls"},
}

func TestEveryRouterSettingCanBeAFlagAVariableAndALineOfAFile(t *testing.T) {
	table := RouterTable()
	defaults := DefaultRouter()
	for _, s := range table.Rows {
		if s.Get(&defaults) == s.Example {
			t.Errorf("%s: the example is the default", s.Name)
		}
		args := routerCompanions[s.Name]
		if s.Name != "cluster" {
			args = append(args, "--cluster=n:1")
		}
		want, err := table.Load(append(args, "--"+s.Name+"="+s.Example), nil, files(nil))
		if err != nil {
			t.Errorf("%s as a flag: %v", s.Name, err)
			continue
		}
		if want == defaults {
			t.Errorf("%s changes nothing", s.Name)
		}
		byEnv, err := table.Load(args, []string{"VEGA_ROUTER_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "=" + s.Example}, files(nil))
		if err != nil || byEnv != want {
			t.Errorf("%s by the environment: %v\n got %+v\nwant %+v", s.Name, err, byEnv, want)
		}
		text := table.FileText(&want, nil)
		byFile, err := table.Load([]string{"--config=f"}, nil, files(map[string]string{"f": text}))
		if err != nil || byFile != want {
			t.Errorf("%s by a file: %v\n got %+v\nwant %+v", s.Name, err, byFile, want)
		}
	}
}

func TestRouterMistakesAreOneLineThatNamesThem(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"address", []string{"--cluster=a"}, nil, `cluster: "a" is not host:port`},
		{"half a login", []string{"--cluster=a:1", "--cluster-user=u"}, nil, "cluster-password-file"},
		{"half a pair", []string{"--cluster=a:1", "--cluster-tls", "--cluster-tls-cert=c"}, nil, "cluster-tls-key"},
		{"a certificate without TLS", []string{"--cluster=a:1", "--cluster-tls-cert=c", "--cluster-tls-key=k"}, nil, "cluster-tls-ca"},
		{"exposed", []string{"--cluster=a:1", "--addr=:8350"}, nil, "--allow-no-auth"},
		{"a server's setting", []string{"--cluster=a:1", "--data-dir=x"}, nil, "unknown flag --data-dir"},
		{"unknown variable", nil, []string{"VEGA_ROUTER_CLUSTR=a:1"}, "VEGA_ROUTER_CLUSTER"},
		{"output smaller than a value", []string{"--cluster=a:1", "--output-limit=1MiB"}, nil, "output-limit"},
	} {
		_, err := RouterTable().Load(tc.args, tc.env, files(nil))
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", tc.name, err, tc.want)
		}
	}
}

func TestServerAndRouterLeaveEachOthersVariablesAlone(t *testing.T) {
	if _, err := Load(nil, []string{"VEGA_ROUTER_CLUSTER=a:1", "VEGA_ROUTER_NONSENSE=1"}, files(nil)); err != nil {
		t.Errorf("server: %v", err)
	}
	env := []string{"VEGA_ADDR=1", "VEGA_ROUTER_CLUSTER=a:1", "VEGA_ROUTER_SERVICE_HOST=10.0.0.1", "VEGA_ROUTER_PORT=tcp://10.0.0.1:8350"}
	if r, err := RouterTable().Load(nil, env, files(nil)); err != nil || r.Cluster != "a:1" || r.Front.Addr != "127.0.0.1:8350" {
		t.Errorf("router: %v, %+v", err, r)
	}
}

func TestNoRouterSettingHoldsASecret(t *testing.T) {
	for _, s := range RouterTable().Rows {
		for _, word := range []string{"password", "secret", "token"} {
			if strings.Contains(s.Name, word) && !strings.HasSuffix(s.Name, "-file") {
				t.Errorf("%s looks like a secret: CONFIG GET would show it", s.Name)
			}
		}
	}
}

func TestRouterParametersSpeakRedisUnderRedisNames(t *testing.T) {
	r := DefaultRouter()
	got := map[string]string{}
	for _, p := range RouterParameters(&r, func(string) bool { return true }) {
		if _, twice := got[p.Name]; twice {
			t.Errorf("%s is listed twice", p.Name)
		}
		got[p.Name] = p.Value
	}
	for name, want := range map[string]string{"maxclients": "10000", "max-connections": "10000", "timeout": "0", "request-timeout": "5s"} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

func TestTheRoutersDocumentationIsWhatTheTableSays(t *testing.T) {
	const begin, end = "<!-- settings:begin, written by go test ./internal/config -update -->\n", "<!-- settings:end -->"
	path := filepath.Join("..", "..", "docs", "router.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the settings", path)
	}
	golden(t, path, before+begin+RouterMarkdown()+"\n"+end+after)
}

func TestTheRoutersHelpIsWhatTheTableSays(t *testing.T) {
	golden(t, filepath.Join("testdata", "router-help.golden"), RouterTable().Help())
}

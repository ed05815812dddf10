package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// Origin says where a value came from.
type Origin string

// The origins, weakest first: each overrides those before it.
const (
	FromDefault Origin = "default"
	FromFile    Origin = "file"
	FromEnv     Origin = "environment"
	FromFlag    Origin = "flag"
)

// Origins maps setting names to where their values came from.
type Origins map[string]Origin

// FileFlag names the flag (and, upper case, the environment variable) that
// points at the configuration file. It is not a setting: a file cannot name
// another one.
const FileFlag = "config"

const fileEnv = EnvPrefix + "CONFIG"

// Load makes the settings from defaults, file, environment and flags, each
// overriding the one before. args are the command line without the program's
// name, env is in the form of os.Environ. The file is the one named by
// --config or VEGA_CONFIG; without either none is read.
func Load(args, env []string, readFile func(string) ([]byte, error)) (Server, error) {
	flags := pflag.NewFlagSet("vega-server", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return Server{}, FlagError(err)
	}
	if flags.NArg() > 0 {
		return Server{}, fmt.Errorf("unexpected argument %q: settings are written --name value", flags.Arg(0))
	}
	c, _, err := Resolve(flags, env, readFile)
	return c, err
}

// AddFlags registers every setting, and --config, with flags. The values are
// kept in the flag set until Resolve reads those that were given.
func AddFlags(flags *pflag.FlagSet) {
	flags.String(FileFlag, "", "TOML file of settings")
	shown := Default()
	for _, s := range Settings() {
		v := s.bind(&shown)
		f := flags.VarPF(v, s.Name, "", s.Help)
		if v.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// Resolve is Load for flags that were registered by AddFlags and parsed
// elsewhere. It also tells where each value came from.
func Resolve(flags *pflag.FlagSet, env []string, readFile func(string) ([]byte, error)) (Server, Origins, error) {
	c := Default()
	from := Origins{}
	for _, s := range Settings() {
		from[s.Name] = FromDefault
	}

	vars, path, err := readEnv(env)
	if err != nil {
		return Server{}, nil, err
	}
	if f := flags.Lookup(FileFlag); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path != "" {
		data, err := readFile(path)
		if err != nil {
			return Server{}, nil, fmt.Errorf("cannot read the configuration file: %w", err)
		}
		keys, err := ApplyFile(&c, path, data)
		if err != nil {
			return Server{}, nil, err
		}
		for _, k := range keys {
			from[k] = FromFile
		}
	}
	for _, s := range Settings() {
		if text, ok := vars[s.Env()]; ok {
			if err := s.bind(&c).Set(text); err != nil {
				return Server{}, nil, fmt.Errorf("%s: %w", s.Env(), err)
			}
			from[s.Name] = FromEnv
		}
		if f := flags.Lookup(s.Name); f != nil && f.Changed {
			if err := s.bind(&c).Set(f.Value.String()); err != nil {
				return Server{}, nil, fmt.Errorf("--%s: %w", s.Name, err)
			}
			from[s.Name] = FromFlag
		}
	}
	if err := c.Validate(); err != nil {
		return Server{}, nil, err
	}
	return c, from, nil
}

// readEnv picks the VEGA_ variables out of env. An unknown one is refused like
// an unknown flag: a misspelt limit that is silently ignored is worse than a
// server that does not start. Names that belong to others pass.
func readEnv(env []string) (vars map[string]string, file string, err error) {
	known := map[string]bool{}
	var names []string
	for _, s := range Settings() {
		known[s.Env()] = true
		names = append(names, s.Env())
	}
	names = append(names, fileEnv)
	vars = map[string]string{}
	for _, e := range env {
		name, text, ok := strings.Cut(e, "=")
		switch {
		case !ok || !strings.HasPrefix(name, EnvPrefix):
		case name == fileEnv:
			file = text
		case known[name]:
			vars[name] = text
		case !foreignEnv(name):
			return nil, "", fmt.Errorf("unknown environment variable %s%s", name, Suggestion(name, names))
		}
	}
	return vars, file, nil
}

// foreignEnv recognises variables that start with VEGA_ and are not meant for
// the server: the login of vega-client, and those that Kubernetes injects into
// every container of a namespace with a service whose name starts with "vega"
// (VEGA_SERVICE_HOST, VEGA_PORT, VEGA_PORT_8342_TCP_ADDR, VEGA_DB_SERVICE_PORT).
func foreignEnv(name string) bool {
	if name == EnvPrefix+"USER" || name == EnvPrefix+"PASSWORD" {
		return true
	}
	return strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}

// FlagError turns pflag's error about an unknown flag or a bad value into one
// line in the words of this package.
func FlagError(err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			return fmt.Errorf("unknown flag -%s in -%s (see --help)", name, short)
		}
		names := []string{FileFlag}
		for _, s := range Settings() {
			names = append(names, s.Name)
		}
		return fmt.Errorf("unknown flag --%s%s", name, Suggestion(name, names))
	}
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return fmt.Errorf("--%s: %w", bad.GetFlag().Name, bad.Unwrap())
	}
	var missing *pflag.ValueRequiredError
	if errors.As(err, &missing) {
		return fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
	}
	return err
}

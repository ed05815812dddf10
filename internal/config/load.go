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

// Load is Table.Load for the server's settings.
func Load(args, env []string, readFile func(string) ([]byte, error)) (Server, error) {
	return ServerTable().Load(args, env, readFile)
}

// Load makes the settings from defaults, file, environment and flags, each
// overriding the one before. args are the command line without the program's
// name, env is in the form of os.Environ. The file is the one named by
// --config or VEGA_CONFIG; without either none is read.
func (t *Table[T]) Load(args, env []string, readFile func(string) ([]byte, error)) (c T, err error) {
	flags := pflag.NewFlagSet(t.Program, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	t.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return c, t.FlagError(err)
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q: settings are written --name value", flags.Arg(0))
	}
	c, _, err = t.Resolve(flags, env, readFile)
	return c, err
}

// AddFlags registers every setting, and --config, with flags. The values are
// kept in the flag set until Resolve reads those that were given.
func (t *Table[T]) AddFlags(flags *pflag.FlagSet) {
	flags.String(FileFlag, "", "TOML file of settings")
	shown := t.defaults()
	for _, s := range t.Rows {
		v := s.bind(&shown)
		f := flags.VarPF(v, s.Name, "", s.Help)
		if v.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// Resolve is Load for flags that were registered by AddFlags and parsed
// elsewhere. It also tells where each value came from.
func (t *Table[T]) Resolve(flags *pflag.FlagSet, env []string, readFile func(string) ([]byte, error)) (T, Origins, error) {
	var none T
	c := t.defaults()
	from := Origins{}
	for _, s := range t.Rows {
		from[s.Name] = FromDefault
	}

	vars, path, err := t.readEnv(env)
	if err != nil {
		return none, nil, err
	}
	if f := flags.Lookup(FileFlag); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path != "" {
		data, err := readFile(path)
		if err != nil {
			return none, nil, fmt.Errorf("cannot read the configuration file: %w", err)
		}
		keys, err := t.ApplyFile(&c, path, data)
		if err != nil {
			return none, nil, err
		}
		for _, k := range keys {
			from[k] = FromFile
		}
	}
	for _, s := range t.Rows {
		if text, ok := vars[t.Env(s)]; ok {
			if err := s.bind(&c).Set(text); err != nil {
				return none, nil, fmt.Errorf("%s: %w", t.Env(s), err)
			}
			from[s.Name] = FromEnv
		}
		if f := flags.Lookup(s.Name); f != nil && f.Changed {
			if err := s.bind(&c).Set(f.Value.String()); err != nil {
				return none, nil, fmt.Errorf("--%s: %w", s.Name, err)
			}
			from[s.Name] = FromFlag
		}
	}
	if err := t.validate(&c); err != nil {
		return none, nil, err
	}
	return c, from, nil
}

// readEnv picks the program's variables out of env. An unknown one is refused like
// an unknown flag: a misspelt limit that is silently ignored is worse than a
// server that does not start. Names that belong to others pass.
func (t *Table[T]) readEnv(env []string) (vars map[string]string, file string, err error) {
	known := map[string]bool{}
	var names []string
	for _, s := range t.Rows {
		known[t.Env(s)] = true
		names = append(names, t.Env(s))
	}
	names = append(names, t.fileEnv())
	vars = map[string]string{}
	for _, e := range env {
		name, text, ok := strings.Cut(e, "=")
		switch {
		case !ok || !strings.HasPrefix(name, t.EnvPrefix):
		case name == t.fileEnv():
			file = text
		case known[name]:
			vars[name] = text
		case !t.foreignEnv(name):
			return nil, "", fmt.Errorf("unknown environment variable %s%s", name, Suggestion(name, names))
		}
	}
	return vars, file, nil
}

// foreignEnv recognises variables that start with the program's prefix and are
// not meant for it: the login of vega-client, the settings of vega-router, and those
// that Kubernetes injects into every container of a namespace with a service whose
// name starts so (VEGA_SERVICE_HOST, VEGA_PORT, VEGA_PORT_8342_TCP_ADDR,
// VEGA_DB_SERVICE_PORT).
func (t *Table[T]) foreignEnv(name string) bool {
	if name == EnvPrefix+"USER" || name == EnvPrefix+"PASSWORD" {
		return true
	}
	if t.EnvPrefix != RouterEnvPrefix && strings.HasPrefix(name, RouterEnvPrefix) {
		return true
	}
	return strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") ||
		strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}

// FlagError turns pflag's error about an unknown flag or a bad value into one
// line in the words of this package.
func (t *Table[T]) FlagError(err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			return fmt.Errorf("unknown flag -%s in -%s (see --help)", name, short)
		}
		names := []string{FileFlag}
		for _, s := range t.Rows {
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

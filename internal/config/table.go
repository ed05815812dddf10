package config

import "strings"

// Table is the settings of one program: its rows, and how the program calls
// itself where they are written.
type Table[T any] struct {
	Program   string // "vega-server"
	EnvPrefix string // of its environment variables: "VEGA_"
	Groups    []string
	Rows      []*SettingOf[T]

	defaults func() T
	validate func(*T) error
}

// ServerTable is the table of vega-server.
func ServerTable() *Table[Server] {
	return &Table[Server]{
		Program: "vega-server", EnvPrefix: EnvPrefix, Groups: Groups(), Rows: Settings(),
		defaults: Default, validate: (*Server).Validate,
	}
}

// Env is the environment variable of a setting: VEGA_MEMORY_LIMIT.
func (t *Table[T]) Env(s *SettingOf[T]) string { return t.EnvPrefix + upper(s.Name) }

// fileEnv is the environment variable that names the configuration file.
func (t *Table[T]) fileEnv() string { return t.EnvPrefix + upper(FileFlag) }

func upper(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

// checkRows checks every setting's own limits.
func (t *Table[T]) checkRows(c *T) error {
	for _, s := range t.Rows {
		if err := s.bind(c).check(); err != nil {
			return &ValueError{Setting: s.Name, Err: err}
		}
	}
	return nil
}

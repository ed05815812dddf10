package config

import "strings"

// SettingOf is one row of the table of a program whose settings are a T:
// everything the program knows about one setting. Flags, environment variables,
// file keys, --help, the documentation and CONFIG GET/SET are all derived from it.
type SettingOf[T any] struct {
	Name    string // flag (--name) and key in the file
	Redis   string // the name CONFIG GET/SET also knows it by; empty: none
	Group   string // heading in --help and in the documentation
	Help    string // one line, no full stop
	Detail  string // further sentences for the documentation; may be empty
	Example string // a value that is not the default, used in docs and tests
	Runtime bool   // CONFIG SET may change it while the program runs

	bind func(*T) value
}

// Setting is a row of the server's table.
type Setting = SettingOf[Server]

// EnvPrefix starts the name of every environment variable that is a setting of
// the server.
const EnvPrefix = "VEGA_"

// Type is the word that stands for the value in help: size, duration, text…
func (s *SettingOf[T]) Type() string { return s.bind(new(T)).Type() }

// Get renders the setting's value in c in its canonical form, which Set reads
// back to the same value.
func (s *SettingOf[T]) Get(c *T) string { return s.bind(c).String() }

// RedisGet renders it as Redis renders the setting of that name: sizes as
// bytes, durations as seconds, booleans as yes or no.
func (s *SettingOf[T]) RedisGet(c *T) string { return s.bind(c).redis() }

// Set parses text into c. The error names the setting and says what would be
// accepted; c is unchanged then. It does not check settings against each
// other: Validate of the settings does.
func (s *SettingOf[T]) Set(c *T, text string) error {
	if err := s.bind(c).Set(text); err != nil {
		return &ValueError{Setting: s.Name, Err: err}
	}
	return nil
}

// ValueError says which setting was given a value it cannot take.
type ValueError struct {
	Setting string
	Err     error
}

func (e *ValueError) Error() string { return e.Setting + ": " + e.Err.Error() }
func (e *ValueError) Unwrap() error { return e.Err }

// Lookup finds a setting of the server by its name or its Redis name, in any
// case. It returns nil when there is none.
func Lookup(name string) *Setting {
	name = strings.ToLower(name)
	for _, s := range Settings() {
		if s.Name == name || (s.Redis != "" && s.Redis == name) {
			return s
		}
	}
	return nil
}

// Package cli is vega-client: the command tree, the interactive shell and how
// results and errors are shown. cmd/client only calls Main.
//
// # Shape
//
// Everything a command touches of the outside (streams, environment, whether
// a stream is a terminal) comes in through Env, so that tests run commands as
// users do. A command returns an error; Run alone turns it into text and an exit
// code (exit.go). The shell builds the command tree anew for each line, because
// cobra keeps the values of flags in it, and keeps one client for all lines.
//
// # What goes where
//
// Standard output carries results and nothing else. On a terminal they are
// made readable: bytes that are not printable are quoted, and colours are used
// unless NO_COLOR or --no-color forbid it. To a pipe or a file, values go as the
// bytes they are. With --json every result is JSON, one object per line; its
// field names are those of dump files. Progress, live lines, hints and errors
// go to standard error.
//
// # Exit codes
//
// They are a promise to scripts: see the constants in exit.go and
// docs/client.md, which a test compares.
package cli

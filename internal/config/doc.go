// Package config is the one home of the programs' settings: those of vega-server
// (Server, Settings) and of vega-router (Router, RouterTable).
//
// A Table has one row per setting: name, group, help, limits and how it binds to
// a field of the program's settings. Everything that speaks about settings is
// derived from it, so nothing can disagree:
//
//	--name value     flags, and --help in groups         AddFlags, Help
//	VEGA_NAME        environment (VEGA_ROUTER_NAME)      Resolve
//	name = value     the TOML file of --config           ApplyFile
//	CONFIG GET/SET   own names and Redis's               Parameters, Live
//	docs/configuration.md                                Markdown
//	docs/router.md, its table                            RouterMarkdown
//
// What a router shares with a server (addresses, users, TLS, limits) is a row of the
// server's table, bound to Router.Front.
//
// Precedence: default < file < environment < flag. A key that no row has is
// refused by name, with the nearest known one, wherever it was written.
//
// Invariants:
//
//   - Set(String()) of every setting gives the same value: what `vega-server
//     config` prints can be fed back as a file.
//   - Load either returns settings for which Validate holds, or an error of one
//     line.
//   - No row holds a secret. Passwords are in the users file, hashed.
//
// Left out on purpose: watching the file for changes (CONFIG SET and a restart
// cover it), nested tables in the file, and settings that only one caller in a
// test wants.
package config

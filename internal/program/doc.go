// Package program is what the command lines of vega-server and vega-router have in
// common: package servercmd and package routercmd are made of it.
//
//	p := &program.Program[config.Router]{Table: config.RouterTable(), …}
//	root := p.Root(run)                      // the program without a command
//	root.AddCommand(p.Config(…), p.Version(…), …)
//	return p.Execute(root, args)             // the exit code
//
// Invariants:
//
//   - What goes wrong is one line on standard error that starts with the program's name,
//     and exit code 1.
//   - A mistyped flag, command or setting is answered with what was probably meant.
//   - What runs is stopped in an orderly way by the first signal, and at once by a second
//     one that is not the first delivered twice (Stop).
//   - Nothing of the process is touched but what is handed in.
package program

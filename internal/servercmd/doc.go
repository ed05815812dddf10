// Package servercmd is the command line of vega-server: settings in, a running
// node or one clear line and exit code 1 out.
//
//	vega-server                     run a node
//	vega-server check DIR           is everything in a data directory as it should be?
//	vega-server repair DIR          what would have to go so that a server can start? --apply does it
//	vega-server hash-password       text for the users file
//	vega-server config              the settings in effect, as a file
//	vega-server version
//
// Invariants:
//
//   - What goes wrong is one line on standard error that starts with
//     "vega-server: ", and exit code 1. Nothing was touched then.
//   - SIGTERM and SIGINT end a running server with exit code 0 after at most
//     shutdown-timeout plus the time to flush; a second one ends it at once.
//   - SIGHUP rereads the users file and the TLS certificates, and never ends
//     the server.
//   - Standard output carries what was asked for, standard error the log, the
//     progress and complaints.
//
// Everything the commands touch outside of the process comes in through Env, so
// that tests run them whole.
package servercmd

// Package routercmd is the command line of vega-router: settings in, a running router
// or one clear line and exit code 1 out.
//
//	vega-router --cluster HOST:PORT[,HOST:PORT]    run a router
//	vega-router config                             the settings in effect, as a file
//	vega-router version
//
// Invariants:
//
//   - What goes wrong is one line on standard error that starts with
//     "vega-router: ", and exit code 1.
//   - SIGTERM and SIGINT end a running router with exit code 0, once what is under
//     way has been answered or shutdown-timeout is up; a second one ends it at once.
//   - SIGHUP rereads the users file and the certificates, and never ends the router.
//   - Standard output carries what was asked for, standard error the log and
//     complaints.
//
// A cluster that cannot be reached is no reason to end: the router waits for it, says
// so in its log, on /readyz and to its clients.
package routercmd

// Package admin is the server's HTTP face for people and machines that look
// after it; data is never served here.
//
//	/                 an index for people
//	/healthz          200 while the process can answer at all
//	/readyz           200 when data can be served; 503 with the progress while it loads
//	/metrics          Prometheus
//	/api/v1/stats     Facts as JSON
//	/debug/pprof/     profiles, when switched on
//
// It knows the rest of the server only through Source, whose Facts are the
// shape of /api/v1/stats: fields may be added to them, and none renamed. A program
// that is no node gives a Program instead.
//
// Invariants:
//
//   - Nothing here changes anything: every request is a GET or a HEAD.
//   - When users are configured, all but /healthz and /readyz ask for one (HTTP
//     basic authentication, any role; profiles want the admin role, because
//     they show memory). Failures count against the same limit as on the data
//     port.
//   - No response reveals a key, a value or a password; profiles apart.
//   - A connection that is slow or does nothing is closed; there are at most
//     maxConnections.
//
// /healthz says nothing about the disk or the memory limit on purpose: what
// restarts a server on its account would turn a full disk into a restart loop.
package admin

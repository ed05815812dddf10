// Package archtest holds no product code: its tests enforce the shape of the module.
//
// Imports point one way:
//
//	cmd → servercmd → vegadb → server, admin → node → datadir → replica, meta, wal, snapshot → command →
//	store, ring, wire, resp → vfs, invariants
//
// config and auth are leaves that only use vfs and invariants. client, the public Go client, stands beside the
// server and shares nothing with it but the protocol (wire) and the slots (ring).
//
// The rules are a table in layers.go. They are checked from the source text alone (go/parser), so the test needs
// no network and no build. A package that is not in the table fails the test: whoever adds one decides its layer.
//
// Pages are held to what they say of the source: links lead somewhere, tests that they name exist, and
// docs/reliability.md lists every fault with a command that runs its tests.
package archtest

// Package auth knows who may do what: users with roles and key prefixes, read
// from a file, and a limit on failed logins.
//
// The users file is TOML:
//
//	[users.default]                  # the user of Redis's AUTH with a password alone
//	role = "admin"
//	password = "pbkdf2-sha256$600000$<salt>$<hash>"   # from: vega-server hash-password
//
//	[users.shop]
//	role = "write"                   # read, write or admin; each includes those before it
//	prefixes = ["shop:", "cart:"]    # keys it may touch; absent: all
//	password = "pbkdf2-sha256$…"
//
// Invariants:
//
//   - A password is never stored, logged or returned, and no error quotes text
//     of the file that could be one.
//   - Every login that is not remembered costs the same number of PBKDF2
//     iterations: the highest in the file, whether the user exists or not and
//     whatever its own hash asks for. Comparison is in constant time.
//   - Derivations run on at most half of the CPUs, so that a flood of logins
//     cannot starve the connections that are already in.
//   - Reload replaces all users at once, or none when the file is bad.
//   - The memory of the cache and of the limiter is bounded.
//
// A derivation takes tens to hundreds of milliseconds: Authenticate and Login
// block for that long and must not be called from an event loop. A login that
// succeeded is remembered, under a MAC with a key that never leaves the
// process, until the users change; clients that reconnect cost a microsecond.
//
// Left out on purpose: rules per command, users created at run time, and
// password policies.
package auth

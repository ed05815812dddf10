// Package certs reads TLS certificates from files, and reads them again while they
// are in use: what a listener shows and which clients it trusts (Config), or what
// nodes show to and trust of each other (Mutual).
//
// Invariants:
//
//   - A configuration always shows and trusts what was read last; connections that
//     are open keep what they began with.
//   - Files that cannot be used change nothing: what was read before stays in use.
package certs

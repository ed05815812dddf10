// Package command says what each command means, once: one table that the RESP
// sessions, the native protocol, the log, COMMAND and docs/commands.md read.
//
// # The three parts of a command's life
//
//	request ──Spec.Encode──▶ op in an entry ──log──▶ Apply ──Result──▶ Spec.Reply ──▶ reply
//	request ──Spec.Read─────────────────────────▶ reply                     (reads)
//
// Encode turns a write into an op: what to do to one key, with every relative
// time made absolute. Ops are gathered in an entry, which is the payload of one
// log record. Apply changes the table as an entry says; leader, follower and
// recovery all call it with the same bytes. A command that must be refused is
// refused by Encode, before anything is logged.
//
// # Invariants
//
//   - Apply depends on the table, the index and the entry alone: no clock, no
//     randomness, no map order, no setting. Equal tables and equal entries give
//     equal tables and equal results.
//   - Apply decodes the whole entry before it changes anything. An entry that
//     cannot be decoded, or that names an operation or a flag unknown to this
//     version, changes nothing and is an error: the node must halt rather than
//     drift from its peers. Everything else is a Result.
//   - An entry that has expired at the entry's stamp is absent, whether or not
//     its memory has been reclaimed. Whoever meets it with a write replaces or
//     removes it.
//   - Every op that changes an entry, its expiry included, gives it the entry's
//     index as version.
//   - The single-op path allocates nothing and holds one stripe's lock.
//   - All ops of an entry are applied with all their stripes locked, so that no
//     reader sees half of a batch within a partition.
//
// # Entry
//
// Little-endian.
//
//	offset  size
//	0       1    encoding version, 1
//	1       1    flags: bit 0, a session follows the header
//	2       2    the largest value an op may build by appending: the lower 11 bits
//	             shifted left by the upper 5; 0: MaxValueBytes
//	4       4    number of ops
//	8       8    stamp: the leader's log time, unix ms
//	16      16   session id        (only with flag bit 0)
//	32      8    session sequence  (only with flag bit 0)
//	40      8    session acked     (only with flag bit 0)
//	...          ops
//
// Apply passes over the session: whether an entry is a retry, and what answers it,
// is decided by the group before it applies anything (package replica).
//
// # Op
//
//	code u8 | flags u8 | key length uvarint | key | fields
//
//	code            fields
//	1 put           [expire at i64: flag 32] [if version u64: flag 4] length uvarint, value
//	2 delete        [if version u64: flag 4]
//	3 increment     [expire at i64: flag 32] delta i64
//	4 append        length uvarint, tail
//	5 expire        expire at i64
//	6 persist
//	7 get
//	8 flush         no key; must be the only op of its entry
//	9 clock         no key; carries the entry's stamp and changes nothing
//
// # Adding a command
//
// Add one Spec to the table of its group (table_*.go) and, when no op says what
// it does to a key, an op. COMMAND, HELP and docs/commands.md follow; run
// go test ./internal/command -update to write the latter.
//
// The package leaves out who may run a command, on which partition, and what a
// time-out means: those belong to server and node.
package command

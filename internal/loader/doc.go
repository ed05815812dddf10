// Package loader moves data between a VegaDB server and files: it reads and
// writes the formats of `vega-client load` and `vega-client dump`.
//
// # Formats
//
//	jsonl   one JSON object per line: {"key":"…","value":"…","expire_at_ms":N,"version":N}.
//	        Bytes that are not UTF-8 are written as "key_base64" and "value_base64".
//	        When reading, "ttl_ms" is accepted as well, and a value that is not a
//	        string keeps its JSON text.
//	tsv     a header line, then columns separated by tabs. A backslash escapes:
//	        \t \n \r \\ and \xHH for any byte.
//	csv     RFC 4180 with a header line. Line breaks inside quotes are kept as
//	        they are. A record whose bytes are not UTF-8 has "base64" in the
//	        column encoding, for its key and its value alike.
//	lines   one key per line; the value is the line's number, or empty.
//
// A leading byte order mark is dropped and CR LF ends a line as LF does. Input
// compressed with gzip or zstd is recognised by its first bytes.
//
// # Invariants
//
//   - What a writer writes, the reader of the same format reads back byte by
//     byte: keys, values and expiry.
//   - Memory is bounded whatever the input: a line or record above
//     Options.MaxRecordBytes is refused, and Load keeps at most Concurrency+2
//     batches alive.
//   - A bad line never goes unnoticed: it is named by its number, counted, and
//     either skipped or the end of the load, as asked.
//
// Versions are written for the reader's information; a load gives its records
// new ones, because a version is a place in the log of the group that holds the key.
package loader

// Package resp reads requests and writes replies of RESP2 and RESP3, the Redis
// serialization protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/).
//
// A request is either an array of bulk strings or an inline line:
//
//	*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n        array: count, then length and bytes of each
//	GET key\r\n                             inline: words, quoted as in a shell
//
// # Use
//
// The caller owns the input buffer. It asks for one command at a time and
// drops the bytes that were consumed:
//
//	for {
//		args, n, err := parser.Next(buf, args[:0])
//		if err != nil { reply with it, close the connection }
//		if n == 0 { break }            // incomplete: read more, call again
//		if len(args) > 0 { execute(args) } // empty: "*0", an empty line; no reply
//		buf = buf[n:]
//	}
//
// Between a call that consumed nothing and the next one, the bytes may move to
// another buffer but must still begin at the same command: the parser remembers
// how far it has looked, so a command that arrives in many pieces is looked at
// once and not once per piece.
//
// # Invariants
//
//   - The outcome depends on the bytes alone, never on how they were split.
//   - Next never allocates in proportion to a length it was told, only to bytes
//     it was given. In steady state it does not allocate at all.
//   - Arguments are views into the caller's buffer, with their capacity clipped,
//     so that appending to one cannot touch the next.
//   - Lengths are accumulated as unsigned 64 bit and compared with a limit before
//     they are converted.
//   - Nesting: a request is one flat array. An array within it is an error, so
//     depth cannot be used as a weapon.
//
// # Differences from Redis, on purpose
//
// The two bytes after a length and after a bulk string must be CR LF (Redis
// skips them unseen), because a client that is wrong about them is wrong about
// where the next command begins. A length's line is given up after 32 bytes and not
// after 64 KiB.
//
// The package knows no command but the words by which an HTTP request gives
// itself away. Meaning lives in package command.
package resp

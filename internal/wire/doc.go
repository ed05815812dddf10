// Package wire is the native protocol of VegaDB: frames, operations, statuses
// and their encodings. docs/protocol.md specifies the same for people who write
// a client in another language; testdata/vectors.json ties the two together.
//
// A connection starts with one hello from each side and goes on with frames:
//
//	hello     0xD6 'V' 'D' 'B' | u32 length | payload
//
//	request   u32 length | u8 op | u8 op flags | u16 flags | u32 id | optional fields | body
//	reply     u32 length | u8 kind | u8 flags | u16 status | u32 id | optional fields | body
//
// Numbers are little-endian; length counts the bytes behind itself. Optional
// fields are there only when their flag is set, in the order of the flag bits,
// so that a plain GET takes 12 bytes and its key, and the reply to it 20 bytes
// and its value.
//
// Invariants:
//
//   - Decoders return views into the frame they were given and allocate nothing
//     (hellos and topologies, met once per connection, excepted). A view lives as
//     long as the buffer behind it.
//   - A length or count from the network is compared, as an unsigned 64-bit
//     number, with a limit or with the bytes that are really there, before
//     anything is sized by it.
//   - Decoding never panics, whatever the bytes.
//   - Published numbers (operations, flags, statuses) keep their meaning.
//   - Encoders append to a caller's buffer; what they append decodes to what they
//     were given.
//
// A server calls ParseHello and ClientHello.Decode once, then ParseFrame and
// Request.Decode per frame, then the decoder of the operation's body:
//
//	GET, PERSIST        the body is the key (CheckKey)
//	PUT                 PutBody
//	DELETE              DeleteBody
//	INCREMENT           IncrementBody
//	EXPIRE              ExpireBody
//	GETBATCH            Keys
//	WRITEBATCH          WriteItems, then the decoder of each item's operation
//	SCAN                ScanBody
//	COMMAND             CommandArgs
//	PING                the body comes back
//	ADMIN               AdminRequest
//	BACKUP              BackupBody
//	COUNT, STATS, TOPOLOGY, SNAPSHOT, FLUSH    no body (CheckEmpty)
//
// The package does no I/O and holds no state: sessions, time-outs and retries
// belong to the server and the client.
package wire

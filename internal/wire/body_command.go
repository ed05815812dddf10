package wire

// The body of COMMAND is u8 RESP version, u32 count and that many arguments, each
// a u32 length and its bytes; the first one is the command's name. Write it as:
// start := len(dst); dst = BeginCommand(dst, version); append arguments;
// FinishCommand(dst, start, n).

// maxCommandArgs is how many arguments a command may have, its name included: as
// many as on the RESP side.
const maxCommandArgs = 1 << 20

const commandHeader = 1 + 4

// BeginCommand appends the RESP version (2 or 3) that the reply shall be written
// in and an open count.
func BeginCommand(dst []byte, respVersion uint8) []byte {
	return append(dst, respVersion, 0, 0, 0, 0)
}

// AppendCommandArg appends one argument.
func AppendCommandArg[B Bytes](dst []byte, arg B) []byte {
	dst = le.AppendUint32(dst, uint32(len(arg)))
	return append(dst, arg...)
}

// FinishCommand writes the count of the command that starts at dst[start:].
func FinishCommand(dst []byte, start, args int) { le.PutUint32(dst[start+1:], uint32(args)) }

// CommandArgs walks the arguments of a COMMAND.
type CommandArgs struct {
	RESPVersion uint8 // 2 or 3
	rest        []byte
	left        uint32
	total       uint32
}

// Decode starts a walk over the body of a COMMAND.
func (c *CommandArgs) Decode(body []byte) error {
	*c = CommandArgs{}
	if len(body) < commandHeader {
		return ErrTruncated
	}
	if body[0] != 2 && body[0] != 3 {
		return ErrRESPVersion
	}
	n, rest, err := takeCount(body[1:], 4, maxCommandArgs)
	if err == ErrBatchTooLarge || err == nil && n == 0 {
		return ErrNoCommand
	}
	if err != nil {
		return err
	}
	*c = CommandArgs{RESPVersion: body[0], rest: rest, left: n, total: n}
	return nil
}

// Len returns the count of all arguments, the command's name included.
func (c *CommandArgs) Len() int { return int(c.total) }

// Next returns the next argument, a view; ok is false after the last one and after
// an error. How long an argument may be depends on the command.
func (c *CommandArgs) Next() (arg []byte, ok bool, err error) {
	if c.left == 0 {
		if len(c.rest) != 0 {
			c.rest = nil
			return nil, false, ErrTrailing
		}
		return nil, false, nil
	}
	if len(c.rest) < 4 {
		return c.fail()
	}
	n := le.Uint32(c.rest)
	if uint64(len(c.rest)-4) < uint64(n) {
		return c.fail()
	}
	arg, c.rest = c.rest[4:4+n:4+n], c.rest[4+n:]
	c.left--
	return arg, true, nil
}

func (c *CommandArgs) fail() ([]byte, bool, error) {
	c.left, c.rest = 0, nil
	return nil, false, ErrTruncated
}

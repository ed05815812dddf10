package command

// Unconditional reports whether an entry is one put that no session asks for, under no
// condition, and of which nobody wants to know what was there before: its outcome is
// known before it is applied. The entry must be one that Validate accepts.
func Unconditional(entry []byte) bool {
	h, ops, err := decodeHeader(entry)
	if err != nil || h.count != 1 || entry[offFlags]&flagSession != 0 || len(ops) < 2 {
		return false
	}
	return ops[0] == opPut && OpFlags(ops[1])&^(hasExpiry|KeepTTL) == 0
}

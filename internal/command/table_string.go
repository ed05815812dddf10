package command

// expirySyntax is shared by the commands that take an expiry in four ways.
const expirySyntax = "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds"

func stringCommands() []*Spec {
	specs := []*Spec{
		{
			Name: "get", Arity: 2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO access",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns the value of a key.",
			Kind:    KindRead, Read: readValue,
		},
		{
			Name: "set", Arity: -3, Flags: FlagWrite | FlagDenyOOM, KeyFlags: "RW access update variable_flags",
			Since: "1.0.0", Complexity: "O(1)",
			Syntax:  "key value condition:[NX | XX] [GET] expiration:[" + expirySyntax + " | KEEPTTL]",
			Summary: "Gives a key a value, on conditions and with an expiry if wanted.",
			Kind:    KindWrite, Encode: encodeSet, Mode: modeSet, Reply: replySet,
		},
		{
			Name: "setnx", Arity: 3, Flags: FlagWrite | FlagDenyOOM | FlagFast, KeyFlags: "OW insert",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key value",
			Summary: "Gives a key a value if it has none.",
			Kind:    KindWrite, Encode: encodeSetNX, Reply: replySetNX,
		},
		{
			Name: "setex", Arity: 4, Flags: FlagWrite | FlagDenyOOM, KeyFlags: "OW update",
			Since: "2.0.0", Complexity: "O(1)", Syntax: "key seconds value",
			Summary: "Gives a key a value that expires after some seconds.",
			Kind:    KindWrite, Encode: encodeSetEX, Reply: replyOK,
		},
		{
			Name: "psetex", Arity: 4, Flags: FlagWrite | FlagDenyOOM, KeyFlags: "OW update",
			Since: "2.6.0", Complexity: "O(1)", Syntax: "key milliseconds value",
			Summary: "Gives a key a value that expires after some milliseconds.",
			Kind:    KindWrite, Encode: encodePSetEX, Reply: replyOK,
		},
		{
			Name: "getset", Arity: 3, Flags: FlagWrite | FlagDenyOOM | FlagFast, KeyFlags: "RW access update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key value",
			Summary: "Gives a key a value and returns the one it had.",
			Kind:    KindWrite, Encode: encodeGetSet, Reply: replyOld,
		},
		{
			Name: "getdel", Arity: 2, Flags: FlagWrite | FlagFast, KeyFlags: "RW access delete",
			Since: "6.2.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Removes a key and returns the value it had.",
			Kind:    KindWrite, Encode: encodeGetDel, Reply: replyOld,
		},
		{
			Name: "getex", Arity: -2, Flags: FlagWrite | FlagFast, KeyFlags: "RW access update",
			Since: "6.2.0", Complexity: "O(1)",
			Syntax:  "key expiration:[" + expirySyntax + " | PERSIST]",
			Summary: "Returns the value of a key and sets or takes off its expiry.",
			Kind:    KindWrite, Encode: encodeGetEX, Reply: replyOld,
		},
		{
			Name: "mget", Arity: -2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO access",
			Since: "1.0.0", Complexity: "O(N), N being the number of keys", Syntax: "key...",
			Summary: "Returns the values of several keys.",
			Tips:    []string{"request_policy:multi_shard"},
			Kind:    KindRead, Merge: MergeArray, Read: readValue,
		},
		{
			Name: "mset", Arity: -3, Flags: FlagWrite | FlagDenyOOM, KeyFlags: "OW update",
			FirstKey: 1, LastKey: -1, KeyStep: 2,
			Since: "1.0.1", Complexity: "O(N), N being the number of keys", Syntax: "data:(key value)...",
			Summary: "Gives several keys values; those of one partition at once.",
			Tips:    []string{"request_policy:multi_shard", "response_policy:all_succeeded"},
			Kind:    KindWrite, Merge: MergeOK, Encode: encodeMSet, Check: checkMSet,
		},
		{
			Name: "append", Arity: 3, Flags: FlagWrite | FlagDenyOOM | FlagFast, KeyFlags: "RW insert",
			Since: "2.0.0", Complexity: "O(1), amortized", Syntax: "key value",
			Summary: "Appends to the value of a key and returns its new length.",
			Kind:    KindWrite, Encode: encodeAppend, Reply: replyInt,
		},
		{
			Name: "strlen", Arity: 2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO",
			Since: "2.2.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns the length of the value of a key.",
			Kind:    KindRead, Read: readLength,
		},
	}
	specs = append(specs, counterCommands()...)
	for _, s := range specs {
		s.Group = "string"
	}
	return specs
}

func counterCommands() []*Spec {
	const flags = FlagWrite | FlagDenyOOM | FlagFast
	return []*Spec{
		{
			Name: "incr", Arity: 2, Flags: flags, KeyFlags: "RW access update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Adds one to the integer at a key.",
			Kind:    KindWrite, Encode: encodeIncr, Reply: replyInt,
		},
		{
			Name: "decr", Arity: 2, Flags: flags, KeyFlags: "RW access update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Takes one off the integer at a key.",
			Kind:    KindWrite, Encode: encodeDecr, Reply: replyInt,
		},
		{
			Name: "incrby", Arity: 3, Flags: flags, KeyFlags: "RW access update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key increment",
			Summary: "Adds a number to the integer at a key.",
			Kind:    KindWrite, Encode: encodeIncrBy, Reply: replyInt,
		},
		{
			Name: "decrby", Arity: 3, Flags: flags, KeyFlags: "RW access update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key decrement",
			Summary: "Takes a number off the integer at a key.",
			Kind:    KindWrite, Encode: encodeDecrBy, Reply: replyInt,
		},
	}
}

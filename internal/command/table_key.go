package command

func keyCommands() []*Spec {
	const perKey = "O(N), N being the number of keys"
	specs := []*Spec{
		{
			Name: "del", Arity: -2, Flags: FlagWrite, KeyFlags: "RM delete",
			Since: "1.0.0", Complexity: perKey, Syntax: "key...",
			Summary: "Removes keys and returns how many there were.",
			Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
			Kind:    KindWrite, Merge: MergeSum, Encode: encodeDel,
		},
		{
			Name: "unlink", Arity: -2, Flags: FlagWrite | FlagFast, KeyFlags: "RM delete",
			Since: "4.0.0", Complexity: perKey, Syntax: "key...",
			Summary: "Removes keys and returns how many there were, as DEL does.",
			Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
			Kind:    KindWrite, Merge: MergeSum, Encode: encodeDel,
		},
		{
			Name: "exists", Arity: -2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO",
			Since: "1.0.0", Complexity: perKey, Syntax: "key...",
			Summary: "Returns how many of the keys exist.",
			Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
			Kind:    KindRead, Merge: MergeSum, Read: readExists,
		},
		{
			Name: "touch", Arity: -2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO",
			Since: "3.2.1", Complexity: perKey, Syntax: "key...",
			Summary: "Returns how many of the keys exist, as EXISTS does.",
			Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
			Kind:    KindRead, Merge: MergeSum, Read: readExists,
		},
		{
			Name: "type", Arity: 2, Flags: FlagReadOnly | FlagFast, KeyFlags: "RO",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns what kind of value a key has.",
			Kind:    KindRead, Read: readType,
		},
		{
			Name: "scan", Arity: -2, Flags: FlagReadOnly,
			Since: "2.8.0", Complexity: "O(1) per call",
			Syntax:  "cursor [MATCH pattern] [COUNT count] [TYPE type]",
			Summary: "Lists keys page by page.",
			Tips:    []string{"nondeterministic_output", "request_policy:special"},
		},
		{
			Name: "keys", Arity: 2, Flags: FlagReadOnly, Categories: "dangerous",
			Since: "1.0.0", Complexity: "O(N), N being the number of keys in the database", Syntax: "pattern",
			Summary: "Lists the keys that match a pattern.",
			Tips:    []string{"request_policy:all_shards", "nondeterministic_output_order"},
		},
	}
	for _, s := range specs {
		s.Group = "generic"
	}
	return specs
}

const expireCondition = " condition:[NX | XX | GT | LT]"

func expiryCommands() []*Spec {
	const flags = FlagWrite | FlagFast
	specs := []*Spec{
		{
			Name: "expire", Arity: -3, Flags: flags, KeyFlags: "RW update",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key seconds" + expireCondition,
			Summary: "Lets a key expire after some seconds.",
			Kind:    KindWrite, Encode: encodeExpire, Reply: replyInt,
		},
		{
			Name: "pexpire", Arity: -3, Flags: flags, KeyFlags: "RW update",
			Since: "2.6.0", Complexity: "O(1)", Syntax: "key milliseconds" + expireCondition,
			Summary: "Lets a key expire after some milliseconds.",
			Kind:    KindWrite, Encode: encodePExpire, Reply: replyInt,
		},
		{
			Name: "expireat", Arity: -3, Flags: flags, KeyFlags: "RW update",
			Since: "1.2.0", Complexity: "O(1)", Syntax: "key unix-time-seconds" + expireCondition,
			Summary: "Lets a key expire at a time in unix seconds.",
			Kind:    KindWrite, Encode: encodeExpireAt, Reply: replyInt,
		},
		{
			Name: "pexpireat", Arity: -3, Flags: flags, KeyFlags: "RW update",
			Since: "2.6.0", Complexity: "O(1)", Syntax: "key unix-time-milliseconds" + expireCondition,
			Summary: "Lets a key expire at a time in unix milliseconds.",
			Kind:    KindWrite, Encode: encodePExpireAt, Reply: replyInt,
		},
		{
			Name: "persist", Arity: 2, Flags: flags, KeyFlags: "RW update",
			Since: "2.2.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Takes the expiry off a key.",
			Kind:    KindWrite, Encode: encodePersist, Reply: replyInt,
		},
	}
	specs = append(specs, expiryReads()...)
	for _, s := range specs {
		s.Group = "generic"
	}
	return specs
}

func expiryReads() []*Spec {
	const flags = FlagReadOnly | FlagFast
	return []*Spec{
		{
			Name: "ttl", Arity: 2, Flags: flags, KeyFlags: "RO access",
			Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns the seconds a key has left, -1 without an expiry, -2 without a key.",
			Tips:    []string{"nondeterministic_output"},
			Kind:    KindRead, Read: readTTL,
		},
		{
			Name: "pttl", Arity: 2, Flags: flags, KeyFlags: "RO access",
			Since: "2.6.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns the milliseconds a key has left, -1 without an expiry, -2 without a key.",
			Tips:    []string{"nondeterministic_output"},
			Kind:    KindRead, Read: readPTTL,
		},
		{
			Name: "expiretime", Arity: 2, Flags: flags, KeyFlags: "RO access",
			Since: "7.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns when a key expires in unix seconds, -1 without an expiry, -2 without a key.",
			Kind:    KindRead, Read: readExpireTime,
		},
		{
			Name: "pexpiretime", Arity: 2, Flags: flags, KeyFlags: "RO access",
			Since: "7.0.0", Complexity: "O(1)", Syntax: "key",
			Summary: "Returns when a key expires in unix milliseconds, -1 without an expiry, -2 without a key.",
			Kind:    KindRead, Read: readPExpireTime,
		},
	}
}

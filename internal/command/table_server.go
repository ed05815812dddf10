package command

func serverCommands() []*Spec {
	everyKey := "O(N), N being the number of keys in the database"
	specs := []*Spec{
		{
			Name: "dbsize", Arity: 1, Flags: FlagReadOnly | FlagFast, Categories: "keyspace", Since: "1.0.0", Complexity: "O(1)",
			Summary: "Returns the number of keys.",
			Tips:    []string{"request_policy:all_shards", "response_policy:agg_sum"},
		},
		{
			Name: "flushall", Arity: -1, Flags: FlagWrite, Categories: "keyspace dangerous", Since: "1.0.0", Complexity: everyKey,
			Syntax:  "flush-type:[ASYNC | SYNC]",
			Summary: "Removes all keys.",
			Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		},
		{
			Name: "flushdb", Arity: -1, Flags: FlagWrite, Categories: "keyspace dangerous", Since: "1.0.0", Complexity: everyKey,
			Syntax:  "flush-type:[ASYNC | SYNC]",
			Summary: "Removes all keys of the database, which is all keys.",
			Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		},
		{
			Name: "save", Arity: 1, Flags: FlagAdmin | FlagNoScript | FlagNoAsyncLoading | FlagNoMulti,
			Since: "1.0.0", Complexity: everyKey,
			Summary: "Writes a snapshot and replies when it is published.",
		},
		{
			Name: "bgsave", Arity: -1, Flags: FlagAdmin | FlagNoScript | FlagNoAsyncLoading,
			Since: "1.0.0", Complexity: "O(1)", Syntax: "[SCHEDULE]",
			Summary: "Asks for a snapshot.",
		},
		{
			Name: "lastsave", Arity: 1, Flags: FlagLoading | FlagStale | FlagFast, Categories: "admin dangerous", Since: "1.0.0", Complexity: "O(1)",
			Summary: "Returns when the newest snapshot was published, in unix seconds.",
			Tips:    []string{"nondeterministic_output"},
		},
		{
			Name: "info", Arity: -1, Flags: FlagLoading | FlagStale, Categories: "dangerous", Since: "1.0.0", Complexity: "O(1)",
			Syntax:  "[section...]",
			Summary: "Describes the server and its state.",
			Tips:    []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
		},
		{
			Name: "config", Arity: -2, Since: "2.0.0", Complexity: "Depends on the subcommand",
			Summary: "Commands about settings.",
			Subs:    configSubcommands(),
		},
		{
			Name: "time", Arity: 1, Flags: FlagLoading | FlagStale | FlagFast, Since: "2.6.0", Complexity: "O(1)",
			Summary: "Returns the server's time.",
			Tips:    []string{"nondeterministic_output"},
		},
		{
			Name: "shutdown", Arity: -1, Flags: FlagAdmin | FlagNoScript | FlagLoading | FlagStale | FlagNoMulti | FlagAllowBusy,
			Since: "1.0.0", Complexity: "O(1); with SAVE as a snapshot takes",
			Syntax:  "save-selector:[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
			Summary: "Stops the server in good order.",
		},
	}
	for _, s := range specs {
		s.Group = "server"
	}
	return specs
}

func configSubcommands() []*Spec {
	const flags = FlagAdmin | FlagNoScript | FlagLoading | FlagStale
	return []*Spec{
		{
			Name: "get", Arity: -3, Flags: flags, Since: "2.0.0", Complexity: "O(N), N being the number of settings",
			Syntax:  "parameter...",
			Summary: "Returns the settings that match patterns.",
		},
		{
			Name: "set", Arity: -4, Flags: flags, Since: "2.0.0", Complexity: "O(N), N being the number of settings given",
			Syntax:  "data:(parameter value)...",
			Summary: "Changes settings, as far as a running server can.",
			Tips:    []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
		},
		{
			Name: "resetstat", Arity: 2, Flags: flags, Since: "2.0.0", Complexity: "O(1)",
			Summary: "Sets the counters that INFO shows back to zero.",
			Tips:    []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
		},
		helpSubcommand("5.0.0"),
	}
}

package command

// greeting are the flags of what must be served before authentication and while
// loading.
const greeting = FlagNoScript | FlagLoading | FlagStale | FlagFast | FlagNoAuth | FlagAllowBusy

func connectionCommands() []*Spec {
	specs := []*Spec{
		{
			Name: "ping", Arity: -1, Flags: FlagFast,
			Since: "1.0.0", Complexity: "O(1)", Syntax: "[message]",
			Summary: "Returns PONG, or the message it was given.",
			Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		},
		{
			Name: "echo", Arity: 2, Flags: FlagLoading | FlagStale | FlagFast,
			Since: "1.0.0", Complexity: "O(1)", Syntax: "message",
			Summary: "Returns the message it was given.",
		},
		{
			Name: "auth", Arity: -2, Flags: greeting,
			Since: "1.0.0", Complexity: "O(1); checking a password is slow on purpose", Syntax: "[username] password",
			Summary: "Authenticates the connection.",
		},
		{
			Name: "hello", Arity: -1, Flags: greeting,
			Since: "6.0.0", Complexity: "O(1)",
			Syntax:  "arguments:[protover:integer [AUTH username password] [SETNAME clientname]]",
			Summary: "Chooses the protocol version, authenticates, and describes the server.",
		},
		{
			Name: "select", Arity: 2, Flags: FlagLoading | FlagStale | FlagFast,
			Since: "1.0.0", Complexity: "O(1)", Syntax: "index:integer",
			Summary: "Selects a database; there is only 0.",
		},
		{
			Name: "quit", Arity: -1, Flags: greeting,
			Since: "1.0.0", Complexity: "O(1)",
			Summary: "Closes the connection.",
		},
		{
			Name: "reset", Arity: 1, Flags: greeting,
			Since: "6.2.0", Complexity: "O(1)",
			Summary: "Puts the connection back into the state of a new one.",
		},
		{
			Name: "client", Arity: -2, Since: "2.4.0", Complexity: "Depends on the subcommand",
			Summary: "Commands about connections.",
			Subs:    clientSubcommands(),
		},
		{
			Name: "command", Arity: -1, Flags: FlagLoading | FlagStale, Categories: "connection",
			Since: "2.8.13", Complexity: "O(N), N being the number of commands",
			Summary: "Describes all commands.",
			Tips:    []string{"nondeterministic_output_order"},
			Subs:    commandSubcommands(),
		},
	}
	for _, s := range specs {
		if s.Group = "connection"; s.Name == "command" {
			s.Group = "server"
		}
	}
	return specs
}

func clientSubcommands() []*Spec {
	const flags = FlagNoScript | FlagLoading | FlagStale
	return []*Spec{
		{
			Name: "id", Arity: 2, Flags: flags, Since: "5.0.0", Complexity: "O(1)",
			Summary: "Returns the connection's number.",
		},
		{
			Name: "info", Arity: 2, Flags: flags, Since: "6.2.0", Complexity: "O(1)",
			Summary: "Describes the connection.",
			Tips:    []string{"nondeterministic_output"},
		},
		{
			Name: "list", Arity: -2, Flags: flags | FlagAdmin,
			Since: "2.4.0", Complexity: "O(N), N being the number of connections",
			Syntax:  "[TYPE client-type:(NORMAL | MASTER | REPLICA | PUBSUB)] [ID client-id:integer...]",
			Summary: "Describes all connections.",
			Tips:    []string{"nondeterministic_output"},
		},
		{
			Name: "getname", Arity: 2, Flags: flags, Since: "2.6.9", Complexity: "O(1)",
			Summary: "Returns the connection's name.",
		},
		{
			Name: "setname", Arity: 3, Flags: flags, Since: "2.6.9", Complexity: "O(1)", Syntax: "connection-name",
			Summary: "Names the connection.",
		},
		{
			Name: "setinfo", Arity: 4, Flags: flags, Since: "7.2.0", Complexity: "O(1)",
			Syntax:  "attr:(LIB-NAME libname | LIB-VER libver)",
			Summary: "Notes the client library's name or version.",
		},
		helpSubcommand("5.0.0"),
	}
}

func commandSubcommands() []*Spec {
	const flags = FlagLoading | FlagStale
	return []*Spec{
		{
			Name: "count", Arity: 2, Flags: flags, Since: "2.8.13", Complexity: "O(1)",
			Summary: "Returns the number of commands.",
		},
		{
			Name: "docs", Arity: -2, Flags: flags, Since: "7.0.0", Complexity: "O(N), N being the number of commands",
			Syntax:  "[command-name...]",
			Summary: "Documents commands.",
			Tips:    []string{"nondeterministic_output_order"},
		},
		{
			Name: "getkeys", Arity: -3, Flags: flags, Since: "2.8.13", Complexity: "O(N), N being the number of arguments",
			Syntax:  "command [arg...]",
			Summary: "Returns the keys in a request.",
		},
		{
			Name: "info", Arity: -2, Flags: flags, Since: "2.8.13", Complexity: "O(N), N being the number of commands",
			Syntax:  "[command-name...]",
			Summary: "Describes commands for programs.",
			Tips:    []string{"nondeterministic_output_order"},
		},
		{
			Name: "list", Arity: -2, Flags: flags, Since: "7.0.0", Complexity: "O(N), N being the number of commands",
			Syntax:  "filterby:[FILTERBY (MODULE module-name | ACLCAT category | PATTERN pattern)]",
			Summary: "Lists the names of commands.",
			Tips:    []string{"nondeterministic_output_order"},
		},
		helpSubcommand("5.0.0"),
	}
}

// helpSubcommand is the HELP that every container has. WriteHelp renders it.
func helpSubcommand(since string) *Spec {
	return &Spec{
		Name: "help", Arity: 2, Flags: FlagLoading | FlagStale, Since: since, Complexity: "O(1)",
		Summary: "Lists the subcommands.",
	}
}

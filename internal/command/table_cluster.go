package command

func clusterCommands() []*Spec {
	const flags = FlagLoading | FlagStale | FlagFast
	specs := []*Spec{
		{
			Name: "cluster", Arity: -2, Since: "3.0.0", Complexity: "Depends on the subcommand",
			Summary: "Commands about slots and nodes.",
			Subs:    clusterSubcommands(),
		},
		{
			Name: "asking", Arity: 1, Flags: FlagFast, Categories: "connection", Since: "3.0.0", Complexity: "O(1)",
			Summary: "Announces a request that follows an ASK redirection.",
		},
		{
			Name: "readonly", Arity: 1, Flags: flags, Categories: "connection", Since: "3.0.0", Complexity: "O(1)",
			Summary: "Allows reads from a node that does not lead the key's partition.",
		},
		{
			Name: "readwrite", Arity: 1, Flags: flags, Categories: "connection", Since: "3.0.0", Complexity: "O(1)",
			Summary: "Takes READONLY back.",
		},
	}
	for _, s := range specs {
		s.Group = "cluster"
	}
	return specs
}

func clusterSubcommands() []*Spec {
	const flags = FlagStale
	unsteady := []string{"nondeterministic_output"}
	return []*Spec{
		{
			Name: "keyslot", Arity: 3, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the length of the key",
			Syntax:  "key:string",
			Summary: "Returns the slot of a key.",
		},
		{
			Name: "info", Arity: 2, Flags: flags, Since: "3.0.0", Complexity: "O(1)", Tips: unsteady,
			Summary: "Describes the state of the cluster.",
		},
		{
			Name: "slots", Arity: 2, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Summary: "Returns which nodes serve which slots.",
		},
		{
			Name: "shards", Arity: 2, Flags: flags, Since: "7.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Summary: "Returns the slots and nodes of each shard.",
		},
		{
			Name: "nodes", Arity: 2, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Summary: "Describes the nodes, a line for each.",
		},
		{
			Name: "myid", Arity: 2, Flags: flags, Since: "3.0.0", Complexity: "O(1)",
			Summary: "Returns the node's ID.",
		},
		{
			Name: "countkeysinslot", Arity: 3, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of keys in the partition",
			Syntax:  "slot:integer",
			Summary: "Returns the number of keys in a slot.",
		},
		{
			Name: "getkeysinslot", Arity: 4, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of keys in the partition",
			Syntax: "slot:integer count", Tips: unsteady,
			Summary: "Returns keys of a slot.",
		},
		helpSubcommand("5.0.0"),
	}
}

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
			Summary: "Announces a request that follows an ASK redirection. No server here ever sends one.",
		},
		{
			Name: "readonly", Arity: 1, Flags: flags, Categories: "connection", Since: "3.0.0", Complexity: "O(1)",
			Summary: "Allows reads from a replica, whatever it has, unless VEGA CONSISTENCY has asked for more.",
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
			Name: "myshardid", Arity: 2, Flags: flags, Since: "7.2.0", Complexity: "O(1)",
			Summary: "Returns the ID of the shard that the node is the master of, which is the node's own.",
		},
		{
			Name: "links", Arity: 2, Flags: flags, Since: "7.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Summary: "Names the nodes that this one is in touch with.",
		},
		{
			Name: "replicas", Arity: 3, Flags: FlagAdmin | flags, Since: "5.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Syntax:  "node-id:string",
			Summary: "Describes the nodes that have replicas of what a node leads.",
		},
		{
			Name: "slaves", Arity: 3, Flags: FlagAdmin | flags, Since: "3.0.0", Complexity: "O(N), N being the number of nodes", Tips: unsteady,
			Syntax:  "node-id:string",
			Summary: "The old name of CLUSTER REPLICAS.",
		},
		{
			Name: "countkeysinslot", Arity: 3, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of keys in the partition",
			Syntax:  "slot:integer",
			Summary: "Returns the number of keys that this node has of a slot.",
		},
		{
			Name: "getkeysinslot", Arity: 4, Flags: flags, Since: "3.0.0", Complexity: "O(N), N being the number of keys in the partition",
			Syntax: "slot:integer count", Tips: unsteady,
			Summary: "Returns keys of a slot that this node has.",
		},
		helpSubcommand("5.0.0"),
	}
}

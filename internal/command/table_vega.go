package command

// vegaCommands are what Redis has no words for.
func vegaCommands() []*Spec {
	const flags = FlagLoading | FlagStale | FlagFast
	return []*Spec{{
		Name: "vega", Arity: -2, Group: "vegadb", Since: "7.2.0", Complexity: "Depends on the subcommand",
		Summary: "Commands about what only VegaDB has.",
		Subs: []*Spec{
			{
				Name: "consistency", Arity: -2, Flags: flags, Categories: "connection", Since: "7.2.0", Complexity: "O(1)",
				Syntax:  "[level:(LINEARIZABLE | LEASE | SESSION | BOUNDED milliseconds:integer | LOCAL | DEFAULT)]",
				Summary: "Says what this connection's reads can rely on in a cluster, or changes it.",
			},
			{
				Name: "info", Arity: 2, Flags: flags, Categories: "connection", Since: "7.2.0", Complexity: "O(N), N being the number of partitions",
				Tips:    []string{"nondeterministic_output"},
				Summary: "Describes the node's part in the cluster, and this connection.",
			},
			helpSubcommand("7.2.0"),
		},
	}}
}

package config

import "net"

// derived is a parameter that Redis's tools ask CONFIG GET for and that here
// follows from other settings or is fixed. It cannot be set.
type derived struct {
	name string
	get  func(*Server) string
}

func derivedParameters() []derived {
	fixed := func(text string) func(*Server) string {
		return func(*Server) string { return text }
	}
	return []derived{
		{"appendonly", func(c *Server) string {
			if c.InMemory {
				return "no"
			}
			return "yes"
		}},
		{"bind", func(c *Server) string { host, _, _ := net.SplitHostPort(c.Addr); return host }},
		{"port", func(c *Server) string { _, port, _ := net.SplitHostPort(c.Addr); return port }},
		{"databases", fixed("1")},
		{"maxmemory-policy", fixed("noeviction")},
		{"save", fixed("")},
	}
}

func derivedValue(c *Server, name string) *string {
	for _, d := range derivedParameters() {
		if d.name == name {
			text := d.get(c)
			return &text
		}
	}
	return nil
}

// parameters returns what CONFIG GET can show of the table, in the table's order, for
// names that match accepts: every setting in its canonical form, then the Redis names
// with values in Redis's form.
func (t *Table[T]) parameters(c *T, match func(name string) bool) []Pair {
	var own, redis []Pair
	for _, s := range t.Rows {
		if match(s.Name) && s.Redis != s.Name {
			own = append(own, Pair{s.Name, s.Get(c)})
		}
		if s.Redis != "" && match(s.Redis) {
			redis = append(redis, Pair{s.Redis, s.RedisGet(c)})
		}
	}
	return append(own, redis...)
}

// Parameters returns what CONFIG GET can show, in the table's order, for names
// that match accepts: every setting in its canonical form, then the Redis names
// with values in Redis's form, then what is only derived.
//
// No setting holds a secret (passwords live in the users file, as hashes), so
// there is nothing to hide.
func Parameters(c *Server, match func(name string) bool) []Pair {
	out := ServerTable().parameters(c, match)
	for _, d := range derivedParameters() {
		if match(d.name) {
			out = append(out, Pair{d.name, d.get(c)})
		}
	}
	return out
}

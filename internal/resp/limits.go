package resp

// Limits bound what a peer may ask the parser to hold. Exceeding one is a
// protocol error.
type Limits struct {
	MaxArgs   int // arguments in one command, its name included
	MaxBulk   int // bytes in one argument
	MaxQuery  int // bytes of one command as transmitted
	MaxInline int // bytes of one inline line

	// Unauthenticated selects the texts Redis uses for limits that hold only
	// until the peer has authenticated.
	Unauthenticated bool
}

// DefaultLimits are the limits of an authenticated connection, before the
// server's settings are applied.
func DefaultLimits() Limits {
	return Limits{MaxArgs: 1 << 20, MaxBulk: 512 << 20, MaxQuery: 1 << 30, MaxInline: 64 << 10}
}

// UnauthenticatedLimits are the limits of a peer that must still authenticate.
func UnauthenticatedLimits() Limits {
	return Limits{MaxArgs: 10, MaxBulk: 16 << 10, MaxQuery: 1 << 20, MaxInline: 64 << 10, Unauthenticated: true}
}

package front

// Protocol is what a connection speaks, known from its first byte.
type Protocol uint8

const (
	ProtocolUnknown Protocol = iota
	ProtocolRESP
	ProtocolNative
	Protocols // how many there are
)

// ProtocolOf tells the protocol by a connection's first byte.
func ProtocolOf(first byte) Protocol {
	if first >= 0x80 {
		return ProtocolNative
	}
	return ProtocolRESP
}

func (p Protocol) String() string { return [...]string{"unknown", "resp", "native"}[p] }

// CloseReason is why a connection was ended.
type CloseReason uint8

const (
	ClosedNot CloseReason = iota
	ClosedByPeer
	ClosedRefused
	ClosedTooMany
	ClosedTooManyFromAddress
	ClosedShutdown
	ClosedProtocolError
	ClosedHTTP
	ClosedInputLimit // a server's: a router leaves input unread instead
	ClosedOutputLimit
	ClosedOutputTotal
	ClosedIdle
	ClosedHandshakeTimeout
	ClosedFrameTimeout
	ClosedWriteTimeout
	CloseReasons // above all of them
)

// String is the value of the metric's label.
func (r CloseReason) String() string {
	return [CloseReasons]string{
		"", "peer", "refused", "max_connections", "max_connections_per_address", "shutdown", "protocol_error", "http",
		"input_limit", "output_limit", "output_limit_total", "idle_timeout", "handshake_timeout", "frame_timeout", "write_timeout",
	}[r]
}

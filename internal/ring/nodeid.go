package ring

import (
	"encoding/hex"
	"fmt"
)

// NodeID is the identity of a node: 128 random bits, drawn with its data
// directory, never changed and never reused.
type NodeID [16]byte

// String returns 32 hexadecimal digits.
func (id NodeID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero NodeID, which no node has.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// ParseNodeID takes exactly what String gives.
func ParseNodeID(s string) (NodeID, error) {
	var id NodeID
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("%q is not a node id of %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return NodeID{}, fmt.Errorf("%q is not a node id of %d hexadecimal digits", s, 2*len(id))
	}
	return id, nil
}

// MarshalText makes JSON and TOML show the digits.
func (id NodeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *NodeID) UnmarshalText(text []byte) error {
	parsed, err := ParseNodeID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

package meta

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// CommandVersion is the version of commands that this program writes, and the only one it understands.
const CommandVersion = 1

// RequestID names a command. Who proposes it draws 16 random bytes, and uses the same again when repeating it.
type RequestID [16]byte

// String returns 32 hexadecimal digits.
func (id RequestID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText makes JSON show the digits.
func (id RequestID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *RequestID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("%q is not a request id of %d hexadecimal digits", text, 2*len(id))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Op is what a command does: one of the types listed in newOp.
type Op interface {
	// Type is the command's name in the log.
	Type() string
	// apply changes s, or refuses and changes nothing. It reports whether anything changed that can be seen.
	apply(s *State) (changed bool, r Result)
}

// newOp returns an empty Op of that type, or nil if this version knows none.
func newOp(kind string) Op {
	switch kind {
	case "join":
		return &Join{}
	case "update-member":
		return &UpdateMember{}
	case "mark-down":
		return &MarkDown{}
	case "mark-up":
		return &MarkUp{}
	case "drain":
		return &Drain{}
	case "undrain":
		return &Undrain{}
	case "remove":
		return &Remove{}
	case "forget":
		return &Forget{}
	case "set-targets":
		return &SetTargets{}
	case "report":
		return &Report{}
	case "pause":
		return &Pause{}
	case "resume":
		return &Resume{}
	case "set-setting":
		return &SetSetting{}
	case "set-users":
		return &SetUsers{}
	case "set-replicas":
		return &SetReplicas{}
	case "request-rebalance":
		return &RequestRebalance{}
	}
	return nil
}

// envelope is a command's form in the log.
type envelope struct {
	Version int             `json:"v"`
	ID      RequestID       `json:"id"`
	Type    string          `json:"type"`
	Args    json.RawMessage `json:"args"`
}

// EncodeCommand returns the command as the log holds it.
func EncodeCommand(id RequestID, op Op) ([]byte, error) {
	if id == (RequestID{}) {
		return nil, fmt.Errorf("encode the command %s: it has no request id", op.Type())
	}
	args, err := json.Marshal(op)
	if err != nil {
		return nil, fmt.Errorf("encode the command %s: %w", op.Type(), err)
	}
	command, err := json.Marshal(envelope{CommandVersion, id, op.Type(), args})
	if err != nil {
		return nil, fmt.Errorf("encode the command %s: %w", op.Type(), err)
	}
	if len(command) > maxCommandBytes {
		return nil, fmt.Errorf("the command %s has %d bytes, at most %d are allowed", op.Type(), len(command), maxCommandBytes)
	}
	return command, nil
}

// ErrNotUnderstood is in the errors for commands of which this version does not know what they do.
var ErrNotUnderstood = errors.New("this version does not understand it")

// DecodeCommand is the inverse of EncodeCommand. It is strict: a field that it does not know may matter. What comes
// from elsewhere must go through it before it is proposed, because a command in the log that cannot be decoded
// halts every node.
func DecodeCommand(command []byte) (RequestID, Op, error) {
	var e envelope
	fail := func(why any) (RequestID, Op, error) {
		return e.ID, nil, fmt.Errorf("meta command %.32q: %w: %v", e.Type, ErrNotUnderstood, why)
	}
	if len(command) > maxCommandBytes {
		return fail(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(command), maxCommandBytes))
	}
	if err := strict(command, &e); err != nil {
		return fail(err)
	}
	if e.Version != CommandVersion {
		return fail(fmt.Sprintf("its version is %d, this program knows %d: upgrade it", e.Version, CommandVersion))
	}
	if e.ID == (RequestID{}) {
		return fail("it has no request id")
	}
	op := newOp(e.Type)
	if op == nil {
		return fail("its type is unknown: upgrade this program")
	}
	if err := strict(e.Args, op); err != nil {
		return fail(err)
	}
	return e.ID, op, nil
}

func strict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more behind its end")
	}
	return nil
}

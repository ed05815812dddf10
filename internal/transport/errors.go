package transport

import (
	"errors"
	"fmt"

	"github.com/prakashpandey/vegadb/internal/ring"
)

// ErrClosed is what everything returns after Close.
var ErrClosed = errors.New("the transport is closed")

// ErrUnknownNode says that no address is known for a node.
var ErrUnknownNode = errors.New("no address is known for this node")

// RefusalCode is the reason for which a node did not take a connection. Codes keep their meaning.
type RefusalCode uint16

const (
	WrongVersion RefusalCode = 1 // no common version of the protocol
	BadRequest   RefusalCode = 2 // the hello makes no sense
	WrongCluster RefusalCode = 3 // it belongs to another cluster
	WrongNode    RefusalCode = 4 // another node lives at that address now
	OwnAddress   RefusalCode = 5 // the node has dialled itself
	CopyRunning  RefusalCode = 6 // the other side has this node's id: a copy of the data directory is running
	DuplicateID  RefusalCode = 7 // a newer process has connected with the same node id
	NotAdmitted  RefusalCode = 8 // Options.Admit said no: not a member, or not any more
	Busy         RefusalCode = 9 // a limit on connections has been reached
)

var refusalNames = [...]string{
	WrongVersion: "wrong version", BadRequest: "bad request", WrongCluster: "wrong cluster", WrongNode: "wrong node",
	OwnAddress: "own address", CopyRunning: "copy running", DuplicateID: "duplicate node id",
	NotAdmitted: "not admitted", Busy: "busy",
}

func (c RefusalCode) String() string {
	if int(c) < len(refusalNames) && refusalNames[c] != "" {
		return refusalNames[c]
	}
	return fmt.Sprintf("refusal %d", uint16(c))
}

// RefusedError says that the other side did not take the connection, and why.
type RefusedError struct {
	Addr string // that was dialled
	Code RefusalCode
	Text string // the other side's
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s refused (%s): %s", e.Addr, e.Code, e.Text)
}

// StrangerError says that what answers at an address is no node's peer port: it speaks something else. To try again
// changes nothing.
type StrangerError struct {
	Addr string // that was dialled
	Text string // what it seems to be
}

func (e *StrangerError) Error() string { return e.Addr + " is no node's peer port: " + e.Text }

// RemoteError is the error of the other side's Handler.
type RemoteError struct {
	Node ring.NodeID // who answered
	Text string
}

func (e *RemoteError) Error() string { return fmt.Sprintf("node %s: %s", e.Node, e.Text) }

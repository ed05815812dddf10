package transport

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode"

	"github.com/prakashpandey/vegadb/internal/ring"
)

const (
	magic = "VPEER"

	// Versions of the protocol that this build speaks.
	lowestVersion  = 1
	highestVersion = 1

	helloSize  = 68
	answerSize = 56
	maxText    = 512 // bytes of an answer's text
)

// purpose is what a connection is for.
type purpose uint8

const (
	purposeFrames   purpose = 1
	purposeSnapshot purpose = 2
	purposeCall     purpose = 3
)

func (p purpose) String() string {
	switch p {
	case purposeFrames:
		return "frames"
	case purposeSnapshot:
		return "snapshot"
	case purposeCall:
		return "call"
	}
	return fmt.Sprintf("purpose %d", uint8(p))
}

// hello is the first message of a connection, from the side that dialled.
type hello struct {
	lowest, highest uint8 // versions the sender speaks
	purpose         purpose
	cluster         ring.NodeID // zero: a stranger
	from            ring.NodeID
	to              ring.NodeID // zero: whoever lives at the address
	boot            uint64
}

func (h *hello) append(b []byte) []byte {
	at := len(b)
	b = append(b, magic...)
	b = append(b, h.lowest, h.highest, uint8(h.purpose))
	b = append(b, h.cluster[:]...)
	b = append(b, h.from[:]...)
	b = append(b, h.to[:]...)
	b = le.AppendUint64(b, h.boot)
	return le.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

var errHello = errors.New("the hello does not match its checksum")

// notAPeerError is what a connection gets that does not begin with the magic bytes.
type notAPeerError struct{ first [len(magic)]byte }

func (e *notAPeerError) Error() string {
	switch first := string(e.first[:]); {
	case e.first[0] == 0x16 && e.first[1] == 3:
		return "the other side speaks TLS and this node's peer port does not: give both the same peer TLS settings"
	case strings.HasPrefix(first, "GET ") || strings.HasPrefix(first, "POST ") || strings.HasPrefix(first, "HEAD "):
		return "an HTTP request came to the peer port, which is for nodes only"
	}
	return fmt.Sprintf("bytes that are no node's hello (%q) came to the peer port", e.first[:])
}

// readHello reads and decodes one hello.
func readHello(src io.Reader) (hello, error) {
	var h hello
	var b [helloSize]byte
	if _, err := io.ReadFull(src, b[:len(magic)]); err != nil {
		return h, err
	}
	if string(b[:len(magic)]) != magic {
		return h, &notAPeerError{first: [len(magic)]byte(b[:])}
	}
	if _, err := io.ReadFull(src, b[len(magic):]); err != nil {
		return h, err
	}
	if crc32.Checksum(b[:helloSize-4], castagnoli) != le.Uint32(b[helloSize-4:]) {
		return h, errHello
	}
	h.lowest, h.highest, h.purpose = b[5], b[6], purpose(b[7])
	copy(h.cluster[:], b[8:])
	copy(h.from[:], b[24:])
	copy(h.to[:], b[40:])
	h.boot = le.Uint64(b[56:])
	return h, nil
}

// answer is the accepting side's reply to a hello.
type answer struct {
	version uint8 // that both will speak
	code    RefusalCode
	node    ring.NodeID // who answers; zero in a refusal
	cluster ring.NodeID // zero in a refusal
	boot    uint64
	text    string // of a refusal
}

func (a *answer) append(b []byte) []byte {
	at := len(b)
	text := a.text[:min(len(a.text), maxText)]
	b = append(b, magic...)
	b = append(b, a.version)
	b = le.AppendUint16(b, uint16(a.code))
	b = append(b, a.node[:]...)
	b = append(b, a.cluster[:]...)
	b = le.AppendUint64(b, a.boot)
	b = le.AppendUint16(b, uint16(len(text)))
	b = le.AppendUint16(b, 0)
	crc := crc32.Update(crc32.Checksum(b[at:], castagnoli), castagnoli, []byte(text))
	b = le.AppendUint32(b, crc)
	return append(b, text...)
}

// readAnswer reads and decodes one answer.
func readAnswer(src io.Reader) (answer, error) {
	var a answer
	var b [answerSize + maxText]byte
	if _, err := io.ReadFull(src, b[:len(magic)]); err != nil {
		return a, err
	}
	if string(b[:len(magic)]) != magic {
		return a, &notAnAnswerError{first: [len(magic)]byte(b[:])}
	}
	if _, err := io.ReadFull(src, b[len(magic):answerSize]); err != nil {
		return a, err
	}
	size := int(le.Uint16(b[48:]))
	if size > maxText {
		return a, fmt.Errorf("an answer with a text of %d bytes, the limit is %d", size, maxText)
	}
	text := b[answerSize : answerSize+size]
	if _, err := io.ReadFull(src, text); err != nil {
		return a, err
	}
	if crc32.Update(crc32.Checksum(b[:answerSize-4], castagnoli), castagnoli, text) != le.Uint32(b[answerSize-4:]) {
		return a, errors.New("the answer to the hello does not match its checksum")
	}
	a.version, a.code = b[5], RefusalCode(le.Uint16(b[6:]))
	copy(a.node[:], b[8:])
	copy(a.cluster[:], b[24:])
	a.boot = le.Uint64(b[40:])
	a.text = printable(text)
	return a, nil
}

// notAnAnswerError is what the dialling side gets that does not begin with the magic bytes.
type notAnAnswerError struct{ first [len(magic)]byte }

func (e *notAnAnswerError) Error() string { return "what answers is not a node's peer port" }

// guess says what has answered. overTLS: this node's peer port uses TLS, and so did the connection.
func (e *notAnAnswerError) guess(overTLS bool) string {
	switch first := string(e.first[:]); {
	case strings.HasPrefix(first, "HTTP/"):
		return "HTTP answers there, as at a node's port for metrics; peer ports are 8344 by default"
	case first[0] == '-' || first[0] == '+' || first[0] >= 0x80:
		return "a port for clients answers there, of a node, a router or a Redis server; peer ports are 8344 by default"
	case (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3 && !overTLS:
		return "TLS answers there, and this node's peer port does not speak it: is it another port of a node (peer ports are 8344 by default)? If not, give both the same peer TLS settings"
	}
	return fmt.Sprintf("something else answers there (%q)", printable(e.first[:]))
}

// printable makes a text from the network fit for a log.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(string(b), "?"))
}

package wire

// Magic is how both sides of a connection start. Its first byte is one that no
// RESP client sends, so that one port can serve both protocols.
var magic = [4]byte{MagicByte, 'V', 'D', 'B'}

const (
	// MagicByte is the first byte of a native connection.
	MagicByte = 0xD6
	// HelloPreamble is the size of magic and length in front of a hello.
	HelloPreamble = len(magic) + lengthSize
	// MaxHello bounds a hello behind its preamble, in bytes.
	MaxHello = 16 << 10

	// Version1 is the only protocol version so far.
	Version1 uint16 = 1
)

// AuthMethod says how a client proves who it is.
type AuthMethod uint8

const (
	AuthNone     AuthMethod = 0 // no credentials: the default user, or that of the TLS certificate
	AuthPassword AuthMethod = 1 // user name and password, as they are: use TLS off the loopback
)

// Features are optional abilities, one bit each. The server's hello holds those
// that both sides named.
type Features uint64

const (
	// FeaturePush: the server sends frames of KindTopology without being asked,
	// when who leads what has changed.
	FeaturePush Features = 1 << 0
	// FeatureSessions: the server keeps sessions (FlagSession), so that a
	// repetition of a write takes effect once.
	FeatureSessions Features = 1 << 1
)

// ClientHello opens a connection.
type ClientHello struct {
	MinVersion uint16     `json:"min_version"`
	MaxVersion uint16     `json:"max_version"`
	Features   Features   `json:"features"`
	Auth       AuthMethod `json:"auth"`
	Username   string     `json:"username"` // AuthPassword; at most 1024 bytes each
	Password   string     `json:"password"`
	ClientName string     `json:"client_name"` // for the server's list of connections; at most 1024 bytes
}

// ServerHello answers it. With a Status other than OK the server closes the
// connection behind it, and of the other fields only RetryAfterMs and Message
// count.
type ServerHello struct {
	Status        Status   `json:"status"`
	Version       uint16   `json:"version"` // the one spoken from here on
	RetryAfterMs  uint32   `json:"retry_after_ms"`
	Features      Features `json:"features"`
	Limits        Limits   `json:"limits"`
	Epoch         uint64   `json:"epoch"` // of the topology
	NodeID        string   `json:"node_id"`
	ClusterID     string   `json:"cluster_id"`
	ServerVersion string   `json:"server_version"`    // of the program, for people
	Message       string   `json:"message"`           // for people
	TimeMs        uint64   `json:"time_ms,omitempty"` // the server's clock, unix ms; left out when 0
}

// maxHelloString bounds each string in a hello, in bytes.
const maxHelloString = 1024

// beginHello appends magic and an open length.
func beginHello(dst []byte) []byte {
	dst = append(dst, magic[:]...)
	return append(dst, 0, 0, 0, 0)
}

func finishHello(dst []byte, start int) []byte {
	FinishFrame(dst, start+len(magic))
	return dst
}

// ParseHello finds a hello, either side's, at the start of buf. It returns what
// follows the preamble as a view and n, the bytes taken; n == 0 with a nil error
// means that more bytes are needed. It judges the magic from the first byte on.
func ParseHello(buf []byte) (payload []byte, n int, err error) {
	for i := 0; i < len(magic) && i < len(buf); i++ {
		if buf[i] != magic[i] {
			return nil, 0, ErrMagic
		}
	}
	if len(buf) < HelloPreamble {
		return nil, 0, nil
	}
	length := le.Uint32(buf[len(magic):])
	if length > MaxHello {
		return nil, 0, ErrHelloTooLarge
	}
	n = HelloPreamble + int(length)
	if len(buf) < n {
		return nil, 0, nil
	}
	return buf[HelloPreamble:n:n], n, nil
}

func appendString(dst []byte, s string) []byte {
	if len(s) > maxHelloString {
		s = s[:maxHelloString]
	}
	dst = le.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// takeString reads a length-prefixed string; ok is false when it is too long or
// cut off.
func takeString(b []byte, ok *bool) (string, []byte) {
	if !*ok || len(b) < 2 {
		*ok = false
		return "", nil
	}
	n := int(le.Uint16(b))
	if n > maxHelloString || len(b)-2 < n {
		*ok = false
		return "", nil
	}
	return string(b[2 : 2+n]), b[2+n:]
}

// Append appends the whole hello. Strings that are too long are cut.
func (h *ClientHello) Append(dst []byte) []byte {
	start := len(dst)
	dst = beginHello(dst)
	dst = le.AppendUint16(dst, h.MinVersion)
	dst = le.AppendUint16(dst, h.MaxVersion)
	dst = le.AppendUint64(dst, uint64(h.Features))
	dst = append(dst, byte(h.Auth))
	dst = appendString(dst, h.Username)
	dst = appendString(dst, h.Password)
	dst = appendString(dst, h.ClientName)
	return finishHello(dst, start)
}

const clientHelloFixed = 2 + 2 + 8 + 1

// Decode reads what ParseHello returned. Bytes behind the known fields are
// ignored: a later version may add some.
func (h *ClientHello) Decode(b []byte) error {
	if len(b) < clientHelloFixed {
		return ErrHello
	}
	h.MinVersion, h.MaxVersion = le.Uint16(b), le.Uint16(b[2:])
	h.Features = Features(le.Uint64(b[4:]))
	h.Auth = AuthMethod(b[12])
	b = b[clientHelloFixed:]
	ok := h.MinVersion <= h.MaxVersion
	h.Username, b = takeString(b, &ok)
	h.Password, b = takeString(b, &ok)
	h.ClientName, _ = takeString(b, &ok)
	if !ok {
		return ErrHello
	}
	return nil
}

// Append appends the whole hello. Strings that are too long are cut.
func (h *ServerHello) Append(dst []byte) []byte {
	start := len(dst)
	dst = beginHello(dst)
	dst = le.AppendUint16(dst, uint16(h.Status))
	dst = le.AppendUint16(dst, h.Version)
	dst = le.AppendUint32(dst, h.RetryAfterMs)
	dst = le.AppendUint64(dst, uint64(h.Features))
	for _, limit := range [...]uint32{h.Limits.MaxFrame, h.Limits.MaxKey, h.Limits.MaxValue,
		h.Limits.MaxBatch, h.Limits.MaxScan, h.Limits.MaxInFlight} {
		dst = le.AppendUint32(dst, limit)
	}
	dst = le.AppendUint64(dst, h.Epoch)
	dst = appendString(dst, h.NodeID)
	dst = appendString(dst, h.ClusterID)
	dst = appendString(dst, h.ServerVersion)
	dst = appendString(dst, h.Message)
	if h.TimeMs != 0 {
		dst = le.AppendUint64(dst, h.TimeMs)
	}
	return finishHello(dst, start)
}

const serverHelloFixed = 2 + 2 + 4 + 8 + 6*4 + 8

// Decode reads what ParseHello returned. Bytes behind the known fields are
// ignored: a later version may add some.
func (h *ServerHello) Decode(b []byte) error {
	if len(b) < serverHelloFixed {
		return ErrHello
	}
	h.Status, h.Version = Status(le.Uint16(b)), le.Uint16(b[2:])
	h.RetryAfterMs = le.Uint32(b[4:])
	h.Features = Features(le.Uint64(b[8:]))
	h.Limits = Limits{
		MaxFrame: le.Uint32(b[16:]), MaxKey: le.Uint32(b[20:]), MaxValue: le.Uint32(b[24:]),
		MaxBatch: le.Uint32(b[28:]), MaxScan: le.Uint32(b[32:]), MaxInFlight: le.Uint32(b[36:]),
	}
	h.Epoch = le.Uint64(b[40:])
	b = b[serverHelloFixed:]
	ok := true
	h.NodeID, b = takeString(b, &ok)
	h.ClusterID, b = takeString(b, &ok)
	h.ServerVersion, b = takeString(b, &ok)
	h.Message, b = takeString(b, &ok)
	h.TimeMs = 0
	if len(b) >= 8 {
		h.TimeMs = le.Uint64(b)
	} else if len(b) != 0 {
		ok = false
	}
	if !ok {
		return ErrHello
	}
	return nil
}

// Negotiate picks the protocol version for a client: the highest that both
// speak, or 0 if there is none.
func (h *ClientHello) Negotiate() uint16 {
	if h.MinVersion <= Version1 && Version1 <= h.MaxVersion {
		return Version1
	}
	return 0
}

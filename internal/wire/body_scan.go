package wire

// ScanBody is the body of SCAN.
type ScanBody struct {
	Cursor uint64 // 0 starts; then what the last page returned
	Limit  uint32 // about how many entries a page should have; 0 leaves it to the server
	Prefix []byte // of the keys wanted; a view; may be empty
}

const scanBodyFixed = 8 + 4

// AppendScan appends the body of SCAN.
func AppendScan[K Bytes](dst []byte, cursor uint64, limit uint32, prefix K) []byte {
	dst = le.AppendUint64(dst, cursor)
	dst = le.AppendUint32(dst, limit)
	return append(dst, prefix...)
}

// Decode reads and judges the body. Limit is brought into 1…MaxScan.
func (s *ScanBody) Decode(body []byte, lim *Limits) error {
	if len(body) < scanBodyFixed {
		return ErrTruncated
	}
	s.Cursor = le.Uint64(body)
	s.Limit = le.Uint32(body[8:])
	if s.Limit == 0 || s.Limit > lim.MaxScan {
		s.Limit = lim.MaxScan
	}
	s.Prefix = body[scanBodyFixed:]
	return CheckKey(s.Prefix, lim)
}

// ScanEntry is one entry of a page.
type ScanEntry struct {
	Key      []byte // a view
	Value    []byte // a view; not with ScanKeysOnly
	Version  uint64 // not with ScanKeysOnly
	ExpireAt uint64 // unix ms, 0 if it never expires; not with ScanKeysOnly
}

const (
	scanPageHeader  = 8 + 4
	scanKeyHeader   = 4
	scanEntryHeader = 4 + 4 + 8 + 8
)

// BeginScanPage appends an open page header. A page may be empty without being
// the last one: only a next cursor of 0 ends the scan.
func BeginScanPage(dst []byte) []byte { return append(dst, make([]byte, scanPageHeader)...) }

// FinishScanPage writes the header of the page that starts at dst[start:].
func FinishScanPage(dst []byte, start int, next uint64, entries int) {
	le.PutUint64(dst[start:], next)
	le.PutUint32(dst[start+8:], uint32(entries))
}

// AppendScanKey appends an entry of a page with ScanKeysOnly.
func AppendScanKey(dst, key []byte) []byte {
	dst = le.AppendUint32(dst, uint32(len(key)))
	return append(dst, key...)
}

// AppendScanEntry appends an entry of a page without ScanKeysOnly.
func AppendScanEntry(dst, key, value []byte, version, expireAt uint64) []byte {
	dst = le.AppendUint32(dst, uint32(len(key)))
	dst = le.AppendUint32(dst, uint32(len(value)))
	dst = le.AppendUint64(dst, version)
	dst = le.AppendUint64(dst, expireAt)
	dst = append(dst, key...)
	return append(dst, value...)
}

// ScanPage walks the reply to SCAN.
type ScanPage struct {
	NextCursor uint64 // 0 when the scan is complete
	keysOnly   bool
	left       uint32
	total      uint32
	rest       []byte
}

// Decode starts a walk over the body of a reply to SCAN with these flags.
func (p *ScanPage) Decode(flags uint8, body []byte) error {
	*p = ScanPage{keysOnly: flags&ScanKeysOnly != 0}
	if len(body) < scanPageHeader {
		return ErrTruncated
	}
	itemMin := scanEntryHeader
	if p.keysOnly {
		itemMin = scanKeyHeader
	}
	p.NextCursor = le.Uint64(body)
	n, rest, err := takeCount(body[8:], itemMin, ^uint32(0))
	if err != nil {
		return err
	}
	p.left, p.total, p.rest = n, n, rest
	return nil
}

// Len returns the count of entries in the whole page.
func (p *ScanPage) Len() int { return int(p.total) }

// Next stores the next entry; ok is false after the last one and after an error.
func (p *ScanPage) Next(e *ScanEntry) (ok bool, err error) {
	if p.left == 0 {
		if len(p.rest) != 0 {
			p.rest = nil
			return false, ErrTrailing
		}
		return false, nil
	}
	*e = ScanEntry{}
	header := scanEntryHeader
	if p.keysOnly {
		header = scanKeyHeader
	}
	if len(p.rest) < header {
		return p.fail()
	}
	keyLen, valueLen := uint64(le.Uint32(p.rest)), uint64(0)
	if !p.keysOnly {
		valueLen = uint64(le.Uint32(p.rest[4:]))
		e.Version = le.Uint64(p.rest[8:])
		e.ExpireAt = le.Uint64(p.rest[16:])
	}
	b := p.rest[header:]
	if uint64(len(b)) < keyLen+valueLen {
		return p.fail()
	}
	e.Key = b[:keyLen:keyLen]
	if !p.keysOnly {
		e.Value = b[keyLen : keyLen+valueLen : keyLen+valueLen]
	}
	p.rest = b[keyLen+valueLen:]
	p.left--
	return true, nil
}

func (p *ScanPage) fail() (bool, error) {
	p.left, p.rest = 0, nil
	return false, ErrTruncated
}

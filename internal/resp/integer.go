package resp

// ParseInt reads a decimal 64-bit integer as strictly as Redis does: an optional
// minus, no plus, no spaces, no leading zeros, no "-0", no overflow. Every integer
// that has two spellings elsewhere has one here, so an integer that was accepted
// prints as the same bytes.
func ParseInt(s []byte) (v int64, ok bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	negative := s[0] == '-'
	if negative {
		s = s[1:]
		if len(s) == 0 || s[0] == '0' {
			return 0, false
		}
	}
	if s[0] == '0' {
		return 0, len(s) == 1
	}
	if len(s) > 19 {
		return 0, false
	}
	var u uint64 // 19 digits fit: below 10^19 < 2^64
	for _, c := range s {
		d := uint64(c) - '0'
		if d > 9 {
			return 0, false
		}
		u = u*10 + d
	}
	if negative {
		if u > 1<<63 {
			return 0, false
		}
		return -int64(u), true
	}
	if u > 1<<63-1 {
		return 0, false
	}
	return int64(u), true
}

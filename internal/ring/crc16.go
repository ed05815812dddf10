package ring

// crc16 is CRC-16/XMODEM (polynomial 0x1021, initial value 0), the checksum of
// the Redis Cluster specification. Two tables let it take two bytes a step,
// which matters because every request on the hot path pays for it.
func crc16(p []byte) uint16 {
	var crc uint16
	for len(p) >= 2 {
		crc ^= uint16(p[0])<<8 | uint16(p[1])
		crc = crcTable[1][crc>>8] ^ crcTable[0][crc&0xff]
		p = p[2:]
	}
	if len(p) == 1 {
		crc = crc<<8 ^ crcTable[0][byte(crc>>8)^p[0]]
	}
	return crc
}

// crcTable[0][b] is the CRC of the byte b; crcTable[1][b] that of b followed by
// a zero byte. Computed once when the program starts and never changed.
var crcTable = makeCRCTable()

func makeCRCTable() (t [2][256]uint16) {
	for b := range 256 {
		crc := uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[0][b] = crc
	}
	for b := range 256 {
		crc := t[0][b]
		t[1][b] = crc<<8 ^ t[0][byte(crc>>8)]
	}
	return t
}

// Package load puts load on a server and times it.
//
//	redis-benchmark   the RESP rows: the same program, with the same arguments, against both sides
//	Pipe, Fill        a plain connection of our own: fills servers, and speaks memcached's protocol too
//	Callers           many goroutines that share one client library, as an application's would
//	Paced             a steady load below saturation, to see what something else does to latency
//	PacedCallers      the same by way of a client library
//
// Keys are "key:" and twelve digits (16 bytes), as redis-benchmark makes them. Values are cut from a block of
// random bytes, so that no side gains from compressing them.
package load

import "strconv"

// KeyBytes is the length of every key.
const KeyBytes = 16

// AppendKey appends the i-th key.
func AppendKey(dst []byte, i uint64) []byte {
	dst = append(dst, "key:000000000000"...)
	for at := len(dst) - 1; i > 0; at-- {
		dst[at] = byte('0' + i%10)
		i /= 10
	}
	return dst
}

// Key returns the i-th key.
func Key(i uint64) string { return string(AppendKey(nil, i)) }

func appendBulk(dst, b []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(b)), 10)
	dst = append(dst, "\r\n"...)
	dst = append(dst, b...)
	return append(dst, "\r\n"...)
}

package command

// KeyRange returns where the keys of a request lie: args[first], args[first+step]
// and so on, count of them. The request has passed the arity check. count is 0
// for a command without keys.
func (s *Spec) KeyRange(args [][]byte) (first, step, count int) {
	if s.FirstKey == 0 {
		return 0, 1, 0
	}
	last := s.LastKey
	if last < 0 {
		last += len(args)
	}
	return s.FirstKey, s.KeyStep, (last-s.FirstKey)/s.KeyStep + 1
}

// Keys appends the keys of a request to dst.
func Keys(dst [][]byte, s *Spec, args [][]byte) [][]byte {
	first, step, count := s.KeyRange(args)
	for i := range count {
		dst = append(dst, args[first+i*step])
	}
	return dst
}

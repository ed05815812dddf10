package command

// Match reports whether s matches a pattern as KEYS and SCAN understand it: * for
// any bytes, ? for one, [a-c], [^a] for one of a set, \ before a byte that is to
// stand for itself.
//
// It is iterative: a * that fails to match further on is widened by one byte, and
// only the last * ever needs to be, because an earlier one can gain nothing by
// matching more. The time is at most len(pattern) × len(s), whatever the pattern.
func Match(pattern, s []byte) bool {
	var p, i int
	star, resume := -1, 0 // after the last *, and where in s it stops matching
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			for p < len(pattern) && pattern[p] == '*' {
				p++
			}
			if p == len(pattern) {
				return true
			}
			star, resume = p, i
			continue
		}
		if p < len(pattern) {
			if n, ok := matchOne(pattern[p:], s[i]); ok {
				p += n
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		resume++
		p, i = star, resume
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches c with the element at the front of a pattern, which is not *,
// and returns the element's length.
func matchOne(pattern []byte, c byte) (n int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		return matchSet(pattern, c)
	case '\\':
		if len(pattern) >= 2 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

// matchSet matches c with the set at the front of a pattern. As in Redis a set
// that is not closed ends with the pattern, and a range may be given backwards.
func matchSet(pattern []byte, c byte) (n int, ok bool) {
	i := 1
	not := i < len(pattern) && pattern[i] == '^'
	if not {
		i++
	}
	found := false
	for {
		switch {
		case i >= len(pattern):
			return i, found != not
		case pattern[i] == '\\' && len(pattern)-i >= 2:
			i++
			found = found || pattern[i] == c
		case pattern[i] == ']':
			return i + 1, found != not
		case len(pattern)-i >= 3 && pattern[i+1] == '-':
			low, high := min(pattern[i], pattern[i+2]), max(pattern[i], pattern[i+2])
			i += 2
			found = found || low <= c && c <= high
		default:
			found = found || pattern[i] == c
		}
		i++
	}
}

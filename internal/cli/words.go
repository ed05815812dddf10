package cli

import (
	"errors"
	"fmt"
	"strconv"
)

var errOpenQuote = errors.New("a quote is not closed")

// splitWords splits a line of the shell into words as a POSIX shell would,
// without expanding anything:
//
//	'…'    as it is
//	"…"    with the escapes \" \\ \n \r \t \0 and \xHH for any byte
//	\c     the character c outside quotes
//	# …    a comment, where a word would begin
//
// Words may hold any bytes.
func splitWords(line string) ([]string, error) {
	var words []string
	for i := 0; ; {
		for i < len(line) && isBlank(line[i]) {
			i++
		}
		if i == len(line) || line[i] == '#' {
			return words, nil
		}
		word, next, err := oneWord(line, i)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		i = next
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// oneWord reads the word that begins at i and returns where it ends.
func oneWord(line string, i int) (string, int, error) {
	var word []byte
	for i < len(line) && !isBlank(line[i]) {
		switch line[i] {
		case '\'':
			end := i + 1
			for end < len(line) && line[end] != '\'' {
				end++
			}
			if end == len(line) {
				return "", 0, errOpenQuote
			}
			word = append(word, line[i+1:end]...)
			i = end + 1
		case '"':
			var err error
			if word, i, err = quoted(word, line, i+1); err != nil {
				return "", 0, err
			}
		case '\\':
			if i+1 == len(line) {
				return "", 0, errors.New(`a single \ at the end`)
			}
			word = append(word, line[i+1])
			i += 2
		default:
			word = append(word, line[i])
			i++
		}
	}
	return string(word), i, nil
}

// quoted reads what follows an opening " and returns where it ends.
func quoted(word []byte, line string, i int) ([]byte, int, error) {
	for ; i < len(line); i++ {
		switch line[i] {
		case '"':
			return word, i + 1, nil
		case '\\':
			if i++; i == len(line) {
				return nil, 0, errOpenQuote
			}
			switch c := line[i]; c {
			case 'n':
				word = append(word, '\n')
			case 'r':
				word = append(word, '\r')
			case 't':
				word = append(word, '\t')
			case '0':
				word = append(word, 0)
			case '"', '\\':
				word = append(word, c)
			case 'x':
				if i+2 >= len(line) {
					return nil, 0, errOpenQuote
				}
				v, err := strconv.ParseUint(line[i+1:i+3], 16, 8)
				if err != nil {
					return nil, 0, fmt.Errorf(`\x%s: not two hexadecimal digits`, line[i+1:i+3])
				}
				word = append(word, byte(v))
				i += 2
			default:
				return nil, 0, fmt.Errorf(`unknown escape \%c inside "…"; write \\ for a backslash`, c)
			}
		default:
			word = append(word, line[i])
		}
	}
	return nil, 0, errOpenQuote
}

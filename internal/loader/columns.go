package loader

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The columns of a dump in TSV and CSV. encoding is CSV's alone.
const (
	columnKey      = "key"
	columnValue    = "value"
	columnExpireAt = "expire_at_ms"
	columnTTL      = "ttl_ms"
	columnVersion  = "version"
	columnEncoding = "encoding"
)

// encodingBase64 in the column encoding: key and value of the row are in base64.
const encodingBase64 = "base64"

// columns knows where in a row each part of a record stands, as indices from
// 0; -1: nowhere.
type columns struct {
	key, value, expireAt, ttl, version, encoding int
}

// resolveColumns judges by the options and the first row. header tells that
// the first row only named the columns.
func resolveColumns(o Options, first [][]byte) (c columns, header bool, err error) {
	c = columns{key: -1, value: -1, expireAt: -1, ttl: -1, version: -1, encoding: -1}
	names := make([]string, len(first))
	for i, field := range first {
		names[i] = string(field)
	}
	keyNumber, keyByNumber := columnNumber(o.KeyColumn)
	valueNumber, valueByNumber := columnNumber(o.ValueColumn)
	byName := (o.KeyColumn != "" && !keyByNumber) || (o.ValueColumn != "" && !valueByNumber)
	switch o.Header {
	case HeaderYes:
		header = true
	case HeaderNo:
		if byName {
			return c, false, errors.New("columns can only be named when the first row is a header: give their numbers")
		}
	default:
		header = byName || (slices.Contains(names, columnKey) && slices.Contains(names, columnValue))
	}
	if header {
		for i, p := range map[string]*int{
			columnExpireAt: &c.expireAt, columnTTL: &c.ttl, columnVersion: &c.version, columnEncoding: &c.encoding,
		} {
			*p = slices.Index(names, i)
		}
	}
	if c.key, err = findColumn(o.KeyColumn, keyNumber, keyByNumber, columnKey, 0, names, header); err != nil {
		return c, header, err
	}
	c.value, err = findColumn(o.ValueColumn, valueNumber, valueByNumber, columnValue, 1, names, header)
	return c, header, err
}

func columnNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1
}

func findColumn(wanted string, number int, byNumber bool, usual string, position int, names []string, header bool) (int, error) {
	if byNumber {
		return number - 1, nil
	}
	if wanted != "" {
		if i := slices.Index(names, wanted); i >= 0 {
			return i, nil
		}
		return -1, fmt.Errorf("no column %q; there are: %s", wanted, strings.Join(names, ", "))
	}
	if header {
		if i := slices.Index(names, usual); i >= 0 {
			return i, nil
		}
	}
	return position, nil
}

// record takes the record out of a row.
func (c *columns) record(row [][]byte, r *Record) error {
	if c.key >= len(row) || c.value >= len(row) {
		return fmt.Errorf("has %d columns, but the key is in column %d and the value in column %d",
			len(row), c.key+1, c.value+1)
	}
	r.Key, r.Value = row[c.key], row[c.value]
	if text := at(row, c.encoding); len(text) > 0 {
		if string(text) != encodingBase64 {
			return fmt.Errorf("unknown encoding %q: only %s is known", text, encodingBase64)
		}
		if err := decodeBase64(&r.Key, &r.Value); err != nil {
			return err
		}
	}
	var err error
	if r.ExpireAt, err = columnMs(row, c.expireAt, columnExpireAt); err != nil {
		return err
	}
	if r.TTL, err = columnMs(row, c.ttl, columnTTL); err != nil {
		return err
	}
	if text := at(row, c.version); len(text) > 0 {
		if r.Version, err = strconv.ParseUint(string(text), 10, 64); err != nil {
			return fmt.Errorf("%s: %w", columnVersion, err)
		}
	}
	return nil
}

func at(row [][]byte, i int) []byte {
	if i < 0 || i >= len(row) {
		return nil
	}
	return row[i]
}

func columnMs(row [][]byte, i int, name string) (int64, error) {
	text := at(row, i)
	if len(text) == 0 {
		return 0, nil
	}
	ms, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || ms < 0 {
		return 0, fmt.Errorf("%s: %q is not a number of milliseconds", name, text)
	}
	return ms, nil
}

func decodeBase64(fields ...*[]byte) error {
	for _, f := range fields {
		plain, err := base64.StdEncoding.AppendDecode(nil, *f)
		if err != nil {
			return fmt.Errorf("encoding is %s but the text is not: %w", encodingBase64, err)
		}
		*f = plain
	}
	return nil
}

package loader

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// jsonRecord is one line of a dump.
type jsonRecord struct {
	Key         *string         `json:"key,omitempty"`
	KeyBase64   *string         `json:"key_base64,omitempty"`
	Value       json.RawMessage `json:"value,omitempty"`
	ValueBase64 *string         `json:"value_base64,omitempty"`
	ExpireAt    int64           `json:"expire_at_ms,omitempty"`
	TTL         int64           `json:"ttl_ms,omitempty"`
	Version     uint64          `json:"version,omitempty"`
}

// jsonlReader reads the format jsonl.
type jsonlReader struct {
	lines       *lineReader
	keyColumn   string // "" unless the caller chose fields
	valueColumn string
}

func newJSONLReader(r io.Reader, o Options) *jsonlReader {
	j := &jsonlReader{lines: newLineReader(r, o.Name, o.MaxRecordBytes)}
	if o.KeyColumn != "" || o.ValueColumn != "" {
		j.keyColumn, j.valueColumn = orDefault(o.KeyColumn, "key"), orDefault(o.ValueColumn, "value")
	}
	return j
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (j *jsonlReader) Read(r *Record) error {
	for {
		line, err := j.lines.next()
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		*r = Record{Line: j.lines.line}
		if err := j.parse(line, r); err != nil {
			return j.lines.bad(err)
		}
		return nil
	}
}

func (j *jsonlReader) parse(line []byte, r *Record) error {
	// encoding/json would put U+FFFD in the place of what is not text; a key
	// that changes silently is worse than a line that is refused.
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8: write such bytes as key_base64 or value_base64")
	}
	if err := checkSurrogates(line); err != nil {
		return err
	}
	if j.keyColumn != "" {
		return j.parseChosen(line, r)
	}
	var rec jsonRecord
	if err := json.Unmarshal(line, &rec); err != nil {
		return fmt.Errorf("not a JSON object of a record: %w", err)
	}
	return rec.fill(r)
}

func (rec *jsonRecord) fill(r *Record) (err error) {
	switch {
	case rec.Key != nil && rec.KeyBase64 != nil:
		return errors.New(`both "key" and "key_base64" are there: keep one`)
	case rec.Key != nil:
		r.Key = []byte(*rec.Key)
	case rec.KeyBase64 != nil:
		if r.Key, err = base64.StdEncoding.DecodeString(*rec.KeyBase64); err != nil {
			return fmt.Errorf("key_base64: %w", err)
		}
	default:
		return errors.New(`no field "key" (choose another with --key-column)`)
	}
	switch {
	case rec.Value != nil && rec.ValueBase64 != nil:
		return errors.New(`both "value" and "value_base64" are there: keep one`)
	case rec.Value != nil:
		if r.Value, err = jsonBytes(rec.Value); err != nil {
			return fmt.Errorf("value: %w", err)
		}
	case rec.ValueBase64 != nil:
		if r.Value, err = base64.StdEncoding.DecodeString(*rec.ValueBase64); err != nil {
			return fmt.Errorf("value_base64: %w", err)
		}
	default:
		return errors.New(`no field "value" (choose another with --value-column, or the whole line with --value-column .)`)
	}
	if rec.ExpireAt < 0 || rec.TTL < 0 {
		return errors.New("expire_at_ms and ttl_ms may not be negative")
	}
	r.ExpireAt, r.TTL, r.Version = rec.ExpireAt, rec.TTL, rec.Version
	return nil
}

// parseChosen takes the fields that the caller named.
func (j *jsonlReader) parseChosen(line []byte, r *Record) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	key, ok := fields[j.keyColumn]
	if !ok {
		return fmt.Errorf("no field %q", j.keyColumn)
	}
	var err error
	if r.Key, err = jsonBytes(key); err != nil {
		return fmt.Errorf("%s: %w", j.keyColumn, err)
	}
	if j.valueColumn == "." {
		r.Value = bytes.TrimSpace(line)
		return nil
	}
	value, ok := fields[j.valueColumn]
	if !ok {
		return fmt.Errorf("no field %q", j.valueColumn)
	}
	if r.Value, err = jsonBytes(value); err != nil {
		return fmt.Errorf("%s: %w", j.valueColumn, err)
	}
	return nil
}

// jsonBytes gives a string's text and any other value's JSON.
func jsonBytes(raw json.RawMessage) ([]byte, error) {
	if bytes.Equal(raw, []byte("null")) {
		return nil, errors.New("is null")
	}
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		return []byte(s), nil
	}
	return raw, nil
}

// checkSurrogates refuses \uD800–\uDFFF escapes that are not in pairs, which
// stand for no character.
func checkSurrogates(line []byte) error {
	for i := bytes.IndexByte(line, '\\'); i >= 0 && i+1 < len(line); {
		step := 2
		if half, ok := surrogate(line[i:]); ok {
			second, paired := surrogate(line[min(i+6, len(line)):])
			if half >= 0xDC00 || !paired || second < 0xDC00 {
				return fmt.Errorf("%s is half of a surrogate pair", line[i:i+6])
			}
			step = 12
		}
		i = min(i+step, len(line))
		next := bytes.IndexByte(line[i:], '\\')
		if next < 0 {
			return nil
		}
		i += next
	}
	return nil
}

// surrogate reads a \uXXXX escape at the start of b if it is in the surrogates' range.
func surrogate(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var two [2]byte
	if _, err := hex.Decode(two[:], b[2:6]); err != nil {
		return 0, false
	}
	r := rune(two[0])<<8 | rune(two[1])
	return r, r >= 0xD800 && r <= 0xDFFF
}

// jsonlWriter writes the format jsonl.
type jsonlWriter struct {
	w   *bufio.Writer
	enc *json.Encoder
}

func newJSONLWriter(w io.Writer) *jsonlWriter {
	j := &jsonlWriter{w: bufio.NewWriterSize(w, 64<<10)}
	j.enc = json.NewEncoder(j.w)
	j.enc.SetEscapeHTML(false)
	return j
}

func (j *jsonlWriter) Write(r *Record) error {
	out := struct {
		Key         *string `json:"key,omitempty"`
		KeyBase64   *string `json:"key_base64,omitempty"`
		Value       *string `json:"value,omitempty"`
		ValueBase64 *string `json:"value_base64,omitempty"`
		ExpireAt    int64   `json:"expire_at_ms,omitempty"`
		Version     uint64  `json:"version,omitempty"`
	}{ExpireAt: r.ExpireAt, Version: r.Version}
	out.Key, out.KeyBase64 = jsonText(r.Key)
	out.Value, out.ValueBase64 = jsonText(r.Value)
	return j.enc.Encode(&out)
}

// jsonText gives b as text or, if it is none, in base64.
func jsonText(b []byte) (text, inBase64 *string) {
	if utf8.Valid(b) {
		s := string(b)
		return &s, nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

func (j *jsonlWriter) Flush() error { return j.w.Flush() }

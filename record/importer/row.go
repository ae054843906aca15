package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Caps of a file. A row over one of them is refused and the rest goes on.
const (
	maxRowBytes = 64 << 10
	maxRowLines = 64 // lines of one row, where a quoted field has line breaks
	maxColumns  = 1000
	maxPreamble = 100 // blank and comment lines before the header
)

var (
	errOpenQuote = errors.New("a quote is not closed")
	errLongRow   = fmt.Errorf("the row has more than %d bytes or %d lines", maxRowBytes, maxRowLines)
)

// splitRow splits a row as RFC 4180 has it: a field that begins with a quote
// ends at the next single one, and two stand for one. It returns
// errOpenQuote if the row may go on in the next line.
func splitRow(row string, delimiter byte) ([]string, error) {
	var fields []string
	for {
		if len(fields) == maxColumns {
			return nil, fmt.Errorf("the row has more than %d fields", maxColumns)
		}
		if !strings.HasPrefix(row, `"`) {
			field, rest, more := strings.Cut(row, string(delimiter))
			if strings.Contains(field, `"`) {
				return nil, errors.New("a quote stands within a field that does not begin with one")
			}
			fields = append(fields, field)
			if !more {
				return fields, nil
			}
			row = rest
			continue
		}
		field, rest, err := cutQuoted(row[1:])
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
		if rest == "" {
			return fields, nil
		}
		if rest[0] != delimiter {
			return nil, errors.New("after a closing quote something other than the delimiter follows")
		}
		row = rest[1:]
	}
}

// cutQuoted returns what stands before the closing quote and after it.
func cutQuoted(s string) (field, rest string, err error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", "", errOpenQuote
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if !strings.HasPrefix(s, `"`) {
			return b.String(), s, nil
		}
		b.WriteByte('"')
		s = s[1:]
	}
}

// line is one line of a file without its end.
type line struct {
	text    string
	number  int  // from 1
	long    bool // it was over the cap; text is empty
	noBreak bool // the file ended in it
}

// rows reads a file row by row. A quote that is never closed costs its own
// line, not the rest of the file: the lines that were read ahead are put back.
type rows struct {
	in        *bufio.Reader
	delimiter byte
	back      []line // read ahead and put back, first first
	number    int    // lines read from in
	bytes     int64  // bytes read from in
}

func newRows(in io.Reader) *rows { return &rows{in: bufio.NewReaderSize(in, maxRowBytes)} }

// next returns the next line; io.EOF at the end, any other error of the
// source as it is.
func (r *rows) next() (line, error) {
	if len(r.back) > 0 {
		l := r.back[0]
		r.back = r.back[1:]
		return l, nil
	}
	r.number++
	l := line{number: r.number}
	part, err := r.in.ReadSlice('\n')
	r.bytes += int64(len(part))
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long = true
		part, err = r.in.ReadSlice('\n')
		r.bytes += int64(len(part))
	}
	switch {
	case err == io.EOF && len(part) == 0 && !l.long:
		return line{}, io.EOF
	case err == io.EOF:
		l.noBreak = true
	case err != nil:
		return line{}, err
	}
	if !l.long {
		l.text = string(bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r")))
	}
	return l, nil
}

// row returns the fields of the next row, trimmed, and its first line; why
// says what is wrong with this row alone, err what ends the reading.
func (r *rows) row() (fields []string, first line, why error, err error) {
	first, err = r.next()
	if err != nil {
		return nil, first, nil, err
	}
	if first.long {
		return nil, first, errLongRow, nil
	}
	fields, why = splitRow(first.text, r.delimiter)
	if why == errOpenQuote {
		if fields, why, err = r.goOn(&first); err != nil {
			return nil, first, nil, err
		}
	}
	for i, f := range fields {
		fields[i] = strings.TrimSpace(f)
	}
	return fields, first, why, nil
}

// goOn reads the further lines of a row whose first line leaves a quote open.
func (r *rows) goOn(first *line) (fields []string, why error, err error) {
	text := first.text
	var ahead []line
	for {
		l, err := r.next()
		if err != nil && err != io.EOF {
			return nil, nil, err
		}
		why = errOpenQuote
		if err == nil {
			ahead = append(ahead, l)
			text += "\n" + l.text
			if l.long || len(text) > maxRowBytes || len(ahead) >= maxRowLines {
				why = errLongRow
			} else if fields, why = splitRow(text, r.delimiter); why != errOpenQuote {
				first.noBreak = l.noBreak
				if why == nil {
					return fields, nil, nil
				}
			} else {
				continue
			}
		}
		r.back = append(ahead, r.back...)
		return nil, why, nil
	}
}

package node

import (
	"encoding/binary"
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Caps of one batch, which is one entry of the Raft log.
const (
	batchVersion    = 1
	maxBatchRecords = 512
	maxBatchBytes   = 256 << 10 // closes a batch; a single record may be larger than what is left
	maxEntryBytes   = maxBatchBytes + record.MaxBytes + 16
)

// batch is what a leader proposes: records in order, and its clock.
//
//	byte version (1) || uint64 time (ms since 1970) || uvarint count || (uvarint length || note)*
type batch struct {
	time  int64
	notes [][]byte
}

func (b *batch) encode() []byte {
	size := 16
	for _, n := range b.notes {
		size += len(n) + 4
	}
	out := append(make([]byte, 0, size), batchVersion)
	out = binary.BigEndian.AppendUint64(out, uint64(b.time))
	out = binary.AppendUvarint(out, uint64(len(b.notes)))
	for _, n := range b.notes {
		out = binary.AppendUvarint(out, uint64(len(n)))
		out = append(out, n...)
	}
	return out
}

// decodeBatch reads a batch strictly; the notes alias data. Codes:
// ledger_entry, newer_needed.
func decodeBatch(data []byte) (*batch, error) {
	bad := func(why string) (*batch, error) {
		return nil, fault.New("ledger_entry", "", "a ledger entry cannot be decoded: "+why)
	}
	if len(data) < 10 || len(data) > maxEntryBytes {
		return bad("its size is wrong")
	}
	if data[0] != batchVersion {
		// To pass over it would be to judge differently from those who know it.
		return nil, fault.New("newer_needed", "", fmt.Sprintf("a ledger entry is of version %d, which this program does not know", data[0])).
			WithHint("install a newer milepost")
	}
	b := &batch{time: int64(binary.BigEndian.Uint64(data[1:]))}
	rest := data[9:]
	n, used := minimalUvarint(rest)
	if used <= 0 || n == 0 || n > maxBatchRecords {
		return bad("its count is wrong")
	}
	rest = rest[used:]
	for range n {
		l, used := minimalUvarint(rest)
		if used <= 0 || l == 0 || l > record.MaxBytes || uint64(len(rest)-used) < l {
			return bad("a record's length is wrong")
		}
		b.notes = append(b.notes, rest[used:used+int(l):used+int(l)])
		rest = rest[used+int(l):]
	}
	if len(rest) > 0 || b.time < 0 || b.time > maxTime {
		return bad("bytes follow, or the time is out of range")
	}
	return b, nil
}

// maxTime is the end of the year 2999, where the formats end.
const maxTime = 32503679999999

// minimalUvarint refuses the longer forms that binary.Uvarint takes.
func minimalUvarint(b []byte) (uint64, int) {
	n, used := binary.Uvarint(b)
	if used > 1 && b[used-1] == 0 {
		return 0, -1
	}
	return n, used
}

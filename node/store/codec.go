package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
)

// The value of an entry, integers big-endian:
//
//	byte 0       version, 1
//	byte 1       type of the entry, as raft.LogType
//	bytes 2-9    index, equal to the key
//	bytes 10-17  term
//	bytes 18-25  AppendedAt: seconds since 1970 UTC, signed
//	bytes 26-29  AppendedAt: nanoseconds, below 10^9
//	bytes 30-33  length of Extensions
//	             Extensions, Data
//	last 4       CRC-32C of all before: BoltDB has none for its pages
const (
	codecVersion = 1
	headerSize   = 34
	// SumSize is the number of bytes of the checksum that ends an entry.
	SumSize = 4

	// MaxEntry is the largest size in bytes of a stored entry. A batch
	// closes at 256 KiB; this only bounds what a broken peer can store.
	MaxEntry = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode writes an entry. The location of AppendedAt is not kept.
func encode(l *raft.Log) []byte {
	b := make([]byte, headerSize, headerSize+len(l.Extensions)+len(l.Data)+SumSize)
	b[0], b[1] = codecVersion, byte(l.Type)
	binary.BigEndian.PutUint64(b[2:], l.Index)
	binary.BigEndian.PutUint64(b[10:], l.Term)
	binary.BigEndian.PutUint64(b[18:], uint64(l.AppendedAt.Unix()))
	binary.BigEndian.PutUint32(b[26:], uint32(l.AppendedAt.Nanosecond()))
	binary.BigEndian.PutUint32(b[30:], uint32(len(l.Extensions)))
	b = append(append(b, l.Extensions...), l.Data...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode reads the entry that stands at index. It copies from b, which may
// be a page of the database. Empty Extensions and Data come back as nil.
func decode(index uint64, b []byte) (*raft.Log, error) {
	if n := len(b) - SumSize; n >= headerSize && binary.BigEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, corrupt(fmt.Sprintf("entry %d does not fit its checksum", index))
	}
	return decodeBody(index, b)
}

// decodeBody is decode for bytes whose checksum is passed over.
func decodeBody(index uint64, b []byte) (*raft.Log, error) {
	bad := func(why string) (*raft.Log, error) {
		return nil, corrupt(fmt.Sprintf("entry %d %s", index, why))
	}
	if len(b) < headerSize+SumSize || len(b) > MaxEntry {
		return bad(fmt.Sprintf("has %d bytes", len(b)))
	}
	body := b[:len(b)-SumSize]
	if body[0] != codecVersion {
		return bad(fmt.Sprintf("has version %d; this program reads %d", body[0], codecVersion))
	}
	ext := uint64(binary.BigEndian.Uint32(body[30:]))
	nanos := binary.BigEndian.Uint32(body[26:])
	if ext > uint64(len(body)-headerSize) || nanos >= 1e9 {
		return bad("has an impossible field")
	}
	l := &raft.Log{
		Type:       raft.LogType(body[1]),
		Index:      binary.BigEndian.Uint64(body[2:]),
		Term:       binary.BigEndian.Uint64(body[10:]),
		AppendedAt: time.Unix(int64(binary.BigEndian.Uint64(body[18:])), int64(nanos)).UTC(),
	}
	if l.Index != index {
		return bad(fmt.Sprintf("says it is entry %d", l.Index))
	}
	rest := bytes.Clone(body[headerSize:])
	if ext > 0 {
		l.Extensions = rest[:ext:ext]
	}
	if len(rest) > int(ext) {
		l.Data = rest[ext:]
	}
	if err := checkShape(l); err != nil {
		return nil, corrupt(fmt.Sprintf("entry %d", index)).Because(err)
	}
	return l, nil
}

// checkShape refuses what Raft would panic on or has long abandoned, so that
// no peer can stop all nodes for good with one entry in their logs.
func checkShape(l *raft.Log) error {
	bad := func(why string) error {
		return fault.New("ledger_entry", "", fmt.Sprintf("a ledger entry at index %d %s", l.Index, why))
	}
	if l.Index == 0 || l.Term == 0 {
		return bad(fmt.Sprintf("of term %d", l.Term))
	}
	if len(l.Data) > MaxEntry-headerSize-SumSize-len(l.Extensions) {
		return bad(fmt.Sprintf("is larger than %d bytes", MaxEntry))
	}
	switch l.Type {
	case raft.LogCommand, raft.LogNoop, raft.LogBarrier:
	case raft.LogConfiguration:
		if !isConfiguration(l.Data) {
			return bad("holds no configuration that can be read")
		}
	default:
		return bad(fmt.Sprintf("has type %d", uint8(l.Type)))
	}
	return nil
}

// isConfiguration reports whether raft.DecodeConfiguration, which panics on
// what it can't read, reads b as a configuration with at least one voter.
func isConfiguration(b []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	for _, server := range raft.DecodeConfiguration(b).Servers {
		if server.Suffrage == raft.Voter {
			return true
		}
	}
	return false
}

func corrupt(what string) *fault.Error {
	return fault.New("ledger_corrupt", "", "the ledger is damaged: "+what).
		WithHint("`milepost node check` names what is damaged; docs/operations.md, A damaged node, says what to do")
}

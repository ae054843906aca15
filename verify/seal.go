package verify

import (
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
)

// SealHeader is the first line of a seal.
const SealHeader = "milepost/seal@v1"

// MaxSeal is the cap on a seal in bytes. Five numbers and hashes and an
// origin need less than half of it.
const MaxSeal = 512

// Seal is the leaf that ends every batch. Its text is six lines:
//
//	milepost/seal@v1
//	<origin>
//	<log index of this seal>
//	<time, YYYY-MM-DDThh:mm:ss.mmmZ>
//	<log index of the previous seal; 0 for none>
//	<base64 root of the index>
//
// A seal can't be taken for a record, whose header differs, nor have two
// byte forms.
type Seal struct {
	Origin    string
	Index     uint64   // log index of this seal, at least 1: a batch holds a record
	Time      int64    // milliseconds since 1970 UTC; the log time of its batch
	Prev      uint64   // log index of the previous seal, below Index; 0 for none
	IndexRoot [32]byte // root of the index of histories over every leaf before this one
}

// ParseSeal reads a seal. The seal written out again is the input, byte for
// byte. That Index is where the leaf stands, and that Time and Prev follow
// the seal before, is for the caller to check. Errors have the code
// "seal_form".
func ParseSeal(leaf []byte) (*Seal, error) {
	bad := func(format string, args ...any) (*Seal, error) {
		return nil, fault.New("seal_form", "", "not a seal: "+fmt.Sprintf(format, args...))
	}
	if len(leaf) > MaxSeal {
		return bad("it has %d bytes, at most %d are allowed", len(leaf), MaxSeal)
	}
	lines, ok := textLines(string(leaf), 6)
	if !ok {
		return bad("it does not have exactly six lines")
	}
	if lines[0] != SealHeader {
		return bad("its first line is not %s", SealHeader)
	}
	s := &Seal{Origin: lines[1]}
	if err := CheckOrigin(s.Origin); err != nil {
		return bad("%v", err)
	}
	if s.Index, ok = parseCount(lines[2]); !ok || s.Index == 0 {
		return bad("its index is not a canonical decimal above 0")
	}
	var err error
	if s.Time, err = ParseLogTime(lines[3]); err != nil {
		return bad("%v", err)
	}
	if s.Prev, ok = parseCount(lines[4]); !ok || s.Prev >= s.Index {
		return bad("the previous seal's index is not a canonical decimal below its own")
	}
	if s.IndexRoot, ok = parseHash(lines[5]); !ok {
		return bad("its index root is not the base64 of 32 bytes")
	}
	if string(s.Bytes()) != string(leaf) {
		return bad("it is not in its one canonical form")
	}
	return s, nil
}

// Bytes writes the seal out, as the leaf that the log holds. It does not
// check the fields.
func (s *Seal) Bytes() []byte {
	return []byte(SealHeader + "\n" +
		s.Origin + "\n" +
		formatCount(s.Index) + "\n" +
		FormatLogTime(s.Time) + "\n" +
		formatCount(s.Prev) + "\n" +
		formatHash(s.IndexRoot) + "\n")
}

package verify

import (
	"fmt"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/certs/fault"
)

// TLogProofHeader is the first line of a C2SP tlog-proof.
const TLogProofHeader = "c2sp.org/tlog-proof@v1"

// Caps on a tlog-proof. A path in a tree of at most 2^63-1 leaves has at
// most 63 hashes.
const (
	MaxProofHashes = 64
	MaxTLogProof   = MaxCheckpoint + 4<<10 // bytes
)

// TLogProof is a C2SP tlog-proof: that one leaf is in the log under one
// checkpoint.
//
//	c2sp.org/tlog-proof@v1
//	index <log index>
//	<base64 hash>, none or more, from the leaf's sibling up
//	<empty line>
//	<checkpoint with its signatures>
type TLogProof struct {
	Index      uint64
	Hashes     [][32]byte
	Checkpoint []byte // the whole note
}

// ParseTLogProof reads a tlog-proof and the form of its checkpoint; it checks
// neither signatures nor inclusion. The optional line "extra" of C2SP is
// refused: nothing authenticates it, and no milepost proof has one. The proof
// written out again is the input, byte for byte. Errors have the code
// "proof_form", or "checkpoint_form" if that part is at fault.
func ParseTLogProof(data []byte) (*TLogProof, error) {
	bad := func(format string, args ...any) (*TLogProof, error) {
		return nil, fault.New("proof_form", "", "not a tlog-proof: "+fmt.Sprintf(format, args...))
	}
	if len(data) > MaxTLogProof {
		return bad("it has %d bytes, at most %d are allowed", len(data), MaxTLogProof)
	}
	line, rest, ok := strings.Cut(string(data), "\n")
	if !ok || line != TLogProofHeader {
		return bad("its first line is not %s", TLogProofHeader)
	}
	line, rest, ok = strings.Cut(rest, "\n")
	if strings.HasPrefix(line, "extra ") {
		return bad("it has an extra line, which nothing authenticates and no milepost proof has")
	}
	number, isIndex := strings.CutPrefix(line, "index ")
	if !ok || !isIndex {
		return bad("its second line is no index line")
	}
	p := &TLogProof{}
	if p.Index, ok = parseCount(number); !ok {
		return bad("its index is not a canonical decimal")
	}
	for {
		line, rest, ok = strings.Cut(rest, "\n")
		if !ok {
			return bad("no empty line ends its hashes")
		}
		if line == "" {
			break
		}
		if len(p.Hashes) == MaxProofHashes {
			return bad("it has more than %d hashes", MaxProofHashes)
		}
		h, ok := parseHash(line)
		if !ok {
			return bad("hash %d is not the base64 of 32 bytes", len(p.Hashes)+1)
		}
		p.Hashes = append(p.Hashes, h)
	}
	p.Checkpoint = []byte(rest)
	if _, _, err := ParseCheckpoint(p.Checkpoint); err != nil {
		return nil, err
	}
	if string(p.Bytes()) != string(data) {
		return bad("it is not in its one canonical form")
	}
	return p, nil
}

// Bytes writes the proof out.
func (p *TLogProof) Bytes() []byte {
	var b strings.Builder
	b.WriteString(TLogProofHeader + "\nindex " + formatCount(p.Index) + "\n")
	for _, h := range p.Hashes {
		b.WriteString(formatHash(h) + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return []byte(b.String())
}

// CheckInclusion checks that the leaf with this RFC 6962 leaf hash stands at
// Index in the tree of the proof's checkpoint, which it returns. The
// checkpoint's signatures are for Policy.Check; without them this proves
// nothing. Errors have the code "inclusion", or "checkpoint_form".
func (p *TLogProof) CheckInclusion(leafHash [32]byte) (*Checkpoint, error) {
	c, _, err := ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	if p.Index >= c.Size {
		return nil, fault.New("inclusion", "", fmt.Sprintf("leaf %d is not in a tree of %d leaves", p.Index, c.Size))
	}
	hashes := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		hashes[i] = p.Hashes[i][:]
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, c.Size, leafHash[:], hashes, c.Root[:]); err != nil {
		// The library's message prints whole hashes as byte lists: not passed on.
		return nil, fault.New("inclusion", "", fmt.Sprintf("the proof does not lead from the leaf at index %d to the root of %d leaves", p.Index, c.Size))
	}
	return c, nil
}

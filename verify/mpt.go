package verify

import (
	"crypto/sha256"
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
)

// The tree of the index: a Merkle Patricia tree over (key, value) pairs of 32
// bytes, as in the WAICT transparency specification. An inner node stands
// where the keys below it first differ, and is hashed with that bit position,
// so that the tree's form, and hence its root, follows from the set of pairs
// alone. The root of the empty tree is SHA-256 of nothing.

const (
	mptMagic   = "mptproof"
	mptPresent = 1
	mptAbsent  = 2
	mptStepLen = 1 + 32

	// MaxMPTSteps is the cap on the steps of a proof: one for each bit of a key.
	MaxMPTSteps = 256
	// MaxMPTProof is the cap on a proof in bytes that follows from it.
	MaxMPTProof = len(mptMagic) + 1 + 64 + MaxMPTSteps*mptStepLen
)

// MPTLeaf returns the hash of a leaf: SHA-256(key || value).
func MPTLeaf(key, value [32]byte) [32]byte {
	var buf [64]byte
	copy(buf[:], key[:])
	copy(buf[32:], value[:])
	return sha256.Sum256(buf[:])
}

// MPTInner returns the hash of an inner node: SHA-256(left || right || bit),
// where bit is the number of leading bits that all keys below it share. The
// keys with a 0 at that position are on the left.
func MPTInner(left, right [32]byte, bit byte) [32]byte {
	var buf [65]byte
	copy(buf[:], left[:])
	copy(buf[32:], right[:])
	buf[64] = bit
	return sha256.Sum256(buf[:])
}

// MPTBit returns the bit of key at a position: 0 is the top bit of key[0].
func MPTBit(key *[32]byte, bit byte) byte {
	return key[bit>>3] >> (7 - bit&7) & 1
}

// MPTStep is one inner node on the way from a leaf to the root.
type MPTStep struct {
	Bit     byte     // the node's bit position
	Sibling [32]byte // the root of its other side
}

// MPTProof shows what the tree under a root holds for a key. A proof of
// presence leads from the key's own leaf to the root. A proof of absence
// leads there from the one leaf of another key at which the way down ends if
// at every inner node it takes the side of the absent key: were the absent
// key in the tree, it would stand there.
//
//	present:  "mptproof" 01 value            then (bit, sibling)*
//	absent:   "mptproof" 02 altKey altValue  then the same
type MPTProof struct {
	Present bool
	Key     [32]byte  // the other key; zero when present
	Value   [32]byte  // the value of the key, or of the other key
	Steps   []MPTStep // from the leaf up, the bit positions fall strictly; at most MaxMPTSteps
}

// ParseMPTProof reads the bytes of a proof. Every input that it accepts comes
// out of Bytes again, byte for byte. Errors have the code "index_proof_form".
func ParseMPTProof(data []byte) (*MPTProof, error) {
	bad := func(format string, args ...any) (*MPTProof, error) {
		return nil, fault.New("index_proof_form", "", "not an index proof: "+fmt.Sprintf(format, args...))
	}
	if len(data) > MaxMPTProof {
		return bad("it has %d bytes, at most %d are allowed", len(data), MaxMPTProof)
	}
	if len(data) <= len(mptMagic) || string(data[:len(mptMagic)]) != mptMagic {
		return bad("it does not begin with %q and a tag", mptMagic)
	}
	tag, rest := data[len(mptMagic)], data[len(mptMagic)+1:]
	p := &MPTProof{Present: tag == mptPresent}
	switch {
	case tag != mptPresent && tag != mptAbsent:
		// Tag 00 of the specification, for the empty tree, is refused too: a
		// log's first batch already holds its genesis.
		return bad("its tag %02x is unknown", tag)
	case p.Present && len(rest) >= 32:
		p.Value, rest = [32]byte(rest), rest[32:]
	case !p.Present && len(rest) >= 64:
		p.Key, p.Value, rest = [32]byte(rest), [32]byte(rest[32:]), rest[64:]
	default:
		return bad("it ends early")
	}
	if len(rest)%mptStepLen != 0 {
		return bad("%d bytes are left over", len(rest)%mptStepLen)
	}
	for ; len(rest) > 0; rest = rest[mptStepLen:] {
		s := MPTStep{Bit: rest[0], Sibling: [32]byte(rest[1:])}
		if n := len(p.Steps); n > 0 && s.Bit >= p.Steps[n-1].Bit {
			return bad("its bit positions do not fall")
		}
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

// Bytes writes the proof out.
func (p *MPTProof) Bytes() []byte {
	out := make([]byte, 0, len(mptMagic)+1+64+len(p.Steps)*mptStepLen)
	out = append(out, mptMagic...)
	if p.Present {
		out = append(out, mptPresent)
	} else {
		out = append(out, mptAbsent)
		out = append(out, p.Key[:]...)
	}
	out = append(out, p.Value[:]...)
	for _, s := range p.Steps {
		out = append(out, s.Bit)
		out = append(out, s.Sibling[:]...)
	}
	return out
}

// VerifyPresent checks that the tree under root maps key to value. Errors
// have the code "index_proof".
func (p *MPTProof) VerifyPresent(root, key, value [32]byte) error {
	if !p.Present {
		return mptRefused("it shows that there is no history, not what it holds")
	}
	if p.Value != value {
		return mptRefused("it is for another history of the same subject")
	}
	return p.climb(root, key)
}

// VerifyAbsent checks that the tree under root does not have key. Errors have
// the code "index_proof".
func (p *MPTProof) VerifyAbsent(root, key [32]byte) error {
	if p.Present {
		return mptRefused("it shows a history, not that there is none")
	}
	if p.Key == key {
		return mptRefused("the key that is to be absent is the one it shows")
	}
	for _, s := range p.Steps {
		if MPTBit(&p.Key, s.Bit) != MPTBit(&key, s.Bit) {
			return mptRefused(fmt.Sprintf("the key that it shows stands elsewhere: they differ at bit %d", s.Bit))
		}
	}
	return p.climb(root, p.Key)
}

// climb checks that the leaf of key and the proof's value stands under root.
// It checks the steps' order again, since a proof need not have come from
// ParseMPTProof.
func (p *MPTProof) climb(root, key [32]byte) error {
	h := MPTLeaf(key, p.Value)
	for i, s := range p.Steps {
		if i > 0 && s.Bit >= p.Steps[i-1].Bit {
			return mptRefused("its bit positions do not fall")
		}
		if MPTBit(&key, s.Bit) == 0 {
			h = MPTInner(h, s.Sibling, s.Bit)
		} else {
			h = MPTInner(s.Sibling, h, s.Bit)
		}
	}
	if h != root {
		return mptRefused("it does not lead to the index root")
	}
	return nil
}

func mptRefused(what string) error {
	return fault.New("index_proof", "", "the index proof is refused: "+what)
}

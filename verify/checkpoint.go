package verify

import (
	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// Caps on a checkpoint with its signatures. A line of an ML-DSA-44
// cosignature is 3.3 kB, so that both are reached at about the same time.
const (
	MaxCheckpoint     = 256 << 10 // bytes
	MaxCheckpointSigs = 64        // signature lines, those of unknown keys included
	maxOrigin         = 255       // bytes; the ML-DSA cosigned message has one byte for its length
)

// Checkpoint is a tree head: the text of a C2SP tlog-checkpoint of exactly
// three lines.
//
//	<origin>
//	<tree size, decimal>
//	<base64 RFC 6962 root hash>
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   [32]byte
}

// ParseCheckpointText reads the text of a checkpoint, without signatures.
// Extension lines, which C2SP allows, are refused: ML-DSA cosignatures do not
// cover them. The origin may be any that C2SP allows, up to 255 bytes, for a
// node is asked about logs that it does not know. Errors have the code
// "checkpoint_form".
func ParseCheckpointText(text string) (*Checkpoint, error) {
	bad := func(why string) (*Checkpoint, error) {
		return nil, fault.New("checkpoint_form", "", "not a checkpoint: "+why)
	}
	if len(text) > maxOrigin+128 {
		return bad("its text is longer than three lines can be")
	}
	lines, ok := textLines(text, 3)
	if !ok {
		return bad("its text does not have exactly three lines")
	}
	c := &Checkpoint{Origin: lines[0]}
	if !plainText(c.Origin) || len(c.Origin) > maxOrigin {
		return bad("its origin is empty, too long or holds control characters")
	}
	if c.Size, ok = parseCount(lines[1]); !ok {
		return bad("its size is not a canonical decimal")
	}
	if c.Root, ok = parseHash(lines[2]); !ok {
		return bad("its root is not the base64 of 32 bytes")
	}
	if c.Text() != text {
		return bad("it is not in its one canonical form")
	}
	return c, nil
}

// Text writes the three lines out: what log and cosigners sign.
func (c *Checkpoint) Text() string {
	return c.Origin + "\n" + formatCount(c.Size) + "\n" + formatHash(c.Root) + "\n"
}

// ParseCheckpoint reads a checkpoint with its signature lines, of which it
// checks none. Lines of any key are taken, as C2SP signed-note demands, up
// to MaxCheckpointSigs. Errors have the code "checkpoint_form".
func ParseCheckpoint(msg []byte) (*Checkpoint, *certs.Note, error) {
	n, err := certs.ParseNote(msg, MaxCheckpoint, MaxCheckpointSigs)
	if err != nil {
		return nil, nil, fault.New("checkpoint_form", "", "not a checkpoint").Because(err)
	}
	// A text may hold blank lines, so that anything put between the third
	// line and the signatures is refused here.
	c, err := ParseCheckpointText(n.Text)
	if err != nil {
		return nil, nil, err
	}
	return c, n, nil
}

package certs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
)

const checkpoint = "log.example/0123456789012345678901234567890123456789\n42\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

func TestMLDSACosignature(t *testing.T) {
	t.Parallel()
	now := time.Unix(1777880011, 0)
	seed := bytes.Repeat([]byte{3}, SeedSize)
	s, err := NewCosigner("log.example/node/a", seed, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign([]byte(checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	if CosignTime(sig.Bytes) != 1777880011 || len(sig.Bytes) != 8+mldsa44.SignatureSize {
		t.Errorf("time %d, %d bytes", CosignTime(sig.Bytes), len(sig.Bytes))
	}
	// cosigned_message of C2SP tlog-cosignature, field by field.
	origin := strings.Split(checkpoint, "\n")[0]
	msg := []byte("subtree/v1\n\x00")
	msg = append(msg, 18)
	msg = append(msg, "log.example/node/a"...)
	msg = binary.BigEndian.AppendUint64(msg, 1777880011)
	msg = append(msg, byte(len(origin)))
	msg = append(msg, origin...)
	msg = append(msg, make([]byte, 8)...)
	msg = binary.BigEndian.AppendUint64(msg, 42)
	msg = append(msg, make([]byte, 32)...)
	public, _ := mldsa44.NewKeyFromSeed((*[32]byte)(seed))
	if !mldsa44.Verify(public, msg, nil, sig.Bytes[8:]) {
		t.Error("it does not sign the message of the standard")
	}
	v, err := ParseVKey(s.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if !v.Verify([]byte(checkpoint), sig.Bytes) {
		t.Error("it does not verify")
	}
	if again, _ := s.Sign([]byte(checkpoint)); !bytes.Equal(again.Bytes, sig.Bytes) {
		t.Error("the same head at the same second has two signatures")
	}
	for what, c := range map[string]struct {
		text string
		sig  []byte
	}{
		"another size":     {strings.Replace(checkpoint, "\n42\n", "\n43\n", 1), sig.Bytes},
		"another root":     {strings.Replace(checkpoint, "AAAA", "AAAB", 1), sig.Bytes},
		"another origin":   {"x" + checkpoint, sig.Bytes},
		"a line more":      {checkpoint + "extension\n", sig.Bytes},
		"a size of 042":    {strings.Replace(checkpoint, "\n42\n", "\n042\n", 1), sig.Bytes},
		"another time":     {checkpoint, append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, sig.Bytes[8:]...)},
		"a byte less":      {checkpoint, sig.Bytes[:len(sig.Bytes)-1]},
		"a byte more":      {checkpoint, append(bytes.Clone(sig.Bytes), 0)},
		"no signature":     {checkpoint, nil},
		"a time over 2^63": {checkpoint, append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, sig.Bytes[8:]...)},
	} {
		if v.Verify([]byte(c.text), c.sig) {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestACosignerSignsCheckpointsOnly(t *testing.T) {
	t.Parallel()
	now := time.Unix(1, 0)
	s, err := NewCosigner("a", bytes.Repeat([]byte{3}, SeedSize), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "\n", checkpoint + "extension\n", checkpoint + "\n", strings.TrimSuffix(checkpoint, "\n"),
		strings.Replace(checkpoint, "\n42\n", "\n042\n", 1), strings.Replace(checkpoint, "\n42\n", "\n-1\n", 1),
		strings.Replace(checkpoint, "\n42\n", "\n9223372036854775808\n", 1), strings.Replace(checkpoint, "AA=", "AB=", 1),
		strings.Repeat("o", 256) + checkpoint[strings.IndexByte(checkpoint, '\n'):], checkpoint[strings.IndexByte(checkpoint, '\n'):]} {
		_, err := s.Sign([]byte(text))
		refused(t, err, "checkpoint_form", "a checkpoint of three lines")
	}
	now = time.Unix(-1, 0)
	_, err = s.Sign([]byte(checkpoint))
	refused(t, err, "checkpoint_form", "")
}

// Outside witnesses sign with Ed25519, over the text itself.
func TestEd25519Cosignature(t *testing.T) {
	t.Parallel()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, SeedSize))
	v, err := ParseVKey(vkeyOf("witness.example", Ed25519Cosig, private.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	cosign := func(stamp uint64, text string) []byte {
		sig := ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", stamp, text))
		return append(binary.BigEndian.AppendUint64(nil, stamp), sig...)
	}
	for stamp, want := range map[uint64]bool{0: true, 1777880011: true, 1<<63 - 1: true, 1 << 63: false, 1<<64 - 1: false} {
		if got := v.Verify([]byte(checkpoint), cosign(stamp, checkpoint)); got != want {
			t.Errorf("timestamp %d: %v", stamp, got)
		}
	}
	good := cosign(5, checkpoint)
	for what, ok := range map[string]bool{
		"a plain signature":  v.Verify([]byte(checkpoint), ed25519.Sign(private, []byte(checkpoint))),
		"nothing":            v.Verify([]byte(checkpoint), nil),
		"half a timestamp":   v.Verify([]byte(checkpoint), good[:4]),
		"no timestamp":       v.Verify([]byte(checkpoint), good[8:]),
		"another time":       v.Verify([]byte(checkpoint), append([]byte{0, 0, 0, 0, 0, 0, 0, 6}, good[8:]...)),
		"an extension line":  v.Verify([]byte(checkpoint+"x\n"), cosign(5, checkpoint+"x\n")),
		"a text of any kind": v.Verify([]byte("text\n"), cosign(5, "text\n")),
	} {
		if ok {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestCosignTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sig  []byte
		want uint64
	}{{nil, 0}, {make([]byte, 7), 0}, {[]byte{0, 0, 0, 0, 0, 0, 1, 2}, 258}, {bytes.Repeat([]byte{255}, 9), 1<<64 - 1}} {
		if got := CosignTime(c.sig); got != c.want {
			t.Errorf("%x: %d", c.sig, got)
		}
	}
}

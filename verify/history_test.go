package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"
)

// The bytes of the formats, computed by a program of another language, so that a slip in a header or a width shows
// even if both sides of the code share it.
func TestHistoryGolden(t *testing.T) {
	t.Parallel()
	e := []Entry{{0, 0, [32]byte{}}, {1, 1777880000000, LeafHash([]byte("a"))}, {1 << 40, 32503679999999, LeafHash(nil)}}
	root := HistoryRoot(e)
	for _, c := range []struct {
		what string
		got  [32]byte
		want string
	}{
		{"key", SubjectKey("vehicle/1N4AZ0CP1DC900001"), "e8dcc91d0422866ab6bc15f4ab1e2fa5d431b2e8bd17ad79e2af64dd8e71ed66"},
		{"leaf", HistoryLeaf(e[1]), "3650c0d4b0cec1fccb1bbb79170ab6324b6d3b2472aa091e8da955c372cb9005"},
		{"root", root, "de7a7dd0747278b9b954fe6ab6a222e728cbd73b7e9c926565e2fb7e83202e88"},
		{"value", HistoryValue(3, root), "0d5f65e338cf5359cc4e454ef92932a44e624db21bd6fe40c8e641a0b4adce91"},
		{"leaf of the log", LeafHash([]byte("milepost/record@v1\n")), "045dcdc8a2d73377c194770ae61c642942eba8d55bbe8a0ae9b9adc37a94979c"},
	} {
		if hex.EncodeToString(c.got[:]) != c.want {
			t.Errorf("%s: %x, want %s", c.what, c.got, c.want)
		}
	}
}

func TestHistoryRootProperty(t *testing.T) {
	t.Parallel()
	if HistoryRoot(nil) != sha256.Sum256(nil) {
		t.Error("the root of no entries is not RFC 6962's")
	}
	factory := &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	rapid.Check(t, func(t *rapid.T) {
		var entries []Entry
		oracle := factory.NewEmptyRange(0)
		for i := range rapid.IntRange(1, 70).Draw(t, "entries") {
			e := Entry{rapid.Uint64().Draw(t, "index"), rapid.Int64Range(0, 1<<50).Draw(t, "time"), LeafHash([]byte{byte(i)})}
			entries = append(entries, e)
			b := binary.BigEndian.AppendUint64(nil, e.Index)
			b = binary.BigEndian.AppendUint64(b, uint64(e.Time))
			oracle.Append(rfc6962.DefaultHasher.HashLeaf(slices.Concat(b, e.Hash[:])), nil)
		}
		want, _ := oracle.GetRootHash(nil)
		if got := HistoryRoot(entries); !slices.Equal(got[:], want) {
			t.Fatalf("root %x, want %x", got, want)
		}
	})
}

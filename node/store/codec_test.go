package store

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// The bytes of an entry never change: ledgers outlive programs.
func TestGoldenEntry(t *testing.T) {
	t.Parallel()
	l := &raft.Log{Index: 258, Term: 3, Type: raft.LogCommand, Data: []byte("data"), Extensions: []byte("ext"),
		AppendedAt: time.Date(2026, 5, 4, 8, 20, 11, 5, time.UTC)}
	const want = "01" + "00" + "0000000000000102" + "0000000000000003" + "0000000069f856bb" + "00000005" + "00000003" +
		"657874" + "64617461" + "1e69495a"
	if have := hex.EncodeToString(encode(l)); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint64(1), encode(command(1, 1, "data")))
	f.Add(uint64(7), encode(&raft.Log{Index: 7, Term: 1, Type: raft.LogNoop}))
	f.Add(uint64(2), encode(&raft.Log{Index: 2, Term: 9, Type: raft.LogConfiguration,
		Data: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a:1"}}})}))
	f.Add(uint64(3), encode(&raft.Log{Index: 3, Term: 1, Extensions: []byte("e"), AppendedAt: time.Unix(-1<<62, 5)}))
	f.Add(uint64(1), []byte{})
	f.Fuzz(func(t *testing.T, index uint64, b []byte) {
		before := bytes.Clone(b)
		l, err := decode(index, b)
		if !bytes.Equal(b, before) {
			t.Fatal("decode changed its input")
		}
		if err != nil {
			wantCode(t, err, "ledger_corrupt")
			return
		}
		if l.Index != index {
			t.Fatalf("entry %d was read as %d", index, l.Index)
		}
		if again := encode(l); !bytes.Equal(again, b) {
			t.Fatalf("%x was written out as %x", b, again)
		}
	})
}

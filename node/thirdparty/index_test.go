package thirdparty

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"filippo.io/torchwood/mpt"
	"golang.org/x/mod/sumdb/tlog"
)

// leaves reads the whole log with torchwood's client, which checks every
// entry against the tree head.
func (c *cluster) leaves(t *testing.T) [][]byte {
	t.Helper()
	head, _, err := torchwood.VerifyCheckpoint(c.get(t, "checkpoint"), c.torchwoodPolicy(t))
	must(t, err)
	tiles, err := torchwood.NewTileFetcher(c.url, torchwood.WithHTTPClient(c.http))
	must(t, err)
	client, err := torchwood.NewClient(tiles)
	must(t, err)
	var all [][]byte
	for _, leaf := range client.AllEntries(t.Context(), head.Tree, 0) {
		all = append(all, bytes.Clone(leaf))
	}
	must(t, client.Err())
	if int64(len(all)) != head.N {
		t.Fatalf("%d leaves of %d", len(all), head.N)
	}
	return all
}

// histories gathers, by the words of the format alone, what the index
// commits to: for each subject the hashes of uint64 log index || uint64 log
// time || leaf hash, where the log time is that of the seal that follows.
func histories(t *testing.T, leaves [][]byte) map[string][]tlog.Hash {
	t.Helper()
	type waiting struct {
		subject string
		entry   []byte
		leaf    tlog.Hash
	}
	out, batch := map[string][]tlog.Hash{}, []waiting(nil)
	for i, leaf := range leaves {
		lines := strings.Split(string(leaf), "\n")
		if lines[0] != "milepost/seal@v1" {
			var r struct{ Subjects []string }
			must(t, json.Unmarshal([]byte(lines[1]), &r))
			for _, s := range r.Subjects {
				batch = append(batch, waiting{s, binary.BigEndian.AppendUint64(nil, uint64(i)), tlog.RecordHash(leaf)})
			}
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.000Z", lines[3])
		must(t, err)
		for _, w := range batch {
			entry := append(binary.BigEndian.AppendUint64(w.entry, uint64(at.UnixMilli())), w.leaf[:]...)
			out[w.subject] = append(out[w.subject], tlog.RecordHash(entry))
		}
		batch = nil
	}
	return out
}

// treeHash is the RFC 6962 tree hash over leaf hashes, by x/mod's tlog.
func treeHash(t *testing.T, leaves []tlog.Hash) tlog.Hash {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, _ error) {
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, h := range leaves {
		hs, err := tlog.StoredHashesForRecordHash(int64(i), h, read)
		must(t, err)
		stored = append(stored, hs...)
	}
	h, err := tlog.TreeHash(int64(len(leaves)), read)
	must(t, err)
	return h
}

func indexKey(subject string) mpt.Key {
	return sha256.Sum256([]byte("milepost/key@v1\n" + subject))
}

// Torchwood's Merkle Patricia tree over all histories, gathered from the log
// by a stranger, has the root that the last seal names; its proofs are ours,
// byte for byte, and it verifies those of a proof file.
func TestMerklePatriciaTree(t *testing.T) {
	t.Parallel()
	c := start(t, 20)
	leaves := c.leaves(t)
	tree := mpt.NewMemTree()
	values := map[string]mpt.Val{}
	for subject, entries := range histories(t, leaves) {
		root := treeHash(t, entries)
		text := binary.BigEndian.AppendUint64([]byte("milepost/history@v1\n"), uint64(len(entries)))
		values[subject] = sha256.Sum256(append(text, root[:]...))
		must(t, tree.Set(indexKey(subject), values[subject]))
	}
	if len(values) < fleet+5 { // governance and four members
		t.Fatalf("%d histories", len(values))
	}
	snap, err := tree.Snap(0)
	must(t, err)
	seal := string(leaves[len(leaves)-1])
	if got, want := base64.StdEncoding.EncodeToString(snap.Hash[:]), strings.Split(seal, "\n")[5]; got != want {
		t.Fatalf("the tree's root is %s, the seal says %s", got, want)
	}

	// The last VIN is one that the log has never heard of.
	for i := range fleet + 1 {
		raw, f := c.proof(t, vin(i))
		if f.Seal != seal {
			t.Fatalf("the proof file has another seal:\n%s", raw)
		}
		for _, h := range f.Histories {
			want, known := values[h.Subject]
			val, ok, err := mpt.Verify(snap, indexKey(h.Subject), h.IndexProof)
			if err != nil || ok != known || val != want || known != (len(h.Entries) > 0) {
				t.Errorf("proof of %s: value %v, present %v, %v", h.Subject, val, ok, err)
			}
			own, err := tree.Prove(indexKey(h.Subject))
			must(t, err)
			if !bytes.Equal(own, h.IndexProof) {
				t.Errorf("%s: torchwood's proof is another:\n%x\n%x", h.Subject, own, h.IndexProof)
			}
			if _, _, err := mpt.Verify(snap, indexKey(h.Subject+"0"), h.IndexProof); known && err == nil {
				t.Errorf("the proof of %s passes for another subject", h.Subject)
			}
		}
	}
}

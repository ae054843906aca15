package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

var updateHeads = flag.Bool("update-heads", false, "rewrite the golden files in testdata/heads")

// headOrigin is the origin that the tests of tree heads use.
const headOrigin = "milepost.example/demo/4f0c8a1de2b39c7755aa0e6f1b2d3c4d5e6f7081"

// headTime is when the cosigners of the tests sign.
var headTime = time.Date(2026, 5, 4, 8, 20, 11, 0, time.UTC)

// headLog is a small cluster: its log keys and its cosigners, whose clocks
// can be set one by one.
type headLog struct {
	logs   []certs.Signer
	nodes  []certs.Signer
	clocks []time.Time
}

func headSeed(label string) []byte {
	h := sha256.Sum256([]byte("milepost test key: " + label))
	return h[:]
}

func newHeadLog(t testing.TB, origin string, ids ...string) *headLog {
	t.Helper()
	l := &headLog{clocks: make([]time.Time, len(ids))}
	for i, id := range ids {
		l.clocks[i] = headTime.Add(time.Duration(i) * time.Second)
		s, err := certs.NewEd25519Signer(origin, headSeed("log "+id))
		if err != nil {
			t.Fatal(err)
		}
		l.logs = append(l.logs, s)
		s, err = certs.NewCosigner(origin+"/node/"+id, headSeed("cosigner "+id), func() time.Time { return l.clocks[i] })
		if err != nil {
			t.Fatal(err)
		}
		l.nodes = append(l.nodes, s)
	}
	return l
}

func vkeysOf(signers []certs.Signer) (keys []string) {
	for _, s := range signers {
		keys = append(keys, s.VKey())
	}
	return keys
}

func (l *headLog) policyText() string { return NewPolicy(vkeysOf(l.logs), vkeysOf(l.nodes)...) }

func (l *headLog) policy(t testing.TB) *Policy {
	t.Helper()
	return mustPolicy(t, l.policyText())
}

func mustPolicy(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// sign writes the note of a text with a signature of each signer, in order.
func sign(t testing.TB, text string, signers ...certs.Signer) []byte {
	t.Helper()
	n := &certs.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	return n.Bytes()
}

// signers returns the first log key and the nodes at the given places.
func (l *headLog) signers(nodes ...int) []certs.Signer {
	s := []certs.Signer{l.logs[0]}
	for _, i := range nodes {
		s = append(s, l.nodes[i])
	}
	return s
}

// headTree is a Merkle tree that the Go checksum database's code keeps, as a
// second opinion.
type headTree struct {
	t      testing.TB
	hashes []tlog.Hash
	size   int64
}

func (m *headTree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = m.hashes[x]
	}
	return out, nil
}

func (m *headTree) add(leaf []byte) {
	m.t.Helper()
	hs, err := tlog.StoredHashes(m.size, leaf, m)
	if err != nil {
		m.t.Fatal(err)
	}
	m.hashes, m.size = append(m.hashes, hs...), m.size+1
}

func (m *headTree) head() *Checkpoint {
	m.t.Helper()
	root, err := tlog.TreeHash(m.size, m)
	if err != nil {
		m.t.Fatal(err)
	}
	return &Checkpoint{headOrigin, uint64(m.size), root}
}

func (m *headTree) prove(index int64) [][32]byte {
	m.t.Helper()
	p, err := tlog.ProveRecord(m.size, index, m)
	if err != nil {
		m.t.Fatal(err)
	}
	hashes := make([][32]byte, len(p))
	for i, h := range p {
		hashes[i] = h
	}
	return hashes
}

func growHeadTree(t testing.TB, n int) *headTree {
	m := &headTree{t: t}
	for i := range n {
		m.add(binary.BigEndian.AppendUint32([]byte("leaf "), uint32(i)))
	}
	return m
}

// refused demands an error of this code whose sentence holds the words.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want a refusal %q (%s)", code, words)
	}
	if got := fault.Code(err); got != code {
		t.Errorf("code %q, want %q (%v)", got, code, err)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("refused with %q, want it to say %q", err, words)
	}
}

// goldenHead compares got with a file of testdata/heads.
func goldenHead(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "heads", name)
	if *updateHeads {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs from what is written now:\n%s", path, got)
	}
}

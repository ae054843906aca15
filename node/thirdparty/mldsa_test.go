package thirdparty

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	"filippo.io/torchwood"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// cosignedMessage is the cosigned_message of C2SP tlog-cosignature for a
// whole tree.
func cosignedMessage(name string, stamp uint64, origin string, size uint64, root []byte) []byte {
	m := []byte("subtree/v1\n\x00")
	m = append(append(m, byte(len(name))), name...)
	m = binary.BigEndian.AppendUint64(m, stamp)
	m = append(append(m, byte(len(origin))), origin...)
	m = binary.BigEndian.AppendUint64(m, 0)
	m = binary.BigEndian.AppendUint64(m, size)
	return append(m, root...)
}

// Another implementation of ML-DSA verifies the nodes' cosignatures, and
// what it signs passes our policy.
func TestMLDSA(t *testing.T) {
	t.Parallel()
	c := start(t, 10)
	checkpoint := c.get(t, "checkpoint")
	head, err := c.policy.Check(checkpoint, time.Now())
	must(t, err)
	_, sigs, _ := strings.Cut(string(checkpoint), "\n\n")
	seen := 0
	for _, w := range c.policy.Witnesses() {
		public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), w.Key.Public())
		must(t, err)
		for line := range strings.Lines(sigs) {
			b, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— "+w.Key.Name()+" ")
			if !ok {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(b)
			must(t, err)
			stamp := binary.BigEndian.Uint64(raw[4:]) // the key ID comes first
			msg := cosignedMessage(w.Key.Name(), stamp, c.origin, head.Size, head.Root[:])
			if err := mldsa.Verify(public, msg, raw[12:], nil); err != nil {
				t.Errorf("cosignature of %s: %v", w.Name, err)
			}
			msg = cosignedMessage(w.Key.Name(), stamp+1, c.origin, head.Size, head.Root[:])
			if mldsa.Verify(public, msg, raw[12:], nil) == nil {
				t.Errorf("the cosignature of %s fits another time", w.Name)
			}
			seen++
		}
	}
	if seen < 3 {
		t.Errorf("%d cosignatures", seen)
	}

	// The other way: a cosigner that our code had no part in.
	key, err := mldsa.GenerateKey(mldsa.MLDSA44())
	must(t, err)
	foreign, err := torchwood.NewCosignatureVerifierFromKey("inspector.example/witness", key.PublicKey())
	must(t, err)
	v, err := certs.ParseVKey(foreign.String())
	must(t, err)
	now := uint64(time.Now().Unix())
	sig, err := key.Sign(nil, cosignedMessage(v.Name(), now, c.origin, head.Size, head.Root[:]), nil)
	must(t, err)
	line := certs.Sig{Name: v.Name(), ID: v.ID(), Bytes: append(binary.BigEndian.AppendUint64(nil, now), sig...)}
	policy := c.withWitness(t, v.VKey())
	if _, err := policy.Check(checkpoint, time.Now()); fault.Code(err) != "quorum_missing" {
		t.Errorf("without the witness: %v", err)
	}
	h, err := policy.Check([]byte(string(checkpoint)+line.Line()), time.Now())
	if err != nil || h.Signed < 4 {
		t.Errorf("with the witness: %+v, %v", h, err)
	}
	line.Bytes[0] ^= 1
	if _, err := policy.Check([]byte(string(checkpoint)+line.Line()), time.Now()); fault.Code(err) != "cosigner_bad" {
		t.Errorf("with another time: %v", err)
	}
}

// One seed is one key, whichever library expands it.
func TestMLDSASeeds(t *testing.T) {
	t.Parallel()
	for range 16 {
		seed := make([]byte, certs.SeedSize)
		rand.Read(seed)
		ours, err := certs.NewCosigner("node.example/1", seed, time.Now)
		must(t, err)
		theirs, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed)
		must(t, err)
		v, err := torchwood.NewCosignatureVerifierFromKey("node.example/1", theirs.PublicKey())
		must(t, err)
		if ours.VKey() != v.String() {
			t.Errorf("seed %x gives two public keys", seed)
		}
	}
}

package thirdparty

import (
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// torchwoodPolicy is the trust policy in torchwood's own terms: one of the
// log keys, and three of the four nodes. Torchwood's ParsePolicy can't read
// our file as it is: with several log lines it demands the signatures of all
// (C2SP tlog-policy: any one of them is enough).
func (c *cluster) torchwoodPolicy(t *testing.T) torchwood.Policy {
	t.Helper()
	var logs, nodes []torchwood.Policy
	for _, v := range c.logKeys(t) {
		logs = append(logs, torchwood.SingleVerifierPolicy(v))
	}
	for _, v := range c.cosigners(t) {
		nodes = append(nodes, torchwood.SingleVerifierPolicy(v))
	}
	return torchwood.ThresholdPolicy(3, torchwood.OriginPolicy(c.origin),
		torchwood.ThresholdPolicy(1, logs...), torchwood.ThresholdPolicy(3, nodes...))
}

// cosigners are the nodes' ML-DSA-44 keys.
func (c *cluster) cosigners(t *testing.T) []*torchwood.CosignatureVerifier {
	t.Helper()
	var nodes []*torchwood.CosignatureVerifier
	for _, w := range c.policy.Witnesses() {
		v, err := torchwood.NewCosignatureVerifier(w.Key.VKey())
		must(t, err)
		if v.String() != w.Key.VKey() {
			t.Errorf("torchwood writes the key of %s otherwise", w.Name)
		}
		nodes = append(nodes, v)
	}
	return nodes
}

// The published tree head carries one Ed25519 signature of the log and at
// least three ML-DSA cosignatures, and torchwood verifies every one.
func TestTorchwoodVerifiesTreeHead(t *testing.T) {
	t.Parallel()
	c := start(t, 25)
	policy, msg := c.torchwoodPolicy(t), c.get(t, "checkpoint")
	head, n, err := torchwood.VerifyCheckpoint(msg, policy)
	must(t, err)
	if head.Origin != c.origin || head.N <= int64(len(c.sent)) || head.Extension != "" {
		t.Errorf("head is %q", head)
	}
	if len(n.Sigs) < 4 || len(n.UnverifiedSigs) != 0 {
		t.Errorf("%d signatures verify and %d do not", len(n.Sigs), len(n.UnverifiedSigs))
	}
	for _, v := range c.cosigners(t) {
		for _, s := range n.Sigs {
			if s.Name != v.Name() || s.Hash != v.KeyHash() {
				continue
			}
			// A cosignature of a head is one of the subtree from leaf 0 on.
			line := []byte("— " + s.Name + " " + s.Base64 + "\n")
			if !v.VerifySubtree(c.origin, 0, head.N, head.Hash, line) {
				t.Errorf("%s did not sign the whole tree", s.Name)
			}
			at, err := torchwood.CosignatureTimestamp(s)
			must(t, err)
			if age := time.Since(time.Unix(at, 0)); age < -time.Minute || age > 5*time.Minute {
				t.Errorf("%s signed %v ago", s.Name, age)
			}
		}
	}

	// With the one log line of the node that led, torchwood reads the policy
	// file: witnesses, group and quorum mean the same to it.
	var one []string
	leader := c.logKey(t, msg)
	for _, l := range strings.SplitAfter(c.policy.Text(), "\n") {
		v, err := note.NewVerifier(strings.TrimSpace(strings.TrimPrefix(l, "log ")))
		if err != nil || v.KeyHash() == leader.KeyHash() {
			one = append(one, l)
		}
	}
	parsed, err := torchwood.ParsePolicy([]byte(strings.Join(one, "")))
	must(t, err)
	_, _, err = torchwood.VerifyCheckpoint(msg, parsed)
	must(t, err)

	// A root that nobody signed is refused, so the above means something.
	lines := strings.SplitN(string(msg), "\n", 4)
	lines[2] = tlog.Hash{1}.String()
	if _, _, err := torchwood.VerifyCheckpoint([]byte(strings.Join(lines, "\n")), policy); err == nil {
		t.Error("torchwood accepts another root")
	}
}

// A record's receipt and the seal's proof inside a proof file are ordinary
// tlog-proofs.
func TestTorchwoodAcceptsReceipts(t *testing.T) {
	t.Parallel()
	c := start(t, 25)
	policy := c.torchwoodPolicy(t)
	for i := 0; i < len(c.sent); i += 37 {
		s := c.sent[i]
		r := c.receipt(t, s.hash)
		if err := torchwood.VerifyProof(policy, tlog.RecordHash([]byte(s.note)), r); err != nil {
			t.Errorf("receipt %d: %v", i, err)
		}
		var wrong *torchwood.VerifyRecordError
		if err := torchwood.VerifyProof(policy, tlog.RecordHash([]byte(s.note+" ")), r); !errors.As(err, &wrong) {
			t.Errorf("receipt %d for another record: %v", i, err)
		}
	}
	_, f := c.proof(t, vin(0))
	if err := torchwood.VerifyProof(policy, tlog.RecordHash([]byte(f.Seal)), []byte(f.TLogProof)); err != nil {
		t.Errorf("seal of the proof file: %v", err)
	}
}

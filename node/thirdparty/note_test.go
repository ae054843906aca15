package thirdparty

import (
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
)

// A record, as a node gives it out, is an ordinary signed note: its author's
// key opens it and no other does.
func TestRecordIsSignedNote(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	keys := map[string]note.Verifier{}
	for _, d := range dealers {
		s, err := c.Signer(d)
		must(t, err)
		keys[d], err = note.NewVerifier(s.VKey())
		must(t, err)
	}
	for _, s := range c.sent {
		msg := c.get(t, "v1/records/"+s.hash)
		if string(msg) != s.note {
			t.Fatalf("the record came back otherwise:\n%s", msg)
		}
		opened := 0
		for name, key := range keys {
			n, err := note.Open(msg, note.VerifierList(key))
			if err != nil {
				continue
			}
			opened++
			if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 || !strings.Contains(n.Text, `"author":"`+name+`"`) {
				t.Errorf("opened with the key of %s: %+v", name, n)
			}
		}
		if opened != 1 {
			t.Errorf("%d keys open the record", opened)
		}
	}
}

// transparency-dev/formats reads our tree head, receipts and policy.
func TestFormats(t *testing.T) {
	t.Parallel()
	c := start(t, 10)
	checkpoint := c.get(t, "checkpoint")
	head, rest, _, err := log.ParseCheckpoint(checkpoint, c.origin, c.logKey(t, checkpoint))
	must(t, err)
	if len(rest) != 0 || head.Size <= uint64(len(c.sent)) {
		t.Errorf("head %+v with %q", head, rest)
	}

	// Its policy knows of no log lines and wants the address of every
	// witness, which ours leaves out because it is for verifying offline.
	var text strings.Builder
	for line := range strings.Lines(c.policy.Text()) {
		if w, ok := strings.CutPrefix(line, "witness "); ok {
			line = "witness " + strings.TrimSuffix(w, "\n") + " https://node.example/\n"
		}
		text.WriteString(line)
	}
	policy, err := witness.ParsePolicy([]byte(text.String()))
	must(t, err)
	if policy.N != 3 || len(policy.Components) != 4 {
		t.Errorf("a policy of %d of %d", policy.N, len(policy.Components))
	}
	for i := 0; i < len(c.sent); i += 31 {
		receipt := c.receipt(t, c.sent[i].hash)
		var p proof.TLogProof
		must(t, p.Unmarshal(receipt))
		if string(p.Marshal()) != string(receipt) || p.ExtraData != nil {
			t.Errorf("formats writes receipt %d otherwise", i)
		}
		if !policy.Satisfied(p.Checkpoint) {
			t.Errorf("receipt %d does not satisfy the policy", i)
		}
	}
	// Without the lines of two of its cosigners a head has too few.
	lines := strings.SplitAfter(string(checkpoint), "\n")
	if few := strings.Join(lines[:len(lines)-3], ""); policy.Satisfied([]byte(few)) {
		t.Errorf("too few cosigners satisfy the policy:\n%s", few)
	}
}

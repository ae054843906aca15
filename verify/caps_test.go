package verify

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// longest is the largest number that something is taken with, of those up to
// 10,000.
func longest(takes func(n int) bool) int64 {
	for n := 10_000; n > 0; n-- {
		if takes(n) {
			return int64(n)
		}
	}
	return 0
}

// most is the greatest number of elements that a list in a type's definition
// may have; each step of the path is a field.
func most(t *testing.T, typ string, path ...string) int64 {
	t.Helper()
	v := record.Lookup(typ).Schema().Get("properties")
	for i, name := range path {
		if v = v.Get(name); i < len(path)-1 {
			v = v.Get("properties")
		}
	}
	if !v.Has("maxItems") {
		t.Fatalf("%s has no list at %q", typ, path)
	}
	return v.Get("maxItems").Int
}

// Every cap of docs/format.md, section 11, is the one that the program holds
// to, and none of them is told of that it does not know.
func TestCapsAreDocumented(t *testing.T) {
	t.Parallel()
	words := func(err error, s string) bool { return err != nil && strings.Contains(err.Error(), s) }
	same := func(what string, all ...int64) int64 {
		for _, n := range all {
			if n != all[0] {
				t.Errorf("%s: %d are one number on the page", what, all)
			}
		}
		return all[0]
	}
	vkey := longest(func(n int) bool { _, err := certs.ParseVKey(strings.Repeat("x", n)); return !words(err, "longer than") })
	keyName := longest(func(n int) bool {
		_, err := certs.ParseNote([]byte("x\n\n— "+strings.Repeat("x", n)+" AAAAAAA=\n"), 20_000, 1)
		return err == nil
	})
	subject := longest(func(n int) bool {
		_, err := record.Draft{
			Author: "a", Body: jcs.Make(), Captured: "2026-05-04T08:12:00Z", EventTime: "2026-05-04T08:12:00Z", ID: "0196a2f0-0000-7000-8000-000000000000",
			Origin: "milepost.example/demo/" + strings.Repeat("0a", 20), Precision: "second", Subjects: []string{strings.Repeat("x", n)}, Type: "x.y/1",
		}.Text()
		if !words(err, "subject") {
			t.Fatalf("a subject of %d bytes: %v", n, err)
		}
		return !words(err, "bytes is expected")
	})
	const admitted, genesis = "member.admitted/1", "log.genesis/1"
	founders := same("founders", most(t, genesis, "body", "founding", "governors"), most(t, genesis, "body", "nodes"), most(t, "governors.changed/1", "body", "governors"),
		most(t, admitted, "body", "keys"), most(t, admitted, "body", "admin_keys"), most(t, admitted, "body", "tls_keys"))
	lists := same("attachments, refs, personal", most(t, genesis, "attachments"), most(t, genesis, "refs"), most(t, genesis, "personal"), record.MaxAttached)
	rules := same("types and rights", most(t, genesis, "body", "rules", "types"), most(t, genesis, "body", "rules", "rights"),
		most(t, "rules.published/1", "body", "types"), most(t, "rules.published/1", "body", "rights"))
	policy := record.Lookup(genesis).Schema().Get("properties").Get("body").Get("properties").Get("policy")

	num, bytes := record.Thousands, func(n int64) string { return record.Thousands(n) + " bytes" }
	want := map[string]string{
		"a name":                           bytes(longest(func(n int) bool { return certs.ValidName(strings.Repeat("x", n)) })),
		"a key name in a note":             bytes(keyName),
		"an origin line of a checkpoint":   bytes(maxOrigin),
		"a vkey":                           bytes(vkey),
		"a subject":                        bytes(subject),
		"subjects of a record":             num(record.MaxSubjects),
		"a record note":                    bytes(record.MaxBytes),
		"signature lines of a record":      num(record.MaxSignatures),
		"nesting of a record's JSON":       num(record.MaxDepth),
		"lines of a policy in a record":    num(policy.Get("maxItems").Int) + " of " + bytes(policy.Get("items").Get("maxLength").Int),
		"types, and rights, in the rules":  num(rules) + " each",
		"any other list or text":           "as in section 4",
		"a file of openings":               bytes(record.MaxOpeningsBytes) + ", " + num(record.MaxOpenings) + " openings, " + bytes(record.MaxPersonalValue) + " a value",
		"a leaf":                           bytes(math.MaxUint16), // C2SP tlog-tiles has 16 bits for its length
		"a seal":                           bytes(MaxSeal),
		"an integer in JSON":               power("±(2^%d−1)", jcs.MaxInt),
		"a checkpoint with its signatures": bytes(MaxCheckpoint),
		"signature lines of a checkpoint":  num(MaxCheckpointSigs),
		"a policy file":                    bytes(MaxPolicy),
		"hashes of a tlog-proof":           num(MaxProofHashes),
		"a tlog-proof":                     bytes(MaxTLogProof),
		"steps of an index proof":          num(MaxMPTSteps) + " (" + bytes(int64(MaxMPTProof)) + " in all)",
		"a proof file":                     bytes(MaxFile),
		"nesting of a proof file's JSON":   num(fileDepth(t)),
		"histories of a proof file":        num(MaxHistories),
		"bridges of a proof file":          num(MaxBridges),

		"attachments, refs, personal of a record":                                                num(lists) + " each",
		"governors; nodes of a genesis; record, admin and TLS keys of a member in its admission": num(founders) + " each",
		"log index, tree size, timestamp of a cosignature":                                       power("2^%d−1", MaxIndex),
		"lines of a policy file that say something":                                              num(MaxPolicyLines),
		"entries of a proof file, in all histories together":                                     num(MaxEntries),
		"JSON values of a proof file":                                                            num(maxFileValues) + ", which follows from the three before",
	}
	page, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## 11. Caps\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 2 || cells[0] == "what" {
			continue
		}
		if got, ok := want[cells[0]]; !ok || got != cells[1] {
			t.Errorf("docs/format.md: %s: at most %s; the program has %q", cells[0], cells[1], got)
		}
		delete(want, cells[0])
	}
	for what, n := range want {
		t.Errorf("docs/format.md does not say of %s: at most %s", what, n)
	}
}

// power writes a number that is one less than a power of two by its exponent.
func power(format string, n uint64) string {
	for bit := range 64 {
		if n == 1<<bit-1 {
			return fmt.Sprintf(format, bit)
		}
	}
	return fmt.Sprint(n)
}

// fileDepth is how deep the JSON of a proof file may be nested.
func fileDepth(t *testing.T) int64 {
	t.Helper()
	return longest(func(n int) bool {
		if n > 50 {
			return false
		}
		_, err := ParseFile([]byte(strings.Repeat("[", n) + strings.Repeat("]", n) + "\n"))
		return err != nil && strings.Contains(err.Error(), "is not "+FileFormat)
	})
}

package verify

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

func refusedAs(t *testing.T, err error, codes ...string) {
	t.Helper()
	if !slices.Contains(codes, fault.Code(err)) {
		t.Errorf("refused as %q, want one of %v: %v", fault.Code(err), codes, err)
	}
}

func testHead(t testing.TB) (*headLog, *Checkpoint, []byte) {
	l := newHeadLog(t, headOrigin, "lyon", "porto", "ghent", "insurer")
	c := growHeadTree(t, 21).head()
	return l, c, sign(t, c.Text(), l.signers(0, 1, 2)...)
}

func TestCheckpointIsWrittenAsItIsRead(t *testing.T) {
	t.Parallel()
	_, c, msg := testHead(t)
	goldenHead(t, "checkpoint.txt", msg)
	got, n, err := ParseCheckpoint(msg)
	if err != nil {
		t.Fatal(err)
	}
	if *got != *c || got.Text() != n.Text || len(n.Sigs) != 4 || string(n.Bytes()) != string(msg) {
		t.Errorf("read %+v with %d signatures", got, len(n.Sigs))
	}
}

// The Go checksum database's note reader takes our checkpoint: the log's
// signature is a plain note signature, the cosignatures are lines of unknown
// keys to it.
func TestCheckpointIsANoteToOthers(t *testing.T) {
	t.Parallel()
	l, c, msg := testHead(t)
	v, err := note.NewVerifier(l.logs[0].VKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	if n.Text != c.Text() || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 3 {
		t.Errorf("opened %+v", n)
	}
}

// And ours takes a note that theirs signed.
func TestCheckpointSignedByOthers(t *testing.T) {
	t.Parallel()
	_, c, _ := testHead(t)
	skey, vkey, err := note.GenerateKey(nil, headOrigin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := ParseCheckpoint(msg)
	if err != nil {
		t.Fatal(err)
	}
	v, err := certs.ParseVKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Verify([]byte(n.Text), n.Sigs[0].Bytes) {
		t.Error("the signature does not verify")
	}
}

// The last two lines are read as the Go checksum database reads those of its
// own tree heads.
func TestCheckpointAgreesWithTlog(t *testing.T) {
	t.Parallel()
	_, c, _ := testHead(t)
	lines := strings.SplitAfterN(c.Text(), "\n", 2)
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
	if err != nil {
		t.Fatal(err)
	}
	if uint64(tree.N) != c.Size || [32]byte(tree.Hash) != c.Root {
		t.Errorf("tlog reads %v, we read %v", tree, c)
	}
}

func TestCheckpointRefusals(t *testing.T) {
	t.Parallel()
	l, c, good := testHead(t)
	root := formatHash(c.Root)
	for name, s := range map[string]struct{ old, new, words string }{
		"an extension line":      {root + "\n", root + "\nextension\n", "three lines"},
		"an empty extension":     {root + "\n", root + "\n\n", "three lines"},
		"a missing line":         {"\n21\n", "\n", "three lines"},
		"a size with a zero":     {"\n21\n", "\n021\n", "size"},
		"a size with a sign":     {"\n21\n", "\n+21\n", "size"},
		"a hexadecimal size":     {"\n21\n", "\n0x15\n", "size"},
		"a size of 2^63":         {"\n21\n", "\n9223372036854775808\n", "size"},
		"an empty origin":        {headOrigin + "\n21", "\n21", "origin"},
		"a control character":    {headOrigin + "\n21", headOrigin + "\t\n21", "0x09"},
		"a hidden control":       {headOrigin + "\n21", headOrigin + "\u0085\n21", "origin"},
		"an origin of 256 bytes": {headOrigin + "\n21", strings.Repeat("o", 256) + "\n21", "origin"},
		"a root without padding": {root, root[:len(root)-1], "root"},
		"a root of 31 bytes":     {root, root[:40] + "AA==", "root"},
		"a line too long":        {root, root + strings.Repeat("A", 400), "longer"},
		"no blank line":          {"\n\n", "\n", "not a checkpoint"},
		"no dash":                {"— ", "- ", "em dash"},
		"bytes after the end":    {string(good[len(good)-40:]), string(good[len(good)-40:]) + "x", "not a checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doctored := strings.Replace(string(good), s.old, s.new, 1)
			if doctored == string(good) {
				t.Fatalf("%q does not occur", s.old)
			}
			_, _, err := ParseCheckpoint([]byte(doctored))
			refused(t, err, "checkpoint_form", s.words)
		})
	}
	t.Run("many signatures", func(t *testing.T) {
		t.Parallel()
		var many []certs.Signer
		for range MaxCheckpointSigs {
			many = append(many, l.logs[0])
		}
		if _, _, err := ParseCheckpoint(sign(t, c.Text(), many...)); err != nil {
			t.Errorf("at the cap: %v", err)
		}
		_, _, err := ParseCheckpoint(sign(t, c.Text(), append(many, l.logs[0])...))
		refused(t, err, "checkpoint_form", "more than 64")
	})
	t.Run("many bytes", func(t *testing.T) {
		t.Parallel()
		n := certs.Note{Text: c.Text(), Sigs: []certs.Sig{{Name: "x", Bytes: make([]byte, MaxCheckpoint)}}}
		_, _, err := ParseCheckpoint(n.Bytes())
		refused(t, err, "checkpoint_form", "at most 262144")
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	l, c, _ := testHead(f)
	f.Add(sign(f, c.Text(), l.logs[0], l.logs[1])) // short, or the fuzzer would get nowhere
	f.Add([]byte(c.Text() + "\n— x AAAAAAAA\n"))
	f.Add([]byte("o\n0\n" + strings.Repeat("A", 43) + "=\n\n— x AAAAAAAA\n— y AAAAAAAB\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, n, err := ParseCheckpoint(msg)
		if err != nil {
			refusedAs(t, err, "checkpoint_form")
			return
		}
		if c.Text() != n.Text || string(n.Bytes()) != string(msg) {
			t.Errorf("%q is written as %q", msg, n.Bytes())
		}
		lines := strings.SplitAfterN(n.Text, "\n", 2)
		tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
		if err != nil || uint64(tree.N) != c.Size || [32]byte(tree.Hash) != c.Root {
			t.Errorf("tlog reads %v, %v; we read %v", tree, err, c)
		}
	})
}

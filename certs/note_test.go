package certs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/milepost-log/milepost/certs/fault"
)

const emDash = "\u2014 "

// The example of C2SP signed-note.
const exampleText = "This is an example message.\n"

func testSigner(t testing.TB, name string, b byte) Signer {
	t.Helper()
	s, err := NewEd25519Signer(name, bytes.Repeat([]byte{b}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signedNote(t testing.TB, text string, signers ...Signer) []byte {
	t.Helper()
	n := &Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	return n.Bytes()
}

// refused demands an error of this code whose sentence holds the words.
func refused(t *testing.T, err error, code, words string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("accepted, want %q", words)
	case fault.Code(err) != code || !strings.Contains(err.Error(), words):
		t.Errorf("%s: %v, want %s: %q", fault.Code(err), err, code, words)
	}
}

// What the Go checksum database signs we read, and it reads what we sign.
func TestNotesOfTheGoChecksumDatabase(t *testing.T) {
	t.Parallel()
	ours := testSigner(t, "dealer.example/lyon", 1)
	theirs, err := note.NewVerifier(ours.VKey())
	if err != nil {
		t.Fatal(err)
	}
	msg := signedNote(t, exampleText, ours)
	if n, err := note.Open(msg, note.VerifierList(theirs)); err != nil || len(n.Sigs) != 1 {
		t.Errorf("the checksum database refuses our note: %v", err)
	}

	skey, vkey, err := note.GenerateKey(strings.NewReader(strings.Repeat("entropy ", 32)), "sum.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if msg, err = note.Sign(&note.Note{Text: "one\n\ntwo\n"}, signer); err != nil {
		t.Fatal(err)
	}
	v, err := ParseVKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseNote(msg, 1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	if n.Text != "one\n\ntwo\n" || n.Sigs[0].Name != v.Name() || n.Sigs[0].ID != v.ID() || !v.Verify([]byte(n.Text), n.Sigs[0].Bytes) {
		t.Errorf("%+v", n)
	}
}

func TestParseNoteRefuses(t *testing.T) {
	t.Parallel()
	s := testSigner(t, "dealer.example/lyon", 1)
	good := string(signedNote(t, exampleText, s))
	line := strings.SplitAfter(good, "\n\n")[1]
	sig, _ := s.Sign([]byte(exampleText))
	b64line := strings.TrimSuffix(line[strings.LastIndexByte(line, ' ')+1:], "\n")
	if _, err := ParseNote([]byte(good), len(good), 1); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ msg, code, words string }{
		"empty":                         {"", "note_form", "no blank line"},
		"no signature":                  {exampleText + "\n", "note_form", "it has no signature"},
		"no blank line":                 {exampleText + line, "note_form", "no blank line"},
		"one byte too many":             {"x" + good, "too_large", "at most"},
		"no newline at the end":         {strings.TrimSuffix(good, "\n"), "note_form", "has no newline"},
		"a line that is no signature":   {exampleText + "\n" + "x\n", "note_form", "signature line 1 does not begin"},
		"a hyphen for a dash":           {strings.Replace(good, emDash, "-- ", 1), "note_form", "does not begin with an em dash"},
		"two spaces":                    {strings.Replace(good, emDash, emDash+" ", 1)[1:], "note_form", "has no valid key name"},
		"no key name":                   {exampleText + "\n" + emDash + b64line + "\n", "note_form", "has no valid key name"},
		"a plus in the name":            {exampleText + "\n" + emDash + "a+b " + b64line + "\n", "note_form", "has no valid key name"},
		"a no-break space in the name":  {exampleText + "\n" + emDash + "a\u00a0b " + b64line + "\n", "note_form", "has no valid key name"},
		"a name of 256 bytes":           {exampleText + "\n" + emDash + strings.Repeat("a", 256) + " AAAAAAA=\n", "too_large", "at most"},
		"loose bits":                    {strings.Replace(good, b64line, b64line[:len(b64line)-2]+string(b64line[len(b64line)-2]+1)+"=", 1), "note_form", "has bad base64"},
		"no padding":                    {strings.Replace(good, "=\n", "\n", 1), "note_form", "has bad base64"},
		"four bytes":                    {exampleText + "\n" + emDash + "a AAAAAA==\n", "note_form", "is too short"},
		"a control character in a name": {"a\n\n" + emDash + "a\x14 AAAAAAA=\n", "note_form", "control character 0x14 at byte 8"},
		"a carriage return":             {strings.Replace(good, "example", "\r", 1), "note_form", "control character 0x0d at byte 11"},
		"a carriage return in base64":   {strings.Replace(good, "=\n", "=\r\n", 1)[1:], "note_form", "control character 0x0d"},
		"bad UTF-8":                     {strings.Replace(good, "example", "\xff", 1), "note_form", "not valid UTF-8"},
		"a second signature":            {exampleText + "\n" + Sig{"a", 1, []byte{1}}.Line() + Sig{"b", 1, []byte{1}}.Line(), "note_form", "more than 1 signature lines"},
		"a text that does not end":      {"example\x00\n" + "\n" + line, "note_form", "control character 0x00"},
		"text after the signatures":     {exampleText + "\n" + Sig{"a", 1, []byte{1}}.Line() + "x\n", "note_form", "more than 1"},
		"a blank line among signatures": {exampleText + "\n" + Sig{"a", 1, []byte{1}}.Line() + "\n", "note_form", "it has no signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseNote([]byte(c.msg), len(good), 1)
			refused(t, err, c.code, c.words)
		})
	}
	if got := sig.Line(); got != line {
		t.Errorf("%q, want %q", got, line)
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{255: true, 256: false} {
		msg := exampleText + "\n" + Sig{strings.Repeat("a", n), 1, []byte{1}}.Line()
		if _, err := ParseNote([]byte(msg), 1000, 1); (err == nil) != want {
			t.Errorf("a name of %d bytes: %v", n, err)
		}
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"dealer.example/lyon": true, "a": true, "0": true, "a-b.c/d_e/f": true, "...": true, "a/...": true, strings.Repeat("a", 100): true,
		"": false, strings.Repeat("a", 101): false, "/": false, "a/": false, "/a": false, "a//b": false, ".": false, "..": false,
		"a/.": false, "a/../b": false, "A": false, "a/B": false, "a_b": false, "a b": false, "é": false, "a+b": false, "a\n": false, "a@b": false,
	} {
		if ValidName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// Whatever is accepted has one form, and is a note to the checksum database.
func FuzzParseNote(f *testing.F) {
	s := testSigner(f, "dealer.example/lyon", 1)
	f.Add(signedNote(f, exampleText, s))
	f.Add(signedNote(f, "one\n\ntwo\n", s, testSigner(f, "maker.example", 2)))
	f.Add([]byte("\n\n" + emDash + "a AAAAAAA=\n"))
	f.Add([]byte("\n\n" + emDash + "a\x14 AAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		n, err := ParseNote(msg, 1<<16, 16)
		if err != nil {
			return
		}
		if !bytes.Equal(n.Bytes(), msg) {
			t.Fatal("written out it differs")
		}
		var unverified *note.UnverifiedNoteError
		if _, err := note.Open(msg, note.VerifierList()); !errors.As(err, &unverified) {
			t.Fatalf("the checksum database says: %v", err)
		}
	})
}

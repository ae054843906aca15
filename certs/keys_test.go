package certs

import (
	"bytes"
	stded25519 "crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"golang.org/x/mod/sumdb/note"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Test 2 of RFC 8032 section 7.1.
func TestEd25519OfRFC8032(t *testing.T) {
	t.Parallel()
	s, err := NewEd25519Signer("a", unhex(t, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign([]byte{0x72})
	if err != nil {
		t.Fatal(err)
	}
	want := "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
	if got := hex.EncodeToString(sig.Bytes); got != want {
		t.Errorf("signature %s", got)
	}
	v, err := ParseVKey(s.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(v.Public()); got != "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c" {
		t.Errorf("public key %s", got)
	}
	if !v.Verify([]byte{0x72}, sig.Bytes) || v.Verify([]byte{0x73}, sig.Bytes) {
		t.Error("the signature is not judged")
	}
}

func vkeyOf(name string, typ byte, public []byte) string { return newKey(name, typ, public).VKey() }

func TestVKeys(t *testing.T) {
	t.Parallel()
	ed := testSigner(t, "dealer.example/lyon", 1)
	theirs, err := note.NewVerifier(ed.VKey())
	if err != nil || theirs.Name() != ed.Name() || theirs.KeyHash() != ed.ID() {
		t.Errorf("the checksum database reads another key: %v", err)
	}
	ml, err := NewCosigner("log.example/node/a", bytes.Repeat([]byte{2}, SeedSize), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _ := ParseVKey(ed.VKey())
	outside := vkeyOf("witness.example", Ed25519Cosig, edKey.Public())
	for _, k := range []string{ed.VKey(), ml.VKey(), outside} {
		v, err := ParseVKey(k)
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(k, "+")
		if v.VKey() != k || v.Name() != name || FormatID(v.ID()) != rest[:8] {
			t.Errorf("%s came back as %s", k, v.VKey())
		}
	}
	if s := ml.VKey(); len(s) < 1700 || ml.Type() != MLDSA44Cosig || ed.Type() != Ed25519 {
		t.Errorf("%d bytes", len(s))
	}
}

func TestParseVKeyRefuses(t *testing.T) {
	t.Parallel()
	s := testSigner(t, "dealer.example/lyon", 1)
	good := s.VKey()
	name, rest, _ := strings.Cut(good, "+")
	id, key, _ := strings.Cut(rest, "+")
	v, _ := ParseVKey(good)
	for what, c := range map[string]struct{ vkey, code, words string }{
		"empty":              {"", "key_form", "the form name+id+key"},
		"no key":             {name + "+" + id, "key_form", "the form name+id+key"},
		"no name":            {"+" + id + "+" + key, "key_form", "the form name+id+key"},
		"a space":            {"a b+" + id + "+" + key, "key_form", "the form name+id+key"},
		"another name":       {"other+" + id + "+" + key, "key_form", "key ID does not fit"},
		"another ID":         {name + "+00000000+" + key, "key_form", "key ID does not fit"},
		"an ID in capitals":  {name + "+" + strings.ToUpper(id) + "+" + key, "key_form", "key ID does not fit"},
		"no base64":          {name + "+" + id + "+*", "key_form", "not base64"},
		"a line break":       {name + "+" + id + "+" + key[:8] + "\n" + key[8:], "key_form", "key ID does not fit"},
		"loose bits":         {name + "+" + id + "+AR==", "key_form", "not base64"},
		"one byte":           {name + "+" + id + "+AQ==", "key_form", "not base64 of a type and a key"},
		"something after":    {good + "+", "key_form", "not base64"},
		"too long":           {good + strings.Repeat("A", 4096), "key_form", "longer than 4096"},
		"a type of nobody":   {vkeyOf("a", 0x02, v.Public()), "key_form", "type 0x02 is unknown"},
		"31 bytes":           {vkeyOf("a", Ed25519, v.Public()[1:]), "key_weak", "it has 31 bytes, not 32"},
		"33 bytes":           {vkeyOf("a", Ed25519Cosig, append([]byte{1}, v.Public()...)), "key_weak", "it has 33 bytes, not 32"},
		"a short ML-DSA key": {vkeyOf("a", MLDSA44Cosig, make([]byte, mldsa44.PublicKeySize-1)), "key_form", "not an ML-DSA-44 public key"},
		"a long ML-DSA key":  {vkeyOf("a", MLDSA44Cosig, make([]byte, mldsa44.PublicKeySize+1)), "key_form", "not an ML-DSA-44 public key"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := ParseVKey(c.vkey)
			refused(t, err, c.code, c.words)
		})
	}
}

// The 14 encodings of the eight points of small order that circulate, those
// with y not below 2^255-19 included.
func TestKeysOfSmallOrder(t *testing.T) {
	t.Parallel()
	ff := strings.Repeat("ff", 30)
	for _, c := range []struct{ y, words string }{
		{strings.Repeat("00", 32), "small order"},
		{strings.Repeat("00", 31) + "80", "small order"},
		{"01" + strings.Repeat("00", 31), "small order"},
		{"01" + strings.Repeat("00", 30) + "80", "small order"},
		{"ec" + ff + "7f", "small order"},
		{"ec" + ff + "ff", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "small order"},
		{"ed" + ff + "7f", "canonical"},
		{"ed" + ff + "ff", "canonical"},
		{"ee" + ff + "7f", "canonical"},
		{"ee" + ff + "ff", "canonical"},
		{"ff" + ff + "7f", "canonical"},
	} {
		key := unhex(t, c.y)
		for _, typ := range []byte{Ed25519, Ed25519Cosig} {
			_, err := ParseVKey(vkeyOf("a", typ, key))
			refused(t, err, "key_weak", c.words)
		}
		if c.y[:2] == "ff" {
			continue // 18 in disguise, an ordinary point
		}
		// The table is no typing error: eight times the point is nothing.
		p, ok := decodePoint(key)
		for range 3 {
			p = p.add(p)
		}
		if !ok || !p.isNeutral() {
			t.Errorf("%s is not of small order", c.y)
		}
	}
	// The smallest and the largest y of a usable point.
	for _, y := range []string{"03" + strings.Repeat("00", 31), "eb" + ff + "7f"} {
		if err := CheckEd25519Public(unhex(t, y)); err != nil {
			t.Errorf("%s: %v", y, err)
		}
	}
}

// What circl accepts is what we accept, but for R the neutral element. The
// standard library stands beside it as a second opinion.
func TestSignatureRules(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte{7}, SeedSize)
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	text := []byte("milepost/record@v1\n{}\n")
	good := ed25519.Sign(private, text)
	for name, c := range map[string]struct {
		sig  []byte
		want bool
		std  bool
	}{
		"good":                     {good, true, true},
		"S of L and more":          {withS(good, addOrder(good[32:])), false, false},
		"R changed":                {append([]byte{good[0] ^ 1}, good[1:]...), false, false},
		"R the neutral element":    {neutralR(seed, public, text), false, true},
		"R off by a point of two":  {torsionR(seed, public, text), false, false},
		"63 bytes":                 {good[:63], false, false},
		"65 bytes":                 {append(bytes.Clone(good), 0), false, false},
		"nothing":                  {nil, false, false},
		"R a point not in reduced": {append(unhex(t, "ee"+strings.Repeat("ff", 30)+"7f"), good[32:]...), false, false},
	} {
		if got := VerifyEd25519(public, text, c.sig); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := stded25519.Verify(stded25519.PublicKey(public), text, c.sig); got != c.std {
			t.Errorf("%s: the standard library says %v", name, got)
		}
	}
	if VerifyEd25519(public[:31], text, good) {
		t.Error("a key of 31 bytes fits")
	}
}

// A proof of possession is of one key, for one log, one name and one use.
func TestPossession(t *testing.T) {
	t.Parallel()
	const origin = "log.example/0123456789012345678901234567890123456789"
	if got := string(PossessionText("o", "n", "u", "k")); got != "milepost/pop@v1\no\nn\nu\nk" {
		t.Errorf("%q", got)
	}
	ml, err := NewCosigner("a", bytes.Repeat([]byte{4}, SeedSize), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	mlOther, _ := NewCosigner("b", bytes.Repeat([]byte{4}, SeedSize), time.Now)
	for _, c := range []struct{ s, renamed, other Signer }{
		{testSigner(t, "a", 4), testSigner(t, "b", 4), testSigner(t, "a", 5)},
		{ml, mlOther, testSigner(t, "a", 5)},
	} {
		proof, err := c.s.Possess(origin, "record")
		if err != nil {
			t.Fatal(err)
		}
		v, _ := ParseVKey(c.s.VKey())
		renamed, _ := ParseVKey(c.renamed.VKey())
		other, _ := ParseVKey(c.other.VKey())
		if !v.Possessed(origin, "record", proof) {
			t.Errorf("type %d: it does not fit", v.Type())
		}
		for what, ok := range map[string]bool{
			"another log":     v.Possessed(origin+"0", "record", proof),
			"another use":     v.Possessed(origin, "admin", proof),
			"another name":    renamed.Possessed(origin, "record", proof),
			"another key":     other.Possessed(origin, "record", proof),
			"cut short":       v.Possessed(origin, "record", proof[1:]),
			"nothing":         v.Possessed(origin, "record", nil),
			"a note's":        v.Possessed(origin, "record", append(make([]byte, 8), proof...)),
			"a changed proof": v.Possessed(origin, "record", append([]byte{proof[0] ^ 1}, proof[1:]...)),
		} {
			if ok {
				t.Errorf("type %d: %s is accepted", v.Type(), what)
			}
		}
	}
}

func TestKeysNeedANameAndASeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		seed []byte
	}{{"", make([]byte, 32)}, {"a b", make([]byte, 32)}, {"a", make([]byte, 31)}, {"a", nil}, {strings.Repeat("a", 256), make([]byte, 32)}} {
		_, err := NewEd25519Signer(c.name, c.seed)
		refused(t, err, "key_form", "a name and a seed of 32 bytes")
		_, err = NewCosigner(c.name, c.seed, time.Now)
		refused(t, err, "key_form", "a name and a seed of 32 bytes")
	}
}

// Whatever is accepted has one form and is no weak key, and the checksum
// database reads the same of it.
func FuzzParseVKey(f *testing.F) {
	s := testSigner(f, "dealer.example/lyon", 1)
	v, _ := ParseVKey(s.VKey())
	f.Add(s.VKey())
	f.Add(vkeyOf("witness.example", Ed25519Cosig, v.Public()))
	f.Add("a+00000000+" + base64.StdEncoding.EncodeToString([]byte{6, 1}))
	f.Fuzz(func(t *testing.T, vkey string) {
		v, err := ParseVKey(vkey)
		if err != nil {
			return
		}
		if v.VKey() != vkey {
			t.Fatalf("written out it is %q", v.VKey())
		}
		if v.Type() == Ed25519 {
			if n, err := note.NewVerifier(vkey); err != nil || n.KeyHash() != v.ID() || n.Name() != v.Name() {
				t.Fatalf("the checksum database says: %v", err)
			}
		}
		v.Verify([]byte(checkpoint), make([]byte, 64))
	})
}

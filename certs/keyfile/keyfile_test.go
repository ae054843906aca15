package keyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// quick is a work factor for tests: 2^10 rounds take a millisecond.
const quick = 10

const lyon = "milepost/key@v1\nuse: record\nname: dealer.example/lyon\nseed: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

// counting gives the bytes 0, 1, 2, ...
type counting struct{ n byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.n
		c.n++
	}
	return len(p), nil
}

func newKey(t *testing.T, use, name string) *Key {
	t.Helper()
	k, err := NewKey(use, name, new(counting))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestFileFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lyon.key")
	if err := newKey(t, UseRecord, "dealer.example/lyon").WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != lyon {
		t.Fatalf("%v, file is\n%s\nwant\n%s", err, got, lyon)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	k, err := ReadKeyFile(path, nil)
	if err != nil || *k != *newKey(t, UseRecord, "dealer.example/lyon") {
		t.Fatalf("%v, %v", k, err)
	}
}

func TestEveryUse(t *testing.T) {
	t.Parallel()
	const origin = "milepost.example/demo/0123456789abcdef0123456789abcdef01234567"
	for use, name := range map[string]string{
		UseRecord: "dealer.example/lyon", UseAdmin: "dealer.example/lyon", UseGovernor: "governor.example",
		UseLog: origin, UseCosigner: origin + "/node/n1", UseTLS: "n1",
	} {
		k := newKey(t, use, name)
		public, err := k.Public()
		if err != nil {
			t.Errorf("%s: %v", use, err)
			continue
		}
		_, serr := k.Signer()
		cosigner, cerr := k.Cosigner(func() time.Time { return time.Unix(7, 0) })
		id, terr := k.TLS()
		wantErr := func(want bool, err error) {
			t.Helper()
			if want != (fault.Code(err) == "key_use") || !want && err != nil {
				t.Errorf("%s: %v", use, err)
			}
		}
		wantErr(use == UseCosigner || use == UseTLS, serr)
		wantErr(use != UseCosigner, cerr)
		wantErr(use != UseTLS, terr)
		switch use {
		case UseTLS:
			if _, err := certs.ParsePin(public); err != nil || public != id.Pin() {
				t.Errorf("pin %q: %v", public, err)
			}
		default:
			v, err := certs.ParseVKey(public)
			if err != nil || v.Name() != name {
				t.Errorf("%s: public key %.80s: %v", use, public, err)
				continue
			}
			want := certs.Ed25519
			if use == UseCosigner {
				want = certs.MLDSA44Cosig
			}
			if v.Type() != want {
				t.Errorf("%s: type %#x, want %#x", use, v.Type(), want)
			}
		}
		if use == UseCosigner {
			sig, err := cosigner.Sign([]byte(origin + "\n1\n" + strings.Repeat("A", 43) + "=\n"))
			if err != nil || certs.CosignTime(sig.Bytes) != 7 {
				t.Errorf("cosignature: %v", err)
			}
		}
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lyon.key")
	k := newKey(t, UseRecord, "dealer.example/lyon")
	if err := k.writeFile(path, []byte("drei Zündkerzen"), quick); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(content, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) || bytes.Contains(content, []byte("lyon")) {
		t.Fatalf("%v, file is\n%s", err, content)
	}
	asked := 0
	got, err := ReadKeyFile(path, func() ([]byte, error) { asked++; return []byte("drei Zündkerzen"), nil })
	if err != nil || *got != *k || asked != 1 {
		t.Fatalf("%v, %v, asked %d times", got, err, asked)
	}
	gone := errors.New("no terminal")
	for name, ask := range map[string]func() ([]byte, error){
		"none":    nil,
		"wrong":   func() ([]byte, error) { return []byte("vier Zündkerzen"), nil },
		"empty":   func() ([]byte, error) { return nil, nil },
		"newline": func() ([]byte, error) { return []byte("drei Zündkerzen\n"), nil },
		"failing": func() ([]byte, error) { return nil, gone },
	} {
		_, err := ReadKeyFile(path, ask)
		if fault.Code(err) != "key_passphrase" || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "failing" && !errors.Is(err, gone) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
	for _, p := range []string{"", "ends in a newline\n", "nul\x00"} {
		other := filepath.Join(t.TempDir(), "k")
		if err := k.WriteFile(other, []byte(p)); fault.Code(err) != "key_passphrase" {
			t.Errorf("%q: %v", p, err)
		}
		if _, err := os.Stat(other); err == nil {
			t.Errorf("%q: a file was left behind", p)
		}
	}
}

// The default work factor is age's own: a file of the API, opened once.
func TestPassphraseAsShipped(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves out two scrypt runs of a second each; make test runs them")
	}
	path := filepath.Join(t.TempDir(), "k")
	if err := newKey(t, UseTLS, "n1").WriteFile(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(path, func() ([]byte, error) { return []byte("secret"), nil }); err != nil {
		t.Fatal(err)
	}
}

func TestNeverOverwrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "k")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		if runtime.GOOS != "windows" {
			t.Fatal(err)
		}
		t.Skip("Windows lets only administrators make symbolic links")
	}
	for _, p := range []string{path, link} {
		if err := newKey(t, UseTLS, "n1").WriteFile(p, nil); fault.Code(err) != "key_file_exists" {
			t.Errorf("%s: %v", p, err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "precious" {
		t.Errorf("the file is now %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a dangling link was written through")
	}
	if err := newKey(t, UseTLS, "n1").WriteFile(filepath.Join(dir, "no", "such", "dir"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 101)
	for _, c := range []struct {
		use, name string
		ok        bool
	}{
		{UseRecord, "dealer.example", true}, {UseRecord, "", false}, {UseRecord, long, false}, {UseLog, long, true},
		{UseLog, strings.Repeat("a", 255), true}, {UseLog, strings.Repeat("a", 256), false},
		{UseTLS, "a b", false}, {UseTLS, "a+b", false}, {UseTLS, "a\nuse: admin", false}, {UseTLS, "a//b", false},
		{UseTLS, "a/../b", false}, {UseTLS, "é", false}, {"", "a", false}, {"Record", "a", false},
	} {
		_, err := NewKey(c.use, c.name, new(counting))
		if c.ok != (err == nil) || !c.ok && fault.Code(err) != "key_form" {
			t.Errorf("%q %.20q: %v", c.use, c.name, err)
		}
		if k := (&Key{Use: c.use, Name: c.name}); !c.ok && k.WriteFile(filepath.Join(t.TempDir(), "k"), nil) == nil {
			t.Errorf("%q %.20q is written", c.use, c.name)
		}
	}
	if _, err := NewKey(UseTLS, "n1", strings.NewReader("too short")); err == nil || !strings.Contains(err.Error(), "seed") {
		t.Errorf("%v", err)
	}
}

// Whoever logs a key by mistake shows no seed.
func TestSeedIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := newKey(t, UseTLS, "n1")
	for i := range k.Seed {
		k.Seed[i] = 0xa7 // 167
	}
	js, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", *k, *k, *k, k), string(js)} {
		if strings.Contains(s, "167") || strings.Contains(s, "a7a7") || strings.Contains(s, "p6en") {
			t.Errorf("%s", s)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(lyon))
	f.Add([]byte(strings.Replace(lyon, "record", "cosigner", 1)))
	f.Add([]byte("milepost/key@v1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := parse(text)
		if err != nil {
			if fault.Code(err) != "key_file" {
				t.Fatalf("code %s", fault.Code(err))
			}
			return
		}
		if !bytes.Equal(k.text(), text) {
			t.Fatalf("%q is written out as %q", text, k.text())
		}
		if _, err := k.Public(); err != nil {
			t.Fatalf("%q has no public key: %v", text, err)
		}
	})
}

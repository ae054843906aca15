package keyfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/milepost-log/milepost/certs/fault"
)

func TestOthersCanRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no POSIX modes")
	}
	path := filepath.Join(t.TempDir(), "lyon's key")
	if err := os.WriteFile(path, []byte(lyon), 0o600); err != nil {
		t.Fatal(err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for mode, open := range map[os.FileMode]bool{
		0o600: false, 0o400: false, 0o700: false,
		0o640: true, 0o604: true, 0o620: true, 0o602: true, 0o610: true, 0o644: true, 0o666: true,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			_, err := ReadKeyFile(p, nil)
			if !open {
				if err != nil {
					t.Errorf("%04o: %v", mode, err)
				}
				continue
			}
			if fault.Code(err) != "key_file_open" || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) {
				t.Errorf("%04o: %v", mode, err)
			}
		}
	}
	_, err := ReadKeyFile(path, nil)
	if err == nil { // the map's order is random: leave it readable by all
		_ = os.Chmod(path, 0o644)
		_, err = ReadKeyFile(path, nil)
	}
	if want := `chmod 600 '` + strings.ReplaceAll(path, "'", `'\''`) + "'"; fault.Hint(err) != want {
		t.Errorf("hint %s, want %s", fault.Hint(err), want)
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	seed := "seed: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
	for name, content := range map[string]string{
		"empty":              "",
		"another version":    strings.Replace(lyon, "@v1", "@v2", 1),
		"trailing line":      lyon + "\n",
		"no last newline":    strings.TrimSuffix(lyon, "\n"),
		"carriage returns":   strings.ReplaceAll(lyon, "\n", "\r\n"),
		"fields swapped":     "milepost/key@v1\nname: dealer.example/lyon\nuse: record\n" + seed,
		"unknown use":        strings.Replace(lyon, "record", "wizard", 1),
		"upper-case name":    strings.Replace(lyon, "lyon", "Lyon", 1),
		"two spaces":         strings.Replace(lyon, "use: ", "use:  ", 1),
		"loose bits":         strings.Replace(lyon, "Hh8=", "Hh9=", 1),
		"short seed":         strings.Replace(lyon, "AAECAwQF", "", 1),
		"unpadded seed":      strings.Replace(lyon, "=", "", 1),
		"unarmored":          "age-encryption.org/v1\n",
		"armor only":         "-----BEGIN AGE ENCRYPTED FILE-----\n",
		"empty armor":        "-----BEGIN AGE ENCRYPTED FILE-----\n-----END AGE ENCRYPTED FILE-----\n",
		"too large":          lyon + strings.Repeat("#", MaxSize),
		"too large in total": "-----BEGIN AGE ENCRYPTED FILE-----\n" + strings.Repeat("A", MaxSize),
	} {
		path := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := ReadKeyFile(path, func() ([]byte, error) { return []byte("secret"), nil })
		if fault.Code(err) != "key_file" || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v, %v", name, k, err)
		}
		if err != nil && strings.Contains(err.Error(), "AAECAwQF") {
			t.Errorf("%s: the seed is in the message: %v", name, err)
		}
	}
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "absent"), os.DevNull} {
		if _, err := ReadKeyFile(path, nil); fault.Code(err) != "key_file" || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A file encrypted to a public key, a damaged one and one that would take
// minutes to try are refused as files, not blamed on the passphrase.
func TestRefusedEncryption(t *testing.T) {
	t.Parallel()
	ask := func() ([]byte, error) { return []byte("secret"), nil }
	try := func(name string, content []byte, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyFile(path, ask); fault.Code(err) != "key_file" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, lyon)
	w.Close()
	a.Close()
	try("public key", out.Bytes(), "not to a passphrase")

	sealed, err := encrypt([]byte(lyon), []byte("secret"), quick)
	if err != nil {
		t.Fatal(err)
	}
	half := len(sealed) - 100
	try("cut off", sealed[:half], "damaged")
	try("something behind", append(bytes.Clone(sealed), "x\n"...), "damaged")
	nothing, err := encrypt([]byte("no key"), []byte("secret"), quick)
	if err != nil {
		t.Fatal(err)
	}
	try("not a key inside", nothing, "first line")
	slow, err := encrypt([]byte(lyon), []byte("secret"), quick)
	if err != nil {
		t.Fatal(err)
	}
	slow, err = raiseWorkFactor(slow)
	if err != nil {
		t.Fatal(err)
	}
	try("work factor 30", slow, "work factor")
}

// raiseWorkFactor writes 30 for 10 into an armored file's scrypt line.
func raiseWorkFactor(armored []byte) ([]byte, error) {
	var raw, out bytes.Buffer
	if _, err := raw.ReadFrom(armor.NewReader(bytes.NewReader(armored))); err != nil {
		return nil, err
	}
	w := armor.NewWriter(&out)
	if _, err := w.Write(bytes.Replace(raw.Bytes(), []byte(" 10\n"), []byte(" 30\n"), 1)); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

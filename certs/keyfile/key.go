package keyfile

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// What a key is for. A key has one use for ever.
const (
	UseRecord   = "record"   // signs records; Ed25519
	UseAdmin    = "admin"    // adds and revokes a member's keys; Ed25519
	UseGovernor = "governor" // signs governance records; Ed25519
	UseLog      = "log"      // signs tree heads; Ed25519, named after the origin
	UseCosigner = "cosigner" // cosigns tree heads; ML-DSA-44
	UseTLS      = "tls"      // identifies a node or member on the wire
)

// Uses lists the uses in the order in which a person meets them.
func Uses() []string {
	return []string{UseRecord, UseAdmin, UseGovernor, UseLog, UseCosigner, UseTLS}
}

// Key is a private key: what it is for, its name and its seed.
type Key struct {
	Use  string // one of Uses
	Name string // name of the member, origin, cosigner or node
	// Seed is secret. It stays out of whatever prints or encodes a Key.
	Seed [certs.SeedSize]byte `json:"-"`
}

const (
	header      = "milepost/key@v1"
	maxKeyName  = 255 // C2SP tlog-cosignature has room for no more
	keyTextSize = 1024
)

// NewKey makes a key of 32 random bytes. The error's code is key_form for a
// use or name that cannot be.
func NewKey(use, name string, random io.Reader) (*Key, error) {
	k := &Key{Use: use, Name: name}
	if err := k.check(); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(random, k.Seed[:]); err != nil {
		return nil, fmt.Errorf("random seed of a key: %w", err)
	}
	return k, nil
}

func (k *Key) check() error {
	switch k.Use {
	case UseRecord, UseAdmin, UseGovernor:
		if !certs.ValidName(k.Name) {
			return badName(k.Name).WithHint("a name is like dealer.example/lyon: a-z, 0-9, . - and, after the first /, _; at most 100 characters")
		}
	case UseLog, UseCosigner, UseTLS:
		if !validPath(k.Name) {
			return badName(k.Name).WithHint("a name has parts of a-z, 0-9, . _ and -, divided by /; at most 255 characters")
		}
	default:
		return fault.New("key_form", "", fmt.Sprintf("%.40q is no use of a key", k.Use)).
			WithHint("uses are " + strings.Join(Uses(), ", "))
	}
	return nil
}

func badName(name string) *fault.Error {
	return fault.New("key_form", "", fmt.Sprintf("%.80q cannot be the name of a key", name))
}

// validPath is the grammar of origins and of what hangs below them. It is
// wider than a member's name, since an origin ends in 40 digits and a
// cosigner's name is the origin and more.
func validPath(s string) bool {
	if s == "" || len(s) > maxKeyName {
		return false
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg == "" || seg == "." || seg == ".." || strings.Trim(seg, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return false
		}
	}
	return true
}

// text is the file's content before any encryption.
func (k *Key) text() []byte {
	return fmt.Appendf(nil, "%s\nuse: %s\nname: %s\nseed: %s\n",
		header, k.Use, k.Name, base64.StdEncoding.EncodeToString(k.Seed[:]))
}

// parse reads the four lines. Like every parser here it writes the key out
// again and compares.
func parse(text []byte) (*Key, error) {
	bad := func(why string) (*Key, error) {
		return nil, fault.New("key_file", "", "not a key file: "+why)
	}
	if len(text) > keyTextSize {
		return bad(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(text), keyTextSize))
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != header {
		return bad("the first line is not " + header)
	}
	if len(lines) != 5 || lines[4] != "" {
		return bad("it does not have four lines, each ending in a newline")
	}
	var fields [3]string
	for i, name := range []string{"use: ", "name: ", "seed: "} {
		v, ok := strings.CutPrefix(lines[i+1], name)
		if !ok {
			return bad(fmt.Sprintf("line %d does not begin with %q", i+2, name))
		}
		fields[i] = v
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(seed) != certs.SeedSize {
		return bad(fmt.Sprintf("the seed is not base64 of %d bytes", certs.SeedSize))
	}
	k := &Key{Use: fields[0], Name: fields[1], Seed: [certs.SeedSize]byte(seed)}
	if err := k.check(); err != nil {
		return nil, fault.New("key_file", "", "not a key file").Because(err)
	}
	if !bytes.Equal(k.text(), text) {
		return bad("it is not in its one canonical form")
	}
	return k, nil
}

// Signer returns the Ed25519 signer (note type 0x01) of a record, admin,
// governor or log key. The error's code is key_use for other keys.
func (k *Key) Signer() (certs.Signer, error) {
	switch k.Use {
	case UseRecord, UseAdmin, UseGovernor, UseLog:
		return certs.NewEd25519Signer(k.Name, k.Seed[:])
	}
	return nil, k.wrongUse("it signs no note")
}

// Cosigner returns the ML-DSA-44 cosigner (note type 0x06) of a cosigner
// key; now is the clock that its timestamps come from. The error's code is
// key_use for other keys.
func (k *Key) Cosigner(now func() time.Time) (certs.Signer, error) {
	if k.Use != UseCosigner {
		return nil, k.wrongUse("it cosigns no tree head")
	}
	return certs.NewCosigner(k.Name, k.Seed[:], now)
}

// TLS returns the identity of a tls key. The error's code is key_use for
// other keys.
func (k *Key) TLS() (*certs.TLSIdentity, error) {
	if k.Use != UseTLS {
		return nil, k.wrongUse("it is no identity on the wire")
	}
	return certs.NewTLSIdentity(k.Seed[:])
}

func (k *Key) wrongUse(what string) error {
	return fault.New("key_use", k.Name, fmt.Sprintf("this is a key for the use %q: %s", k.Use, what))
}

// Public returns what others must know of the key: the C2SP verifier key
// (type 0x06 for a cosigner, 0x01 for the others), or, for a TLS key, the pin.
func (k *Key) Public() (string, error) {
	switch k.Use {
	case UseTLS:
		id, err := k.TLS()
		if err != nil {
			return "", err
		}
		return id.Pin(), nil
	case UseCosigner:
		s, err := k.Cosigner(time.Now) // the clock is not asked
		if err != nil {
			return "", err
		}
		return s.VKey(), nil
	}
	s, err := k.Signer()
	if err != nil {
		return "", err
	}
	return s.VKey(), nil
}

// String tells use and name and never the seed.
func (k Key) String() string { return fmt.Sprintf("%s key of %s", k.Use, k.Name) }

// GoString keeps the seed out of %#v.
func (k Key) GoString() string { return "keyfile.Key{" + k.String() + "}" }

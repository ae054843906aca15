package certs

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"

	"github.com/milepost-log/milepost/certs/fault"
)

// Types of note keys (C2SP signed-note).
const (
	Ed25519      byte = 0x01 // plain Ed25519 over the text: records and logs
	Ed25519Cosig byte = 0x04 // Ed25519 cosignature/v1: outside witnesses
	MLDSA44Cosig byte = 0x06 // ML-DSA-44 cosignature, subtree/v1: nodes and outside witnesses
)

// SeedSize is the size in bytes of every private key: a seed.
const SeedSize = 32

// Verifier checks signatures of one key.
type Verifier interface {
	Name() string
	ID() uint32
	Type() byte
	Public() []byte // the raw public key
	VKey() string   // the C2SP verifier key text
	// Verify reports whether sig, the bytes after the key ID, is this key's
	// signature of text. Types 0x04 and 0x06 carry a timestamp in their
	// first eight bytes, and text must be a checkpoint.
	Verify(text, sig []byte) bool
	// Possessed reports whether proof is a proof of possession of this key:
	// its plain signature of PossessionText.
	Possessed(origin, use string, proof []byte) bool
}

// Signer signs note texts with one key.
type Signer interface {
	Name() string
	ID() uint32
	Type() byte
	VKey() string
	Sign(text []byte) (Sig, error)
	// Possess returns the proof of possession for a log and a use.
	Possess(origin, use string) ([]byte, error)
}

// key is what Verifier and Signer share.
type key struct {
	name   string
	id     uint32
	typ    byte
	public []byte
}

func newKey(name string, typ byte, public []byte) key {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write([]byte{typ})
	h.Write(public)
	return key{name, binary.BigEndian.Uint32(h.Sum(nil)), typ, public}
}

func (k key) Name() string   { return k.name }
func (k key) ID() uint32     { return k.id }
func (k key) Type() byte     { return k.typ }
func (k key) Public() []byte { return k.public }
func (k key) VKey() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.id, b64.EncodeToString(append([]byte{k.typ}, k.public...)))
}

// FormatID writes a key ID as records show it: eight lower-case hex digits.
func FormatID(id uint32) string { return fmt.Sprintf("%08x", id) }

// ParseVKey reads a C2SP verifier key: name, "+", eight hex digits, "+",
// base64 of type and public key. An Ed25519 key must be a canonical encoding
// and not of small order.
func ParseVKey(s string) (Verifier, error) {
	bad := func(why string) (Verifier, error) {
		return nil, fault.New("key_form", "", "not a verifier key: "+why)
	}
	if len(s) > 4096 {
		return bad("it is longer than 4096 bytes")
	}
	name, rest, ok1 := strings.Cut(s, "+")
	idHex, b, ok2 := strings.Cut(rest, "+")
	if !ok1 || !ok2 || !validKeyName(name) {
		return bad("it does not have the form name+id+key")
	}
	raw, err := b64.DecodeString(b)
	if err != nil || len(raw) < 2 {
		return bad("its last part is not base64 of a type and a key")
	}
	k := newKey(name, raw[0], raw[1:])
	if idHex != FormatID(k.id) || b64.EncodeToString(raw) != b {
		return bad("its key ID does not fit its name and key")
	}
	switch k.typ {
	case Ed25519, Ed25519Cosig:
		if err := CheckEd25519Public(k.public); err != nil {
			return nil, err
		}
		return ed25519Verifier{k}, nil
	case MLDSA44Cosig:
		pub := new(mldsa44.PublicKey)
		if err := pub.UnmarshalBinary(k.public); err != nil {
			return bad("it is not an ML-DSA-44 public key")
		}
		return mldsaVerifier{k, pub}, nil
	}
	return bad(fmt.Sprintf("type 0x%02x is unknown", k.typ))
}

// smallOrder lists the canonical encodings, sign bit cleared, of the y
// coordinates of the eight points of small order on edwards25519.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// CheckEd25519Public refuses a public key that is not a canonical encoding
// (RFC 8032 section 5.1.3: y below 2^255-19) or is of small order, for which
// signatures exist that fit any text.
func CheckEd25519Public(pub []byte) error {
	bad := func(why string) error { return fault.New("key_weak", "", "not a usable Ed25519 public key: "+why) }
	if len(pub) != ed25519.PublicKeySize {
		return bad(fmt.Sprintf("it has %d bytes, not %d", len(pub), ed25519.PublicKeySize))
	}
	y := [32]byte(pub)
	y[31] &= 0x7f
	if y[31] == 0x7f && y[0] >= 0xed {
		canonical := false
		for _, b := range y[1:31] {
			canonical = canonical || b != 0xff
		}
		if !canonical {
			return bad("it is not a canonical encoding")
		}
	}
	for _, s := range smallOrder {
		if hex.EncodeToString(y[:]) == s {
			return bad("it is of small order")
		}
	}
	return nil
}

// VerifyEd25519 is RFC 8032's cofactorless check as circl makes it (S < L),
// and refuses an R that is the identity, which would give the key away.
// Everything in milepost that accepts an Ed25519 signature accepts exactly
// what this function accepts.
func VerifyEd25519(public, text, sig []byte) bool {
	return len(public) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize &&
		!RIsIdentity(sig) && ed25519.Verify(public, text, sig)
}

// RIsIdentity reports whether the first half of a signature encodes the
// neutral element (1, little-endian).
func RIsIdentity(sig []byte) bool {
	for i, b := range sig[:32] {
		if i == 0 && b != 1 || i > 0 && b != 0 {
			return false
		}
	}
	return true
}

type ed25519Verifier struct{ key }

func (v ed25519Verifier) Verify(text, sig []byte) bool {
	if v.typ == Ed25519 {
		return VerifyEd25519(v.public, text, sig)
	}
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	t := CosignTime(sig)
	if _, _, _, ok := checkpointLines(text); !ok || t > maxCosignTime {
		return false
	}
	msg := append([]byte("cosignature/v1\ntime "+strconv.FormatUint(t, 10)+"\n"), text...)
	return VerifyEd25519(v.public, msg, sig[8:])
}

func (v ed25519Verifier) Possessed(origin, use string, proof []byte) bool {
	return VerifyEd25519(v.public, PossessionText(origin, v.name, use, v.VKey()), proof)
}

type mldsaVerifier struct {
	key
	pub *mldsa44.PublicKey
}

func (v mldsaVerifier) Verify(text, sig []byte) bool {
	if len(sig) != 8+mldsa44.SignatureSize {
		return false
	}
	msg, ok := subtreeMessage(v.name, CosignTime(sig), text)
	return ok && mldsa44.Verify(v.pub, msg, nil, sig[8:])
}

func (v mldsaVerifier) Possessed(origin, use string, proof []byte) bool {
	return len(proof) == mldsa44.SignatureSize &&
		mldsa44.Verify(v.pub, PossessionText(origin, v.name, use, v.VKey()), nil, proof)
}

// maxCosignTime is the largest timestamp that C2SP tlog-cosignature allows.
const maxCosignTime = 1<<63 - 1

// CosignTime returns the timestamp, in seconds since 1970 UTC, that a
// signature of type 0x04 or 0x06 carries; 0 if there is none.
func CosignTime(sig []byte) uint64 {
	if len(sig) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(sig)
}

// checkpointLines parts a checkpoint text of exactly three lines.
func checkpointLines(text []byte) (origin string, size uint64, root []byte, ok bool) {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" || len(lines[0]) > 255 {
		return "", 0, nil, false
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return "", 0, nil, false
	}
	root, err = b64.DecodeString(lines[2])
	if err != nil || len(root) != 32 || b64.EncodeToString(root) != lines[2] {
		return "", 0, nil, false
	}
	return lines[0], size, root, true
}

// subtreeMessage is the cosigned_message of C2SP tlog-cosignature, over the
// whole tree of a checkpoint. It does not cover extension lines, so a
// checkpoint that has any gives none.
func subtreeMessage(name string, time uint64, text []byte) ([]byte, bool) {
	origin, size, root, ok := checkpointLines(text)
	if !ok || len(name) > 255 || time > maxCosignTime {
		return nil, false
	}
	m := []byte("subtree/v1\n\x00")
	m = append(m, byte(len(name)))
	m = append(m, name...)
	m = binary.BigEndian.AppendUint64(m, time)
	m = append(m, byte(len(origin)))
	m = append(m, origin...)
	m = binary.BigEndian.AppendUint64(m, 0)
	m = binary.BigEndian.AppendUint64(m, size)
	return append(m, root...), true
}

type ed25519Signer struct {
	key
	private ed25519.PrivateKey
}

// NewEd25519Signer returns a signer of type 0x01 from a 32-byte seed.
func NewEd25519Signer(name string, seed []byte) (Signer, error) {
	if len(seed) != SeedSize || !validKeyName(name) {
		return nil, fault.New("key_form", "", "a key needs a name and a seed of 32 bytes")
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	return ed25519Signer{newKey(name, Ed25519, public), private}, nil
}

func (s ed25519Signer) Sign(text []byte) (Sig, error) {
	return Sig{s.name, s.id, ed25519.Sign(s.private, text)}, nil
}

func (s ed25519Signer) Possess(origin, use string) ([]byte, error) {
	return ed25519.Sign(s.private, PossessionText(origin, s.name, use, s.VKey())), nil
}

type cosigner struct {
	key
	private *mldsa44.PrivateKey
	now     func() time.Time
}

// NewCosigner returns an ML-DSA-44 cosigner (type 0x06) from a 32-byte seed.
// It signs checkpoints of three lines and stamps them with now.
func NewCosigner(name string, seed []byte, now func() time.Time) (Signer, error) {
	if len(seed) != SeedSize || !validKeyName(name) {
		return nil, fault.New("key_form", "", "a key needs a name and a seed of 32 bytes")
	}
	public, private := mldsa44.NewKeyFromSeed((*[SeedSize]byte)(seed))
	return cosigner{newKey(name, MLDSA44Cosig, public.Bytes()), private, now}, nil
}

func (s cosigner) Sign(text []byte) (Sig, error) {
	t := uint64(s.now().Unix())
	msg, ok := subtreeMessage(s.name, t, text)
	if !ok {
		return Sig{}, fault.New("checkpoint_form", "", "a cosigner signs only a checkpoint of three lines")
	}
	sig := make([]byte, 8+mldsa44.SignatureSize)
	binary.BigEndian.PutUint64(sig, t)
	// Deterministic: the same head at the same second is one signature.
	if err := mldsa44.SignTo(s.private, msg, nil, false, sig[8:]); err != nil {
		return Sig{}, fmt.Errorf("ML-DSA-44 signature: %w", err)
	}
	return Sig{s.name, s.id, sig}, nil
}

func (s cosigner) Possess(origin, use string) ([]byte, error) {
	proof := make([]byte, mldsa44.SignatureSize)
	err := mldsa44.SignTo(s.private, PossessionText(origin, s.name, use, s.VKey()), nil, false, proof)
	return proof, err
}

// PossessionText is what a proof of possession signs: the log's origin, the
// key's name, its use (record, admin, tls, log, cosigner) and the public key
// as records show it: verifier key text, or the pin of a TLS key.
func PossessionText(origin, name, use, public string) []byte {
	return []byte("milepost/pop@v1\n" + origin + "\n" + name + "\n" + use + "\n" + public)
}

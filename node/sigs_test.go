package node

import (
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"

	"github.com/milepost-log/milepost/certs"
)

// Two ways of checking signatures that differ anywhere would split the
// cluster and its verifiers. So nodes' way is held against certs' way over
// honest signatures, mutilated ones, and those at the edges where
// implementations are known to differ ("Taming the many EdDSAs", Chalkias et
// al. 2020): keys and R of small or mixed order, encodings that are not
// canonical, S at and above the group order.

var sigsUnderTest = newSigCache()

// agree compares both ways and returns what they say.
func agree(t testing.TB, public, text, sig []byte) bool {
	t.Helper()
	want := certs.VerifyEd25519(public, text, sig)
	if got := sigsUnderTest.verify(public, text, sig); got != want {
		t.Fatalf("nodes say %v, certs says %v\nkey  %x\ntext %x\nsig  %x", got, want, public, text, sig)
	}
	return want
}

// groupOrder is L of RFC 8032 section 5.1.
var groupOrder, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

func scalarOf(seed string) *scalar.Scalar {
	h := sha512.Sum512([]byte(seed))
	s, err := scalar.NewFromBytesModOrderWide(h[:])
	if err != nil {
		panic(err)
	}
	return s
}

// encode writes a point, y not reduced if odd asks for it and there is such
// an encoding (y + p fits 255 bits for y below 19), and with the other sign
// bit if flip does, which for x = 0 is not canonical either.
func encode(p *curve.EdwardsPoint, odd, flip bool) []byte {
	b, err := p.MarshalBinary()
	if err != nil {
		panic(err)
	}
	small := true
	for _, v := range b[1:31] {
		small = small && v == 0
	}
	if odd && small && b[0] < 19 && b[31]&0x7f == 0 {
		sign := b[31] & 0x80
		b = append([]byte{b[0] + 0xed}, make([]byte, 31)...)
		for i := 1; i < 31; i++ {
			b[i] = 0xff
		}
		b[31] = 0x7f | sign
	}
	if flip {
		b[31] ^= 0x80
	}
	return b
}

// forged is a signature made with a known secret, in which the key and R may
// carry a point of small order and be encoded oddly, and S may be too large.
type forged struct {
	secret, nonce string // "" is the zero scalar: the point is of small order alone
	torsionA      int    // 0 to 7
	torsionR      int
	oddA, oddR    bool
	flipA, flipR  bool
	overS         int // times L that S is too large
	negateS       bool
	text          []byte
}

func (f forged) make() (public, sig []byte) {
	point := func(seed string, torsion int) (*scalar.Scalar, *curve.EdwardsPoint) {
		s, p := scalar.New(), curve.NewEdwardsPoint().Identity()
		if seed != "" {
			s = scalarOf(seed)
			p.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
		}
		return s, p.Add(p, curve.EIGHT_TORSION[torsion&7])
	}
	a, A := point(f.secret, f.torsionA)
	r, R := point(f.nonce, f.torsionR)
	public = encode(A, f.oddA, f.flipA)
	rBytes := encode(R, f.oddR, f.flipR)
	h := sha512.New()
	h.Write(rBytes)
	h.Write(public)
	h.Write(f.text)
	k, err := scalar.NewFromBytesModOrderWide(h.Sum(nil))
	if err != nil {
		panic(err)
	}
	s := scalar.New().Mul(k, a)
	s.Add(s, r)
	if f.negateS {
		s.Neg(s)
	}
	le := make([]byte, 32)
	if err := s.ToBytes(le); err != nil {
		panic(err)
	}
	n := new(big.Int).SetBytes(reversed(le))
	n.Add(n, new(big.Int).Mul(groupOrder, big.NewInt(int64(f.overS))))
	if n.BitLen() > 256 {
		n.SetBit(new(big.Int), 256, 1).Sub(n, big.NewInt(1))
	}
	return public, append(rBytes, reversed(n.FillBytes(make([]byte, 32)))...)
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[len(b)-1-i] = b[i]
	}
	return out
}

// All torsions of key and R, with and without a secret, in all encodings, for
// several texts: the challenge decides whether the torsion cancels, and both
// outcomes must occur.
func TestSignaturesOfSmallAndMixedOrder(t *testing.T) {
	t.Parallel()
	accepted, refused := 0, 0
	for i := range 8 {
		for j := range 8 {
			for _, secret := range []string{"", "secret"} {
				for _, nonce := range []string{"", "nonce"} {
					for odd := range 16 {
						f := forged{secret: secret, nonce: nonce, torsionA: i, torsionR: j,
							oddA: odd&1 > 0, oddR: odd&2 > 0, flipA: odd&4 > 0, flipR: odd&8 > 0}
						for n := range 2 {
							f.text = fmt.Appendf(nil, "text %d", n)
							public, sig := f.make()
							if agree(t, public, f.text, sig) {
								accepted++
							} else {
								refused++
							}
						}
					}
				}
			}
		}
	}
	if accepted < 100 || refused < 100 {
		t.Errorf("%d are accepted and %d refused: the vectors show nothing", accepted, refused)
	}
}

// S must be below the group order, and R must not be the neutral element.
func TestSignatureEdges(t *testing.T) {
	t.Parallel()
	text := []byte("text")
	f := forged{secret: "secret", nonce: "nonce", text: text}
	public, sig := f.make()
	if !agree(t, public, text, sig) {
		t.Fatal("an honest signature is refused")
	}
	for over := 1; over <= 15; over++ {
		f.overS = over
		if public, sig := f.make(); agree(t, public, text, sig) {
			t.Errorf("S + %d L is accepted", over)
		}
	}
	f = forged{secret: "secret", text: text} // R is the neutral element, S = h a
	if public, sig := f.make(); agree(t, public, text, sig) {
		t.Error("R is the neutral element, which gives the key away")
	}
	for bit := range 512 {
		bad := append([]byte{}, sig...)
		bad[bit/8] ^= 1 << (bit % 8)
		if agree(t, public, text, bad) {
			t.Errorf("bit %d of the signature does not matter", bit)
		}
	}
	for bit := range 256 {
		bad := append([]byte{}, public...)
		bad[bit/8] ^= 1 << (bit % 8)
		if agree(t, bad, text, sig) {
			t.Errorf("bit %d of the key does not matter", bit)
		}
	}
	for _, n := range []int{0, 31, 33, 63, 64, 65} {
		agree(t, public, text, make([]byte, n))
		agree(t, make([]byte, n), text, sig)
	}
	for _, fill := range []byte{0x00, 0x01, 0x7f, 0x80, 0xff} {
		all := make([]byte, 64)
		for i := range all {
			all[i] = fill
		}
		agree(t, all[:32], text, sig)
		agree(t, public, text, all)
		agree(t, all[:32], text, all)
	}
}

// FuzzSignatures compares both ways over bytes as they come, and over forged
// signatures whose making they steer.
func FuzzSignatures(f *testing.F) {
	honest := forged{secret: "a", nonce: "b", text: []byte("text")}
	public, sig := honest.make()
	f.Add(public, honest.text, sig, uint32(0))
	for _, steer := range []uint32{0x00000001, 0x00000108, 0x0000ffff, 0x00010000, 0x00f30000, 0x0f000000} {
		f.Add(public, []byte("another"), sig, steer)
	}
	for i := range 8 {
		weak := forged{torsionA: i, torsionR: i, oddA: i&1 > 0, text: []byte("text")}
		p, s := weak.make()
		f.Add(p, weak.text, s, uint32(i)<<4|uint32(i))
	}
	f.Fuzz(func(t *testing.T, public, text, sig []byte, steer uint32) {
		agree(t, public, text, sig)
		bit := func(n int) bool { return steer>>n&1 > 0 }
		made := forged{torsionA: int(steer & 7), torsionR: int(steer >> 4 & 7), oddA: bit(8), oddR: bit(9), flipA: bit(10), flipR: bit(11),
			overS: int(steer >> 16 & 15), negateS: bit(12), text: text}
		if bit(13) {
			made.secret = string(binary.BigEndian.AppendUint32([]byte("a"), steer))
		}
		if bit(14) {
			made.nonce = string(sig) + "b"
		}
		p, s := made.make()
		agree(t, p, text, s)
		// A forged key with the given signature, and the reverse.
		agree(t, p, text, sig)
		agree(t, public, text, s)
		if len(sig) == 64 {
			agree(t, p, text, append(append([]byte{}, s[:32]...), sig[32:]...))
			agree(t, p, text, append(append([]byte{}, sig[:32]...), s[32:]...))
		}
	})
}

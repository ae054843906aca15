package certs

import (
	"crypto/sha512"
	"math/big"
	"slices"
)

// Affine arithmetic on edwards25519 (RFC 8032 section 5.1), slow and plain,
// to make the signatures that no library makes.

func bigOf(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

var (
	curveP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	curveL = bigOf("7237005577332262213973186563042994240857116359379907606001950938285454250989")
	curveD = mulMod(new(big.Int).Sub(curveP, big.NewInt(121665)), new(big.Int).ModInverse(big.NewInt(121666), curveP))
	curveB = point{
		bigOf("15112221349535400772501151409588531511454012693041857206046113283949847762202"),
		bigOf("46316835694926478169428394003475163141307993866256225615783033603165251855960"),
	}
)

type point struct{ x, y *big.Int }

func mulMod(a, b *big.Int) *big.Int { return new(big.Int).Mod(new(big.Int).Mul(a, b), curveP) }

func (p point) add(q point) point {
	one := big.NewInt(1)
	k := mulMod(mulMod(curveD, mulMod(p.x, q.x)), mulMod(p.y, q.y))
	x := new(big.Int).Add(mulMod(p.x, q.y), mulMod(q.x, p.y))
	y := new(big.Int).Add(mulMod(p.y, q.y), mulMod(p.x, q.x))
	plus, minus := new(big.Int).Add(one, k), new(big.Int).Sub(one, k)
	return point{mulMod(x, plus.ModInverse(plus.Mod(plus, curveP), curveP)), mulMod(y, minus.ModInverse(minus.Mod(minus, curveP), curveP))}
}

func (p point) times(n *big.Int) point {
	sum := point{big.NewInt(0), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if n.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

func (p point) isNeutral() bool { return p.x.Sign() == 0 && p.y.Cmp(big.NewInt(1)) == 0 }

func (p point) bytes() []byte {
	b := littleBytes(p.y)
	b[31] |= byte(p.x.Bit(0)) << 7
	return b
}

// decodePoint finds an x for the y of an encoding, of whichever sign.
func decodePoint(b []byte) (point, bool) {
	b = slices.Clone(b)
	b[31] &= 0x7f
	y := little(b)
	y.Mod(y, curveP)
	yy := mulMod(y, y)
	u := new(big.Int).Sub(yy, big.NewInt(1))
	v := new(big.Int).Add(mulMod(curveD, yy), big.NewInt(1))
	xx := mulMod(u.Mod(u, curveP), v.ModInverse(v.Mod(v, curveP), curveP))
	x := new(big.Int).ModSqrt(xx, curveP)
	if x == nil {
		return point{}, false
	}
	return point{x, y}, true
}

func little(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func littleBytes(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

func secret(seed []byte) (scalar *big.Int, prefix []byte) {
	d := sha512.Sum512(seed)
	d[0] &= 248
	d[31] = d[31]&127 | 64
	return little(d[:32]), d[32:]
}

// fit returns R and the S that makes r·B + h·A of it.
func fit(r []byte, nonce *big.Int, seed, public, text []byte) []byte {
	a, _ := secret(seed)
	h := sha512.Sum512(slices.Concat(r, public, text))
	s := new(big.Int).Add(nonce, new(big.Int).Mul(little(h[:]), a))
	return append(slices.Clone(r), littleBytes(s.Mod(s, curveL))...)
}

// neutralR signs with R the neutral element: S = h·a tells a to everyone.
func neutralR(seed, public, text []byte) []byte {
	return fit(point{big.NewInt(0), big.NewInt(1)}.bytes(), new(big.Int), seed, public, text)
}

// torsionR signs with an R that the point of order two was added to: a
// check that multiplies by the cofactor takes it, the cofactorless does not.
func torsionR(seed, public, text []byte) []byte {
	nonce := big.NewInt(123456789)
	two := point{big.NewInt(0), new(big.Int).Sub(curveP, big.NewInt(1))}
	return fit(curveB.times(nonce).add(two).bytes(), nonce, seed, public, text)
}

func addOrder(s []byte) []byte { return littleBytes(new(big.Int).Add(little(s), curveL)) }

func withS(sig, s []byte) []byte { return append(slices.Clone(sig[:32]), s...) }

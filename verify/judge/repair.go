package judge

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
)

// Kinds of clerical slip.
const (
	Transposed   = "transposed"    // two neighbouring digits swapped
	UnitMixed    = "unit_mixed"    // the same digits in the other unit
	ExtraDigit   = "extra_digit"   // one digit too many
	MissingDigit = "missing_digit" // one too few
	DigitTypo    = "digit_typo"    // one wrong
)

// Suggestion is what may have been meant. It is offered, never applied.
type Suggestion struct {
	Record string // leaf hash of the reading
	Kind   string
	Value  int64
	Unit   string
}

// maxSuggestions a reading: more would be no help.
const maxSuggestions = 3

// appended is the rank of a digit too many, and of one missing at the end.
const appended = 3

type candidate struct {
	kind    string
	number  int // rank of the kind
	value   int64
	unit    string
	x       int64
	odd     bool  // appends a digit that is no 0
	outside bool  // leans on the slack of a neighbour
	off     int64 // mm from the straight line between the neighbours
}

// repairs lists what part[k] may have been meant to say: the values one slip
// away that no neighbour contradicts, best first. Of the digits that may have
// been left off at the end a 0 is likeliest: people round, and which digit it
// was nobody can tell.
func (q *inquiry) repairs(part []*point, k int) []Suggestion {
	n := q.neighboursOf(part, k)
	var fits []candidate
	for _, c := range slips(part[k].Entered) {
		if q.fit(part[k], n, &c) {
			fits = append(fits, c)
		}
	}
	slices.SortFunc(fits, func(a, b candidate) int {
		return cmp.Or(last(a.outside, b.outside), cmp.Compare(a.number, b.number), last(a.odd, b.odd),
			cmp.Compare(a.off, b.off), cmp.Compare(a.value, b.value), cmp.Compare(a.kind, b.kind))
	})
	var best []candidate
	tol := q.p.tol(part[k].Effective.Unit)
	var out []Suggestion
	for _, c := range fits {
		if len(out) == maxSuggestions {
			break
		}
		if !slices.ContainsFunc(best, func(b candidate) bool {
			return b.value == c.value && b.unit == c.unit || b.kind == c.kind && max(b.x-c.x, c.x-b.x) <= tol
		}) {
			best = append(best, c)
			out = append(out, Suggestion{part[k].Hash, c.kind, c.value, c.unit})
		}
	}
	return out
}

// last sorts what is so behind what is not.
func last(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// neighbours of a reading: of the readings kept, and of those on the other
// side of its break, the nearest of other days and all of its own.
type neighbours struct {
	earlier, later []*point // nearest first
	day            []*point
}

// neighboursOf looks at the other side where no kept reading contradicts
// part[k]. What contradicts it then stands in a series as heavy as any, and a
// repair that fits the kept readings alone could leave the break as it is.
func (q *inquiry) neighboursOf(part []*point, k int) (n neighbours) {
	outdone := !part[k].some && slices.ContainsFunc(part, func(r *point) bool { return r.Kept && q.contradicting(part[k], r) })
	side := func(m, step int) (rs []*point) {
		kept, other := false, outdone // found
		for ; m >= 0 && m < len(part) && !(kept && other); m += step {
			r, found := part[m], &other
			if r.Kept {
				found = &kept
			}
			switch {
			case *found, !r.Kept && !(r.some && q.contradicting(part[k], r)):
			case r.Day == part[k].Day:
				n.day = append(n.day, r)
			default:
				*found = true
				rs = append(rs, r)
			}
		}
		return rs
	}
	n.earlier, n.later = side(k-1, -1), side(k+1, 1)
	return n
}

// contradicting takes two readings in either order.
func (q *inquiry) contradicting(a, b *point) bool {
	if earlier(b, a) {
		a, b = b, a
	}
	return q.p.contradict(a, b) != ""
}

// fit places a candidate among the neighbours; false if one contradicts it.
func (q *inquiry) fit(r *point, n neighbours, c *candidate) bool {
	m := *r
	m.place(&q.p, c.value, c.unit)
	c.x = m.X
	for _, near := range [][]*point{n.earlier, n.day, n.later} {
		for _, o := range near {
			if q.contradicting(&m, o) {
				return false
			}
			c.outside = c.outside || o.Day < m.Day && m.X < o.X || o.Day > m.Day && m.X > o.X
		}
	}
	at := m.X
	switch {
	case len(n.earlier) > 0 && len(n.later) > 0:
		a, b := n.earlier[0], n.later[0]
		at = a.X + scale(b.X-a.X, r.Day-a.Day, b.Day-a.Day)
	case len(n.earlier) > 0:
		at = n.earlier[0].X
	case len(n.later) > 0:
		at = n.later[0].X
	}
	c.off = max(m.X-at, at-m.X)
	return true
}

// scale is d * part / whole, toward zero; 0 <= part <= whole, whole > 0.
func scale(d, part, whole int64) int64 {
	if d < 0 {
		return -scale(-d, part, whole)
	}
	hi, lo := bits.Mul64(uint64(d), uint64(part))
	v, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(v)
}

// slips lists all values one clerical slip away from what was entered.
func slips(v Value) (cs []candidate) {
	s := strconv.FormatInt(v.Value, 10)
	add := func(kind string, number int, digits string) {
		if digits == "" || len(digits) > 7 || digits[0] == '0' {
			return
		}
		n, _ := strconv.ParseInt(digits, 10, 64)
		if n >= 2 && n <= maxValue && n != v.Value {
			odd := kind == MissingDigit && number == appended && n%10 != 0
			cs = append(cs, candidate{kind: kind, number: number, value: n, unit: v.Unit, odd: odd})
		}
	}
	for i := 0; i+1 < len(s); i++ {
		add(Transposed, 1, s[:i]+s[i+1:i+2]+s[i:i+1]+s[i+2:])
	}
	if v.Value >= 2 {
		other := "KMT"
		if v.Unit == "KMT" {
			other = "SMI"
		}
		cs = append(cs, candidate{kind: UnitMixed, number: 2, value: v.Value, unit: other})
	}
	for i := range s {
		add(ExtraDigit, appended, s[:i]+s[i+1:])
	}
	for d := '0'; d <= '9'; d++ {
		add(MissingDigit, appended, s+string(d))
		for i := range s {
			add(DigitTypo, 4, s[:i]+string(d)+s[i+1:])
			add(MissingDigit, 5, s[:i]+string(d)+s[i:])
		}
	}
	return cs
}

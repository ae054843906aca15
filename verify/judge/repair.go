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

type candidate struct {
	kind    string
	number  int // rank of the kind
	value   int64
	unit    string
	x       int64
	outside bool  // leans on the slack of a neighbour
	off     int64 // mm from the straight line between the neighbours
}

// repairs lists what part[k] may have been meant to say: the values one slip
// away that no neighbour contradicts, best first.
func (q *inquiry) repairs(part []*point, k int) []Suggestion {
	n := neighboursOf(part, k)
	var fits []candidate
	for _, c := range slips(part[k].Entered) {
		if q.fit(part[k], n, &c) {
			fits = append(fits, c)
		}
	}
	slices.SortFunc(fits, func(a, b candidate) int {
		switch {
		case a.outside && !b.outside:
			return 1
		case b.outside && !a.outside:
			return -1
		}
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.off, b.off), cmp.Compare(a.value, b.value), cmp.Compare(a.kind, b.kind))
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

// neighbours of a reading: the nearest kept of other days, and those kept of
// its own.
type neighbours struct {
	earlier, later *point // nil where there is none
	day            []*point
}

func neighboursOf(part []*point, k int) (n neighbours) {
	for m := k - 1; m >= 0 && n.earlier == nil; m-- {
		n.take(part[m], part[k], &n.earlier)
	}
	for m := k + 1; m < len(part) && n.later == nil; m++ {
		n.take(part[m], part[k], &n.later)
	}
	return n
}

func (n *neighbours) take(r, of *point, other **point) {
	switch {
	case !r.Kept:
	case r.Day != of.Day:
		*other = r
	default:
		n.day = append(n.day, r)
	}
}

// fit places a candidate among the neighbours; false if one contradicts it.
func (q *inquiry) fit(r *point, n neighbours, c *candidate) bool {
	m := *r
	m.place(&q.p, c.value, c.unit)
	c.x = m.X
	for _, d := range n.day {
		a, b := d, &m
		if b.X < a.X {
			a, b = b, a
		}
		if q.p.contradict(a, b) != "" {
			return false
		}
	}
	if n.earlier != nil && q.p.contradict(n.earlier, &m) != "" || n.later != nil && q.p.contradict(&m, n.later) != "" {
		return false
	}
	c.outside = n.earlier != nil && m.X < n.earlier.X || n.later != nil && m.X > n.later.X
	at := m.X
	switch {
	case n.earlier != nil && n.later != nil:
		at = n.earlier.X + scale(n.later.X-n.earlier.X, r.Day-n.earlier.Day, n.later.Day-n.earlier.Day)
	case n.earlier != nil:
		at = n.earlier.X
	case n.later != nil:
		at = n.later.X
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
			cs = append(cs, candidate{kind: kind, number: number, value: n, unit: v.Unit})
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
		add(ExtraDigit, 3, s[:i]+s[i+1:])
	}
	for d := '0'; d <= '9'; d++ {
		add(MissingDigit, 3, s+string(d))
		for i := range s {
			add(DigitTypo, 4, s[:i]+string(d)+s[i+1:])
			add(MissingDigit, 5, s[:i]+string(d)+s[i:])
		}
	}
	return cs
}

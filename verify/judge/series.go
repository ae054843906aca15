package judge

// point weights outrank any number of jumps: there are fewer than 2^20.
const unitOfWeight = 1 << 20

// series finds the heaviest consistent sets of a part's readings, and marks
// which readings some of them, and which all of them, hold.
//
// A set is consistent when one mileage that never falls could have produced
// it, each reading within its slack: for each reading b, and that one before
// it with the greatest low, a, up(b) >= low(a) and the way from a to b isn't
// too fast. Such a set is a path along readings of rising low; what lies
// between two of them and inside the slack of the first costs nothing.
func (q *inquiry) series(part []*point) {
	if q.consistent(part) {
		for _, r := range part {
			r.some, r.Kept = true, true
		}
		return
	}
	q.settle(part)
	ls := lanes(part)
	n := len(part)
	ahead := make([]int64, n+1) // F: heaviest from the start to b; of n, to the end
	for i, r := range part {
		ahead[i] = unitOfWeight * r.Weight
	}
	for i := range part {
		q.edges(part, ls, i, func(j int, gain int64) { ahead[j] = max(ahead[j], ahead[i]+gain) })
	}
	total := ahead[n]
	behind := make([]int64, n+1) // G: heaviest from a to the end
	crossed := make([]bool, n)   // some heaviest set passes over it
	for i := n - 1; i >= 0; i-- {
		best, furthest := int64(-1), 0 // the last of the steps that gain most
		q.edges(part, ls, i, func(j int, gain int64) {
			if g := gain + behind[j]; g >= best {
				best, furthest = g, j
			}
		})
		behind[i] = best
		if ahead[i]+best != total {
			continue // no heaviest set ends an edge here
		}
		part[i].some = true
		for k := i + 1; k < furthest; k++ {
			if inBand(part[i], part[k]) {
				part[k].some = true
			} else {
				crossed[k] = true
			}
		}
	}
	first := 0 // the latest reading that a heaviest set begins with
	for i, r := range part {
		if unitOfWeight*r.Weight+behind[i] == total {
			first = i
		}
	}
	for k := range first {
		crossed[k] = true
	}
	for i, r := range part {
		r.Kept = r.some && !crossed[i]
	}
}

// consistent is the usual case, in one pass.
func (q *inquiry) consistent(part []*point) bool {
	var top *point
	for _, r := range part {
		if top != nil && (r.up < top.low || q.p.tooFast(top, r)) {
			return false
		}
		if top == nil || r.low >= top.low {
			top = r
		}
	}
	return true
}

// settle marks the readings that contradict no other. Every heaviest set
// holds them, so that no step needs to be tried that passes over one; what is
// left of the square is where the readings contradict each other.
func (q *inquiry) settle(part []*point) {
	n := len(part)
	least := make([]int64, n) // lowest X, as rounded, of those up to each
	high := part[0].low       // greatest low of those before
	for i, r := range part {
		r.settled = r.up >= high
		high = max(high, r.low)
		least[i] = r.X + r.half
		if i > 0 {
			least[i] = min(least[i], least[i-1])
		}
	}
	up := part[n-1].up // least up of those after
	for i := n - 1; i >= 0; i-- {
		r := part[i]
		r.settled = r.settled && r.low <= up
		up = min(up, r.up)
		for m := i - 1; m >= 0 && !q.p.never(least[m], part[m].Day, r); m-- {
			if q.p.tooFast(part[m], r) {
				part[m].settled, r.settled = false, false
			}
		}
	}
}

// never reports that nothing of a day or before, and from a mileage on, can
// be too far from r.
func (p *Params) never(x, day int64, r *point) bool {
	return r.X-r.half-x <= min(p.Rate, p.RateImpossible)*kmMM*max(1, r.Day-day-3)
}

// inBand reports whether e, later than a in the order, lies within a's slack.
func inBand(a, e *point) bool { return e.low < a.low && a.low <= e.up }

// lane is what edges asks of a reading, side by side in memory: it is asked
// of every pair.
type lane struct {
	low, up, x, near, far, day, weight int64
	settled                            bool
}

func lanes(part []*point) []lane {
	ls := make([]lane, len(part))
	for i, r := range part {
		ls[i] = lane{r.low, r.up, r.X, r.X - r.half, r.X + r.half, r.Day, r.Weight, r.settled}
	}
	return ls
}

// edges calls f for every step from reading i to a later one, and to the end,
// with what it gains. Behind a settled reading it need not look.
func (q *inquiry) edges(part []*point, ls []lane, i int, f func(j int, gain int64)) {
	a := ls[i]
	band := int64(0)
	// Bounds that most pairs keep; what passes them is looked at exactly.
	rate := min(q.p.Rate, q.p.RateImpossible) * kmMM
	leap, leapDay := q.p.JumpDistance*mileMM, q.p.JumpYear*mileMM/365
	for j := i + 1; j < len(ls); j++ {
		b := &ls[j]
		if b.low < a.low {
			if a.low <= b.up {
				band += b.weight
			}
			continue
		}
		days := max(1, b.day-a.day-3)
		if b.near-a.far > rate*days && q.p.tooFast(part[i], part[j]) {
			continue
		}
		gain := unitOfWeight * (band + b.weight)
		if b.x-a.x >= leap && b.x-a.x > leapDay*days && q.p.jump(part[i], part[j]) {
			gain--
		}
		f(j, gain)
		if b.settled {
			return
		}
	}
	f(len(part), unitOfWeight*band)
}

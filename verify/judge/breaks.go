package judge

import "slices"

// Kinds of break.
const (
	Isolated  = "isolated"   // the readings are named: alone against all others
	Sustained = "sustained"  // the level shifted and stayed
	Tied      = "tied"       // an equally heavy series holds a reading that this one leaves out
	BothSides = "both_sides" // either side may be right
)

// Break is a block of readings that the heaviest series leaves out. Only an
// isolated break names its readings; all others list two sides.
type Break struct {
	Kind        string
	Why         string   // drop, too_fast or impossible_speed
	From, To    string   // leaf hashes: between these two the mileage fell or leapt
	Amount      int64    // mm between From and To, not negative
	Readings    []string // leaf hashes of the readings left out
	Against     []string // leaf hashes of the readings kept that contradict them
	Suggestions []Suggestion
}

// maxListed bounds the hashes that all breaks together list as the other side,
// minListed what each of them may list however many there are. Only a history
// that is broken from end to end comes near them.
const (
	maxListed = 100_000
	minListed = 16
)

// findBreaks reads the breaks off the series of every part.
func (q *inquiry) findBreaks() {
	runs := 1
	for i, r := range q.judged {
		if !r.Kept && (i == 0 || q.judged[i-1].Kept) {
			runs++
		}
	}
	q.room = max(minListed, maxListed/runs)
	for _, part := range q.parts {
		for i := 0; i < len(part); i++ {
			j := i
			for j < len(part) && !part[j].Kept {
				j++
			}
			if j > i {
				q.breaks = append(q.breaks, q.breakOf(part, i, j))
				i = j
			}
		}
		q.strained(part)
	}
}

// strained finds what the series itself can't tell: it compares speeds along
// readings of rising mileage, and of two that it keeps one may still be too
// far from the other for the time between them, when it lies in the slack of
// a third. Nobody is named.
func (q *inquiry) strained(part []*point) {
	if len(part) == 0 {
		return
	}
	least := part[0].X + part[0].half // of those up to the one looked at
	for k, r := range part {
		if !r.Kept {
			continue
		}
		least = min(least, r.X+r.half)
		b := Break{Kind: BothSides, Readings: []string{r.Hash}, To: r.Hash}
		for m := k - 1; m >= 0 && len(b.Against) < q.room; m-- {
			a := part[m]
			if q.p.never(least, a.Day, r) {
				break
			}
			if !a.Kept || !q.p.tooFast(a, r) {
				continue
			}
			if b.From == "" {
				b.From, b.Why, b.Amount = a.Hash, q.p.contradict(a, r), r.X-a.X
			}
			b.Against = append(b.Against, a.Hash)
			a.BothSides, r.BothSides = true, true
		}
		if b.From != "" {
			q.breaks = append(q.breaks, b)
		}
	}
}

// breakOf judges the run part[i:j].
func (q *inquiry) breakOf(part []*point, i, j int) Break {
	run := part[i:j]
	b := Break{Kind: q.kindOf(part, i, j)}
	switch b.Kind {
	case Isolated, Tied, BothSides:
		for k := i; k < j; k++ {
			if !part[k].Confirmed {
				b.Suggestions = append(b.Suggestions, q.repairs(part, k)...)
			}
		}
	}
	for _, r := range run {
		b.Readings = append(b.Readings, r.Hash)
		r.Named = b.Kind == Isolated
		r.BothSides = b.Kind != Isolated
	}
	against := q.against(part, i, j, true)
	if len(against) == 0 && q.peaceful(run) {
		against = q.against(part, i, j, false)
	}
	for _, r := range against {
		b.Against = append(b.Against, r.Hash)
		r.BothSides = r.BothSides || b.Kind != Isolated
	}
	from, to, why := q.gapOf(part, i, j, against)
	if from != nil {
		b.From, b.To, b.Why = from.Hash, to.Hash, why
		b.Amount = max(from.X-to.X, to.X-from.X)
	}
	return b
}

func (q *inquiry) kindOf(part []*point, i, j int) string {
	run := part[i:j]
	for _, r := range run {
		if r.Confirmed {
			return BothSides
		}
	}
	for k, a := range run {
		for _, b := range run[k+1:] {
			if a.Day != b.Day && q.p.contradict(a, b) == "" {
				return Sustained
			}
		}
	}
	for _, r := range run {
		if r.some {
			return Tied
		}
	}
	for k := i; k < j; k++ {
		alone := q.outvoted(part, k) && (!q.peak(part, k) || keptBefore(part, k) && len(q.repairs(part, k)) > 0)
		if !alone {
			return BothSides
		}
	}
	return Isolated
}

// outvoted reports whether more than one witness speaks against the reading:
// two readings kept, of different authors or days, or one that an arbitrator
// confirmed. One against one is no ground for naming either, whatever their
// sources weigh: the one of more weight may hold the slip.
func (q *inquiry) outvoted(part []*point, k int) bool {
	var first *point
	for m, r := range part {
		if !r.Kept || q.compare(part, k, m) == "" {
			continue
		}
		if r.Confirmed || first != nil && (first.Author != r.Author || first.Day != r.Day) {
			return true
		}
		if first == nil {
			first = r
		}
	}
	return false
}

// peak reports whether the reading stands above those kept. A dip can't be
// honest, for no car goes down and up again; a peak can, if the counter was
// turned back after it.
func (q *inquiry) peak(part []*point, k int) bool {
	for m, r := range part {
		switch {
		case !r.Kept:
		case m < k && q.p.tooFast(r, part[k]), m > k && drop(part[k], r):
			return true
		}
	}
	return false
}

func keptBefore(part []*point, k int) bool {
	for _, r := range part[:k] {
		if r.Kept && r.Day < part[k].Day {
			return true
		}
	}
	return false
}

// compare takes two readings by their place in the part, in either order.
func (q *inquiry) compare(part []*point, a, b int) string {
	if a > b {
		a, b = b, a
	}
	return q.p.contradict(part[a], part[b])
}

// against lists the readings outside the run that contradict one of it, in
// order: all that there is room for, from the nearest on.
func (q *inquiry) against(part []*point, i, j int, kept bool) (rs []*point) {
	look := func(m int) {
		if kept && !part[m].Kept {
			return
		}
		for k := i; k < j; k++ {
			if q.compare(part, k, m) != "" {
				rs = append(rs, part[m])
				return
			}
		}
	}
	for before, after := i-1, j; (before >= 0 || after < len(part)) && len(rs) < q.room; before, after = before-1, after+1 {
		if before >= 0 {
			look(before)
		}
		if after < len(part) {
			look(after)
		}
	}
	slices.SortFunc(rs, func(a, b *point) int {
		if earlier(a, b) {
			return -1
		}
		return 1
	})
	return rs
}

func (q *inquiry) peaceful(run []*point) bool {
	for k, a := range run {
		for _, b := range run[k+1:] {
			if q.p.contradict(a, b) != "" {
				return false
			}
		}
	}
	return true
}

// gapOf finds the pair between which the mileage fell, else leapt: neighbours
// in the order where there are such, else a reading of the run and the
// nearest that contradicts it.
func (q *inquiry) gapOf(part []*point, i, j int, against []*point) (from, to *point, why string) {
	for m := max(i, 1); m <= j && m < len(part); m++ {
		if c := q.p.contradict(part[m-1], part[m]); c == Drop || c != "" && why == "" {
			from, to, why = part[m-1], part[m], c
			if c == Drop {
				return from, to, why
			}
		}
	}
	if why != "" {
		return from, to, why
	}
	isAgainst := map[*point]bool{}
	for _, r := range against {
		isAgainst[r] = true
	}
	for k := i; k < j; k++ {
		for d := 1; d < len(part); d++ {
			for _, m := range []int{k - d, k + d} {
				if m < 0 || m >= len(part) || !isAgainst[part[m]] && (m < i || m >= j) {
					continue
				}
				if c := q.compare(part, k, m); c != "" {
					return part[min(k, m)], part[max(k, m)], c
				}
			}
		}
	}
	return nil, nil, ""
}

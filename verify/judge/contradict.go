package judge

import "math/bits"

// How two readings contradict each other. Of two that do, either one is
// wrong or something happened to the counter between them.
const (
	Drop            = "drop"             // the mileage fell from one day to a later one
	TooFast         = "too_fast"         // more was covered than a car covers in the time
	ImpossibleSpeed = "impossible_speed" // more than any car could
)

// contradict compares two readings of one part, a before b in the order. It
// returns "" when both may be right.
func (p *Params) contradict(a, b *point) string {
	switch {
	case drop(a, b):
		return Drop
	case p.over(a, b, p.RateImpossible):
		return ImpossibleSpeed
	case p.over(a, b, p.Rate):
		return TooFast
	}
	return ""
}

func drop(a, b *point) bool { return a.Day != b.Day && b.up < a.low }

func (p *Params) tooFast(a, b *point) bool {
	return p.over(a, b, p.Rate) || p.RateImpossible < p.Rate && p.over(a, b, p.RateImpossible)
}

// over reports whether even the least distance between two readings, each
// rounded in the car's favour, is more than a rate in km a day allows.
func (p *Params) over(a, b *point, rate int64) bool {
	d := (b.X - b.half) - (a.X + a.half)
	// Most pairs need no more than this: a day is always allowed, and the days
	// between two dates, less three for the time of day and the zones.
	if d <= rate*kmMM*max(1, b.Day-a.Day-3) {
		return false
	}
	t := between(a, b)
	if !a.DateOnly && !b.DateOnly {
		t = max(daySeconds, t)
	} else {
		t = max(daySeconds, t) + daySeconds
	}
	return more(d, daySeconds, rate*kmMM, t)
}

// between is the time from a to b in seconds: exact when both times of day
// are known, else the whole days between the dates.
func between(a, b *point) int64 {
	if !a.DateOnly && !b.DateOnly {
		return max(a.Seconds-b.Seconds, b.Seconds-a.Seconds)
	}
	return max(a.Day-b.Day, b.Day-a.Day) * daySeconds
}

// jump reports whether the mileage leapt both by distance and by year.
func (p *Params) jump(a, b *point) bool {
	d := b.X - a.X
	return d >= p.JumpDistance*mileMM && more(d, yearSeconds, p.JumpYear*mileMM, max(between(a, b), daySeconds))
}

// more reports a*b > c*d of numbers that aren't negative, in 128 bits: a
// distance in mm times a duration in seconds does not fit 64.
func more(a, b, c, d int64) bool {
	h1, l1 := bits.Mul64(uint64(a), uint64(b))
	h2, l2 := bits.Mul64(uint64(c), uint64(d))
	return h1 > h2 || h1 == h2 && l1 > l2
}

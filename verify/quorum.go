package verify

import "slices"

// member is a node of a policy's tree: a witness, or a group of members. It
// is a tree, and no witness stands in it twice, because C2SP tlog-policy
// lets a name be listed in at most one group.
type member struct {
	name    string
	witness int       // place in Policy.witnesses; -1 for a group
	k       int       // how many of members a group needs
	members []*member // of a group, at least k
}

// vote is what one cosigner contributed to a tree head.
type vote struct {
	counts bool  // it signed
	time   int64 // seconds since 1970 UTC; 0 for unknown
}

// judge reports whether m witnessed the head, and since when: a witness's own
// time, or the k-th largest time of a group's members. It is 0, unknown, if
// fewer than k of them have a time.
func (m *member) judge(votes []vote) vote {
	if m.witness >= 0 {
		return votes[m.witness]
	}
	reached := 0
	times := make([]int64, 0, len(m.members))
	for _, sub := range m.members {
		v := sub.judge(votes)
		if v.counts {
			reached++
			times = append(times, v.time)
		}
	}
	if reached < m.k {
		return vote{}
	}
	slices.Sort(times)
	return vote{true, times[len(times)-m.k]}
}

// least returns the size of the smallest set of cosigners that satisfies m.
func (m *member) least() int {
	return m.sumOfSmallest(m.k, (*member).least)
}

// overlap returns how many cosigners any two sets that satisfy m have in
// common at least. Two sets that satisfy a k-of-n group satisfy at least
// 2k-n of its members both, and can choose which: the ones that overlap
// least. Members have no witness in common, so that they can be taken one by
// one, and this is exact.
func (m *member) overlap() int {
	return m.sumOfSmallest(2*m.k-len(m.members), (*member).overlap)
}

// sumOfSmallest adds the n smallest values of f over m's members. For a
// witness it is 1.
func (m *member) sumOfSmallest(n int, f func(*member) int) int {
	if m.witness >= 0 {
		return 1
	}
	values := make([]int, len(m.members))
	for i, sub := range m.members {
		values[i] = f(sub)
	}
	slices.Sort(values)
	sum := 0
	for _, v := range values[:max(n, 0)] {
		sum += v
	}
	return sum
}

// each calls f with the place of every witness in m.
func (m *member) each(f func(witness int)) {
	if m.witness >= 0 {
		f(m.witness)
	}
	for _, sub := range m.members {
		sub.each(f)
	}
}

// Tolerates returns the number of lying cosigners with which any two quorums
// still share an honest one: the size of the smallest intersection of two
// quorums, less one, and 0 if that would be less. For a plain k-of-n group it
// is 2k-n-1. It is exact for every policy, nested groups included. Whether
// any two quorums share a cosigner at all is said by Overlap: at 0 there, two
// histories can be shown without a single lie.
func (p *Policy) Tolerates() int { return max(p.Overlap()-1, 0) }

// Overlap returns the number of cosigners that any two quorums share at
// least.
func (p *Policy) Overlap() int { return p.quorum.overlap() }

// Quorum returns the size of the smallest set of cosigners that is a quorum.
func (p *Policy) Quorum() int { return p.quorum.least() }

// Of returns the number of cosigners that count toward the quorum. A policy
// may list others, whose signatures are checked but count for nothing.
func (p *Policy) Of() int {
	n := 0
	p.quorum.each(func(int) { n++ })
	return n
}

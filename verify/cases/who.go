package cases

import (
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
)

// parties are those that a step names. Each says whether the record's author
// is one.
var parties = map[string]func(*move) bool{
	"any":             func(*move) bool { return true },
	"opener":          func(m *move) bool { return m.f.Author.Member == m.c.Opener.Member },
	"opener's member": func(m *move) bool { return m.f.Author.Member == m.c.Opener.Member },
	"author":          func(m *move) bool { return m.wroteTarget(m.f.Author.Member) },
	"author's member": func(m *move) bool { return m.wroteTarget(m.f.Author.Member) },
	"answerer's member": func(m *move) bool {
		return slices.ContainsFunc(m.c.Answered, func(p Party) bool { return p.Member == m.f.Author.Member })
	},
	"decider": func(m *move) bool {
		return slices.ContainsFunc(m.c.Decisions, func(d Decision) bool { return d.By == m.f.Author })
	},
	"maker":              func(m *move) bool { return m.makes(m.f.Author.Member) },
	"maker:support":      func(m *move) bool { return m.makes(m.f.Author.Member) && m.role("support") },
	"maker:financier":    func(m *move) bool { return m.makes(m.f.Author.Member) && m.role("financier") },
	"overdue:arbitrator": func(m *move) bool { return m.late() && m.kind("ARB") && m.role("arbitrator") },
	"MFR":                func(m *move) bool { return m.kind("MFR") },
	"ARB:arbitrator":     func(m *move) bool { return m.kind("ARB") && m.role("arbitrator") },
	"arbitrator": func(m *move) bool {
		return m.f.Author.Member == m.c.Arbitrator && m.kind("ARB") && m.role("arbitrator")
	},
	"DLR": func(m *move) bool { return m.kind("DLR") },
	"PTI": func(m *move) bool { return m.kind("PTI") },
	"INS": func(m *move) bool { return m.kind("INS") },
}

func (m *move) makes(member string) bool { return slices.Contains(m.f.Makers(m.vehicle), member) }
func (m *move) kind(k string) bool       { return slices.Contains(m.f.Kinds, k) }
func (m *move) role(r string) bool       { return m.f.Author.Actor != "" && slices.Contains(m.f.Roles, r) }

// late reports whether the case waits for what is overdue.
func (m *move) late() bool {
	return m.c.Unclear || slices.ContainsFunc(m.c.Clocks, func(t ClockTime) bool {
		return !t.Window && t.Met == 0 && t.Paused == 0 && m.f.Time > t.Target
	})
}

func (m *move) wroteTarget(member string) bool {
	return slices.ContainsFunc(m.c.Targets, func(t Target) bool { return t.Author.Member == member && member != "" })
}

// is reports whether the author is one of a list of parties.
func (m *move) is(list string) bool {
	for name := range strings.SplitSeq(list, "|") {
		if name != "" && parties[name](m) {
			return true
		}
	}
	return false
}

// who checks the author of a record against its step.
func (m *move) who(st *Step) error {
	allowed := m.is(st.Who)
	if !allowed && st.Else != "" && m.is(st.Else) && m.makerOut(st.Not) {
		allowed = true
		if m.f.Partial && len(m.f.Makers(m.vehicle)) == 0 {
			m.f.doubt("that no member acts for the maker of this vehicle is not shown by the file")
		}
	}
	hidden := slices.ContainsFunc(m.c.Targets, func(t Target) bool { return t.Author.Member == "" })
	if !allowed && hidden && among(st.Who, "author") {
		m.f.doubt("who wrote the record that its case is about is withheld")
		allowed = true
	}
	if !allowed {
		return m.refuseAuthor(st, m.itIsFor(st))
	}
	if m.is(st.Not) {
		return m.refuseAuthor(st, "nobody decides in a case of its own; "+m.itIsFor(st))
	}
	if hidden && among(st.Not, "author's member") {
		m.f.doubt("who wrote the record that its case is about is withheld")
	}
	return nil
}

// makerOut reports whether every member that stands for the maker is one
// that may not decide, or there is none.
func (m *move) makerOut(not string) bool {
	for _, maker := range m.f.Makers(m.vehicle) {
		other := *m
		facts := *m.f
		facts.Author = Party{Member: maker}
		other.f = &facts
		if !other.is(not) {
			return false
		}
	}
	return true
}

func (m *move) refuseAuthor(st *Step, hint string) error {
	who := m.f.Author.Member
	if m.f.Author.Actor != "" {
		who = m.f.Author.Actor + " of " + who
	}
	return fault.New("case_author", "author", who+" may not bring "+st.On+" into this "+m.def.Name).WithHint(hint)
}

// itIsFor says in words whom a step is for.
func (m *move) itIsFor(st *Step) string {
	s := m.c.status(m.f.Time)
	who, not := s.who(st, s.Authors)
	if len(not) > 0 {
		who += "; but not " + strings.Join(not, " or ")
	}
	return "it is for: " + who
}

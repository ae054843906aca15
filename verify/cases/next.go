package cases

import (
	"slices"
	"strings"
)

// Possible is a step that may come next in a case, in words.
type Possible struct {
	Type    string   // of the record
	Outcome string   // that its body names, where the step is for that one alone
	Who     string   // by whom
	Not     []string // members, and "MEMBER, ACTOR", that may not although they are
	Needs   []string // beside the fields of the type
	Then    string   // how the case stands after it, "" if as before
	From    int64    // not before, ms; 0 at once
	Until   int64    // end of the window, ms; 0 for none

	step *Step
}

// Next lists what a case takes next, as it stands: none of a closed one. A
// step that can't come before a time is there with that time. Where records
// of the case are hidden, whatever any state takes may come.
func Next(s *Status) []Possible {
	def := Lookup(s.Kind)
	if def == nil {
		return nil
	}
	var all []Possible
	for i := range def.Steps {
		st := &def.Steps[i]
		if st.From == "" || !among(st.From, s.State) && !s.Unclear {
			continue
		}
		if p := s.possible(def, st); p != nil {
			all = append(all, *p)
		}
	}
	return all
}

// possible says in words what a step is; nil if its needs rule it out.
func (s *Status) possible(def *Case, st *Step) *Possible {
	if condition, arg, _ := strings.Cut(st.If, ":"); condition == "was" && !was(s.Decisions, arg) && !s.Unclear {
		return nil
	}
	p := &Possible{Type: typeOf(st.On), Then: def.States[st.To], step: st}
	_, p.Outcome, _ = strings.Cut(st.On, ":")
	authors := s.Authors
	for need := range strings.FieldsSeq(st.Needs) {
		name, arg, _ := strings.Cut(need, ":")
		switch name {
		case "window":
			if t := s.clock(arg); t != nil {
				if t.Over {
					return nil
				}
				p.Until = t.Target
			}
		case "overdue":
			if t := s.clock(arg); t != nil && t.Met == 0 && !s.Unclear {
				p.From = t.Target + 1
			}
		case "first":
			if slices.Contains(s.Done, p.Outcome) {
				return nil
			}
		case "named":
			for _, kind := range s.Missing {
				p.Needs = append(p.Needs, plainNeed("attachment", kind))
			}
		case "same_vehicle":
			if s.Claim.aboutVehicle() {
				return nil
			}
		case "other_vehicle":
			if s.Claim != nil && !s.Claim.aboutVehicle() {
				return nil
			}
		case "effective":
			if s.Claim == nil || s.Claim.Reason != "duplicate" {
				p.Needs = append(p.Needs, "effective: what counts now")
			}
		case "once":
			if authors = slices.DeleteFunc(slices.Clone(authors), s.answered); len(authors) == 0 && len(s.Authors) > 0 && !s.Unclear {
				return nil
			}
		default:
			p.Needs = append(p.Needs, plainNeed(name, arg))
		}
	}
	p.Who, p.Not = s.who(st, authors)
	return p
}

// who says by whom a step may come, and names those that may not although
// they are.
func (s *Status) who(st *Step, authors []string) (words string, not []string) {
	words = s.parties(st.Who, authors)
	if st.Else != "" {
		words += "; where that is a party to the case, or nobody stands for the maker: " + s.parties(st.Else, authors)
	}
	for party := range strings.SplitSeq(st.Not, "|") {
		not = append(not, s.excluded(party)...)
	}
	slices.Sort(not)
	return words, slices.Compact(not)
}

func (s *Status) answered(member string) bool {
	return slices.ContainsFunc(s.Answered, func(p Party) bool { return p.Member == member })
}

// clock is the newest of a name; nil if there is none.
func (s *Status) clock(name string) *ClockStatus {
	return newest(s.Clocks, func(t *ClockStatus) bool { return t.Name == name })
}

// partyWords say who a party is where the case does not name it.
var partyWords = map[string]string{
	"any":                "any member",
	"opener":             "who opened it",
	"author":             "who wrote what it is about",
	"maker":              "the vehicle's maker",
	"maker:support":      "the maker's support",
	"ARB:arbitrator":     "an arbitrator of any arbitration body",
	"arbitrator":         "an arbitrator of the body that it names",
	"maker:financier":    "the maker's financier",
	"overdue:arbitrator": "once that is overdue, an arbitrator of any arbitration body",
	"DLR":                "any dealer",
	"MFR":                "any manufacturer",
	"PTI":                "any inspection body",
	"INS":                "an insurer that may read it",
}

func (s *Status) parties(list string, authors []string) string {
	var all []string
	for party := range strings.SplitSeq(list, "|") {
		words := partyWords[party]
		switch {
		case party == "opener":
			words = s.By.Member + " (opened it)"
		case party == "author" && len(authors) > 0:
			words = strings.Join(authors, ", ") + " (wrote what it is about)"
		case party == "arbitrator" && s.Arbitrator != "":
			words = "an arbitrator of " + s.Arbitrator
		}
		all = append(all, words)
	}
	return strings.Join(all, ", ")
}

// excluded names those that a party is.
func (s *Status) excluded(party string) (names []string) {
	switch party {
	case "opener's member":
		names = append(names, s.By.Member)
	case "author's member":
		names = append(names, s.Authors...)
	case "answerer's member":
		for _, p := range s.Answered {
			names = append(names, p.Member)
		}
	case "decider":
		for _, d := range s.Decisions {
			names = append(names, strings.TrimSuffix(d.By.Member+", "+d.By.Actor, ", "))
		}
	}
	return names
}

// needWords say for a person what a step asks for.
var needWords = map[string]string{
	"target":        "records of this vehicle that stand before it (of a correction: one odometer.reading)",
	"unopened":      "no undecided correction of the same reading",
	"after":         "`after` = the newest decision about the reading, if there is one",
	"changed":       "something else than what counts already",
	"unrepeated":    "not the claim that was just rejected",
	"proof":         "an attachment, unless by the author within 24 hours",
	"attachment":    "attachment of kind",
	"attachments":   "an attachment",
	"window":        "window",
	"overdue":       "overdue:",
	"same_vehicle":  "not about the wrong vehicle",
	"other_vehicle": "about the wrong vehicle",
	"note":          "the reading's note",
	"effective":     "`effective`, unless it is a duplicate",
	"older_proof":   "where the mileage falls: a record in `refs` not younger than the reading, or an attachment",
	"arbitrator":    "an arbitrator that wrote none of the targets and did not open it",
	"once":          "not answered yet",
	"answer":        "attachment of kind answer if it denies",
	"findings":      "a finding for each target",
	"other_member":  "another member than the decision's, where the rules ask for it",
	"field":         "the field",
	"first":         "not said before",
	"named":         "an attachment of each kind that was named as missing",
	"reports":       "attachments of kind defect_report and specialist_report, if parts are asked for",
	"prior":         "if it takes the place of another claim: one of the same dealer about this vehicle that no other has replaced, and its version + 1",
	"cover":         "cover_ref, or the reason no_cover",
	"lines":         "each line of the claim once; approved: all, partly: some",
	"relied":        "a record of this vehicle in refs: what the decision relies on",
	"plan":          "with the reason maintenance_missed: plan_ref, a plan of the maker, and the interval in it",
	"request":       "the request in refs",
	"claim":         "claim_case, a warranty claim about this vehicle",
	"drawing":       "attachment of kind technical_description, if it is unique",
	"order":         "order_case, an order of this dealer that was received",
	"campaign":      "a recall that the same member has published and not closed",
}

// needPhrase is a need in words, as docs/cases.md has it.
func needPhrase(name, arg string) string { return strings.TrimSpace(needWords[name] + " " + arg) }

func plainNeed(name, arg string) string { return strings.ReplaceAll(needPhrase(name, arg), "`", "") }

// Takes lists the types of record that may come next in a case, in the order
// of its table.
func (s *Status) Takes() (types []string) {
	for _, p := range Next(s) {
		if !slices.Contains(types, p.Type) {
			types = append(types, p.Type)
		}
	}
	return types
}

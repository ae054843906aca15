package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/cases"
	"github.com/milepost-log/milepost/verify/judge"
)

// Meaning is what a vehicle's records add up to: inferred from them by this
// program, and recomputable by anyone. It is no evidence.
type Meaning struct {
	AsOf      int64            // ms since 1970 UTC: deadlines are overdue, or not, as of then
	Rules     int64            // version in force at the vehicle's last record
	Bounds    map[string]int64 // of cases, in those rules
	Judgement *judge.Judgement
	Cases     []cases.Status
	Effects   []cases.Effect    // of decisions in force, in log order
	Marks     map[string][]Mark // by leaf hash, hex, of the vehicle's own records; those without are absent
	Answers   *answers.Answers  // to what people ask a vehicle's history
}

// Known is what the meaning of a vehicle's records follows from.
type Known struct {
	Entries  []judge.Entry  // the complete history of the vehicle, in log order
	Rules    *Rules         // in force at its last record
	Cases    []cases.Status // as of AsOf
	Effects  []cases.Effect // of decisions in force, in log order
	Disputed []string       // leaf hashes, hex, of readings under a dispute that is open as of AsOf, or may be
	AsOf     int64          // ms since 1970 UTC

	// What answers need beside: see answers.Input.
	VIN       string
	Makers    []string
	NoticesOf []string
	Notices   []judge.Entry
	Workshop  []judge.Entry
	LeaseKM   int64
}

// Mean says what a vehicle's records add up to. A verifier and a node use it
// alike; what it is worth is what the records handed in are.
func Mean(k *Known) *Meaning {
	p := judge.ParamsOf(k.Rules.Judgement)
	p.Rules = k.Rules.Version
	m := &Meaning{AsOf: k.AsOf, Rules: k.Rules.Version, Bounds: cases.DefaultBounds(), Cases: k.Cases, Effects: k.Effects, Marks: map[string][]Mark{}}
	maps.Copy(m.Bounds, k.Rules.Cases)
	m.Judgement = judge.Judge(&judge.History{Entries: k.Entries, Effects: k.Effects, Disputed: k.Disputed}, p, k.AsOf)
	records := map[string]*record.Record{}
	for _, e := range k.Entries {
		if e.Record != nil {
			records[e.Hash] = e.Record
			m.mark(e.Hash, timeMarks(e.Record, e.Time, &p)...)
		}
	}
	m.markEffects(records)
	for _, h := range k.Disputed {
		m.mark(h, Mark{Code: MarkDisputed, Unclear: k.unclear(h)})
	}
	for _, r := range m.Judgement.Readings {
		switch {
		case r.Named:
			m.mark(r.Hash, Mark{Code: MarkContradicts})
		case r.BothSides:
			m.mark(r.Hash, Mark{Code: MarkOneSide})
		}
	}
	m.Answers = answers.Of(&answers.Input{
		VIN: k.VIN, Entries: k.Entries, Judgement: m.Judgement, AsOf: k.AsOf, LeaseKM: k.LeaseKM,
		Makers: k.Makers, NoticesOf: k.NoticesOf, Notices: k.Notices, Workshop: k.Workshop,
	})
	return m
}

// unclear reports whether of a disputed reading it is not known that the
// dispute is still open.
func (k *Known) unclear(reading string) bool {
	unclear := false
	for i := range k.Cases {
		if c := &k.Cases[i]; slices.Contains(c.Readings, reading) {
			if !c.Unclear {
				return false
			}
			unclear = true
		}
	}
	return unclear
}

func (m *Meaning) mark(hash string, marks ...Mark) {
	if len(marks) > 0 {
		m.Marks[hash] = append(m.Marks[hash], marks...)
	}
}

// CasesAbout lists the cases of a vehicle in all its histories, in the order
// of the log, as they stand at a time (ms).
func CasesAbout(b cases.Book, vehicle string, asOf int64) (all []cases.Status) {
	for _, history := range historiesAbout(vehicle) {
		all = append(all, cases.Statuses(b, history, asOf)...)
	}
	slices.SortStableFunc(all, func(x, y cases.Status) int { return cmp.Compare(x.Index, y.Index) })
	return all
}

// meaning is step 6, for a file about a vehicle that is verified so far.
func (c *check) meaning() error {
	if !c.file.ownVehicle(c.file.Subject) {
		return nil
	}
	c.leaveOpen()
	// The quorum's time has whole seconds, and may be unknown.
	asOf, book := max(c.rep.AsOf*1000, c.seal.Time), c.casework
	k := &Known{
		Rules: &c.rules, AsOf: asOf,
		Cases: CasesAbout(book, c.file.Subject, asOf), Effects: cases.Effects(book, c.file.Subject), Disputed: cases.Disputed(book, c.file.Subject, asOf),
	}
	k.VIN, k.Makers, k.LeaseKM = strings.TrimPrefix(c.file.Subject, "vehicle/"), c.auth.makers(c.file.Subject), c.opt.LeaseKM
	k.Entries = c.entries(c.file.History(c.file.Subject))
	if h := c.file.History("workshop/" + k.VIN); h != nil {
		k.Workshop = c.entries(h)
	}
	for i := range c.file.Histories {
		if h := &c.file.Histories[i]; isNotice(h.Subject) {
			k.NoticesOf = append(k.NoticesOf, strings.TrimPrefix(h.Subject, "notice/"))
			k.Notices = append(k.Notices, c.entries(h)...)
		}
	}
	slices.SortFunc(k.Notices, func(a, b judge.Entry) int { return cmp.Compare(a.Index, b.Index) })
	c.rep.Meaning = Mean(k)
	return nil
}

// entries are those of a history, with the records that are shown.
func (c *check) entries(h *FileHistory) (out []judge.Entry) {
	for _, e := range h.Entries {
		entry := judge.Entry{Index: e.Index, Time: e.Time, Hash: Hex(e.Hash)}
		if e.Note != nil {
			entry.Record = c.all[e.Index].rec
		}
		out = append(out, entry)
	}
	return out
}

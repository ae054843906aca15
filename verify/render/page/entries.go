package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

// entry is one record of the file, or the place of one that is withheld.
type entry struct {
	No       int // from 1, in the order of the log
	History  string
	What     string
	Happened string // shown in the overview: the day
	Mileage  string
	Author   string // legal name and name
	Marks    []string
	Refused  bool // its verdict
	Withheld bool
	Facts    []pair
	Content  string // the body as it was signed

	hash string
	res  *verify.Result
	rec  *record.Record
}

// part is one history of the vehicle.
type part struct {
	Heading string
	Records []*entry
}

var partHeadings = map[string]string{
	"vehicle":  "History of the vehicle",
	"workshop": "Workshop records: for dealers, the maker and arbitrators",
	"notice":   "What a member announced: plans, and times without records",
	"access":   "Who was given access to the history, and who used it",
}

func entriesOf(in *Input) (es []*entry) {
	rs := in.Report.Results
	for i := range rs {
		es = append(es, entryOf(in, i+1, &rs[i]))
	}
	return es
}

// partsOf parts the records by history, the vehicle's own first.
func partsOf(es []*entry) (parts []part) {
	at := map[string]int{}
	for _, class := range []string{"vehicle", ""} {
		for _, e := range es {
			is, _, _ := strings.Cut(e.History, "/")
			if (is == "vehicle") != (class == "vehicle") {
				continue
			}
			n, ok := at[e.History]
			if !ok {
				n, at[e.History] = len(parts), len(parts)
				heading := partHeadings[is]
				if heading == "" {
					heading = "History " + e.History
				}
				parts = append(parts, part{Heading: heading})
			}
			parts[n].Records = append(parts[n].Records, e)
		}
	}
	return parts
}

func entryOf(in *Input, no int, res *verify.Result) *entry {
	e := &entry{No: no, History: clean(res.Subject), hash: verify.Hex(res.Hash), res: res, rec: res.Record}
	log := pair{"Log time", utc(res.Time) + ", log index " + record.Thousands(int64(res.Index)), false}
	leaf := pair{"Leaf hash", e.hash, true}
	if e.rec == nil {
		e.What, e.Withheld, e.Happened = "Contents withheld by whoever handed the file out; entered "+utc(res.Time)[:10], true, "–"
		e.Facts = []pair{log, {"Verdict", "Withheld: that a record stands here, and when it came into the log, is proved; what it says is not shown.", false}, leaf}
		return e
	}
	r := e.rec
	what, mileage := render.Describe(r)
	e.What, e.Mileage, e.Content = sentenceCase(clean(what)), unbroken(clean(mileageIn(in.Unit, r, mileage))), clean(string(r.Body.Bytes()))
	e.Happened = r.EventTime.Format("2006-01-02")
	e.Author = authorName(res)
	e.Refused = res.Verdict.Refused()
	e.Facts = append(e.Facts,
		pair{"Type", clean(typeOf(r)), false},
		pair{"Happened", happened(r), false},
		log,
		pair{"Delay", delay(res), false},
		pair{"Signed", utc(r.Captured.UnixMilli()), false},
		pair{"Author", e.Author, false},
		pair{"Actor", actorOf(res), false},
		pair{"Key", keyOf(res.Key), false},
		pair{"Verdict", verdictOf(res), false},
	)
	for _, m := range marksOf(in, e) {
		e.Marks = append(e.Marks, m.brief)
		e.Facts = append(e.Facts, pair{"Note", m.long, false})
	}
	for i, a := range r.Attachments() {
		hidden := "SHA-256 "
		if a.Salted {
			hidden = "commitment "
		}
		e.Facts = append(e.Facts, pair{fmt.Sprintf("Attachment %d", i+1), words(a.Kind) + ", " + clean(a.MediaType) + ", " + count(a.Bytes, "byte") + ", " + hidden + a.Digest, true})
	}
	for _, c := range r.Commitments() {
		e.Facts = append(e.Facts, pair{"Commitment", words(c.Field) + ": " + c.Commitment, true})
	}
	e.Facts = append(e.Facts, pair{"Record id", r.ID, true}, leaf)
	return e
}

// typeOf names a type with what it records.
func typeOf(r *record.Record) string {
	if r.Def == nil {
		return r.Type + ", which this program does not know: the signature is checked, the meaning is not known"
	}
	return r.Type + ": " + r.Def.Sentence
}

// mileageIn writes the mileage that a record gives in the reader's unit,
// with the one that stands in the record where they differ.
func mileageIn(unit render.Unit, r *record.Record, mileage string) string {
	if in := unit.Of(r, mileage); in != mileage {
		return in + " (as entered " + mileage + ")"
	}
	return mileage
}

func authorName(res *verify.Result) string {
	name := clean(res.Record.Author)
	if res.Author == nil {
		return name
	}
	return clean(res.Author.LegalName) + " (" + name + ")"
}

func actorOf(res *verify.Result) string {
	a := res.Record.Actor
	if a == "" {
		return "none named: the key is bound to no person or device"
	}
	s := clean(a)
	if res.Author != nil && len(res.Author.Roles[a]) > 0 {
		s += ", in the role of " + clean(strings.Join(res.Author.Roles[a], ", "))
	}
	return s + " (a name that the business gave to the holder of this key)"
}

// delay says how long after it happened a record came into the log.
func delay(res *verify.Result) string {
	happened := res.Record.EventTime
	if res.Record.Precision == "date" { // the hour is not known: the day's end counts
		happened = happened.AddDate(0, 0, 1)
	}
	seconds := int64(time.UnixMilli(res.Time).Sub(happened) / time.Second)
	switch {
	case seconds > 0 && res.Record.Precision == "date":
		return span(seconds) + " after the day on which it happened"
	case seconds > 0:
		return span(seconds) + " between the event and the log"
	case res.Record.Precision == "date" && !res.Record.EventTime.After(time.UnixMilli(res.Time)):
		return "none: in the log on the day on which it happened"
	case seconds == 0:
		return "none"
	}
	return "the event is dated " + span(-seconds) + " after its entry into the log"
}

func keyOf(k *verify.Key) string {
	if k == nil {
		return "not registered"
	}
	s := clean(k.ID) + ", registered " + utc(k.Time) + " (log index " + record.Thousands(int64(k.Index)) + ")"
	if k.Actor != "" {
		s += ", bound to " + clean(k.Actor)
	}
	if k.Device != nil {
		s += ", bound to a device (" + words(clean(k.Device.Kind)) + ")"
	}
	rev := k.Revoked
	if rev == nil {
		return s + "; not revoked as of this file"
	}
	s += "; revoked " + utc(rev.Time) + " (it counts up to log index " + record.Thousands(int64(rev.Index)) + "), reason " + words(clean(rev.Reason))
	if rev.Since != "" {
		s += " since " + clean(rev.Since)
	}
	return s + ", reported by " + clean(rev.By)
}

func verdictOf(res *verify.Result) string {
	s := sentenceCase(string(res.Verdict))
	if res.Reason != "" {
		s += ": " + clean(res.Reason)
	}
	return s
}

func sentenceCase(s string) string { return strings.TrimSuffix(sentence(s), ".") }

// author is a business that signed a record, with the keys that it used.
type author struct {
	Name  string
	Facts []pair
	Keys  []string
}

// authorsOf lists who signed the records shown, in the order of first use,
// each with the keys that signed them.
func authorsOf(r *verify.Report) (as []author) {
	at := map[string]int{}
	used := map[string]bool{}
	for i := range r.Results {
		res := &r.Results[i]
		if res.Record == nil || res.Author == nil {
			continue
		}
		m := res.Author
		n, ok := at[m.Name]
		if !ok {
			n, at[m.Name] = len(as), len(as)
			as = append(as, author{Name: clean(m.LegalName), Facts: memberFacts(m)})
		}
		if k := res.Key; k != nil && !used[m.Name+" "+k.ID] {
			used[m.Name+" "+k.ID] = true
			as[n].Keys = append(as[n].Keys, keyOf(k))
		}
	}
	return as
}

func memberFacts(m *verify.Member) []pair {
	var is []string
	for _, k := range m.Kinds {
		is = append(is, clean(render.KindOfMember(k)))
	}
	facts := []pair{{"Name on the log", clean(m.Name), false}, {"Admitted as", strings.Join(is, ", "), false}, {"Country", clean(m.Country), false}}
	valid := "from " + clean(m.ValidFrom)
	if m.ValidTo != "" {
		valid += " to " + clean(m.ValidTo)
	}
	facts = append(facts, pair{"Membership", valid, false})
	if len(m.Documents) > 0 {
		facts = append(facts, pair{"Papers checked on admission", words(clean(strings.Join(m.Documents, ", "))), false})
	}
	if s := m.Suspended; s != nil {
		facts = append(facts, pair{"Suspended", utc(s.Time) + ", reason " + words(clean(s.Reason)), false})
	}
	return facts
}

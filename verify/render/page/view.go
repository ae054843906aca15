package page

import (
	"crypto/sha256"
	"fmt"
	"html/template"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

// view is what the template sets: text that is ready, in the page's order.
type view struct {
	Style template.CSS
	Title string

	Verified bool
	Scope    string
	Reason   string // why not verified
	Code     string
	Hint     string
	Warnings []string
	Steps    []string // policies that were followed

	Identity []pair // which file, by what means

	Plot      *plot
	Judgement *judgement
	Records   []*entry
	Parts     []part
	Changes   []change
	Cases     []caseView
	Recalls   string // which are open; "" where nothing is inferred
	Answers   []render.Answer
	Asked     string // day as of which
	Partial   bool   // the answers lack what is withheld
	Withheld  int
	Authors   []author
	Head      *head
	Presented *presented
	Repeat    repeat
	Made      string // when the report was made, and by which program
}

// pair is a term and what is said of it.
type pair struct {
	Term, Text string
	Mono       bool // a hash or an id
}

func newView(in *Input) *view {
	r := in.Report
	sum := fmt.Sprintf("%x", sha256.Sum256(in.File))
	v := &view{
		Style: style(sum[:32] + "…"), Title: "Evidence report", Verified: r.Verified,
		Made: "milepost " + in.Version + ", " + utc(in.Now.UnixMilli()),
	}
	if vin := strings.TrimPrefix(clean(r.Subject), "vehicle/"); vin != "" {
		v.Title += ": " + vin
	}
	v.Identity = []pair{
		{"Proof file", clean(in.FileName), false}, {"Size", count(int64(len(in.File)), "byte"), false}, {"SHA-256 of the proof file", sum, true},
	}
	if r.Origin != "" {
		name := r.Origin[:max(0, strings.LastIndex(r.Origin, "/"))]
		v.Identity = append(v.Identity, pair{"Log", clean(name), false}, pair{"Fingerprint of the log", record.Fingerprint(r.Origin), true})
	}
	if in.Policy != nil {
		v.Identity = append(v.Identity, pair{"SHA-256 of the trust policy", fmt.Sprintf("%x", sha256.Sum256([]byte(in.Policy.Text()))), true})
	}
	v.Identity = append(v.Identity, pair{"Checked on", v.Made, false})
	for _, w := range r.Warnings {
		v.Warnings = append(v.Warnings, sentence(clean(w)))
	}
	v.Repeat = newRepeat(in, sum)
	if !r.Verified {
		v.Reason, v.Code, v.Hint = sentence(clean(fmt.Sprint(r.Failure))), fault.Code(r.Failure), sentence(clean(fault.Hint(r.Failure)))
		return v
	}
	v.Scope = sentence(r.Scope())
	for _, s := range r.PolicySteps {
		v.Steps = append(v.Steps, sentence(clean(s)))
	}
	v.Withheld = r.Withheld
	v.Records = entriesOf(in)
	v.Parts = partsOf(v.Records)
	v.Head, v.Authors = headOf(r), authorsOf(r)
	if m := in.Report.Meaning; m != nil {
		v.Recalls = clean(render.OpenRecalls(m))
	}
	v.Judgement, v.Changes, v.Cases = judgementOf(in, v.Records), changesOf(in, v.Records), casesOf(in, v.Records)
	v.answers(in)
	v.Plot = plotOf(in, v.Records)
	v.Presented = presentedOf(in, v.Records)
	return v
}

// answers takes over what the history answers, ready for the page.
func (v *view) answers(in *Input) {
	m := in.Report.Meaning
	if m == nil {
		return
	}
	v.Asked, v.Partial = m.Answers.AsOf, m.Answers.Partial
	for _, a := range render.Answers(m.Answers, in.Unit) {
		p := render.Answer{Title: clean(a.Title)}
		for _, l := range a.Lines {
			p.Lines = append(p.Lines, unbroken(clean(strings.TrimPrefix(l, "- "))))
		}
		v.Answers = append(v.Answers, p)
	}
}

// sentence begins with a capital letter, unless its first word is a name or
// code, and ends in a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	first, _, _ := strings.Cut(s, " ")
	if strings.Trim(strings.TrimRight(first, ",;:."), "abcdefghijklmnopqrstuvwxyz-") == "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// head is the tree head that the file's completeness rests on.
type head struct {
	Size      string
	Root      string
	AsOf      string
	Signed    int
	Of        int
	Quorum    int
	Tolerates string
	Later     bool
	Cosigners []cosigner
}

type cosigner struct {
	Name   string
	Signed bool
	Time   string
}

func headOf(r *verify.Report) *head {
	h := r.Head
	if h == nil {
		return nil
	}
	out := &head{
		Size: record.Thousands(int64(h.Size)), Root: verify.Hex(h.Root), AsOf: utcSeconds(r.AsOf), Signed: h.Signed, Of: h.Of, Quorum: h.Quorum, Later: r.Later,
		Tolerates: "no cosigner may lie: with one liar among them, two different histories could both pass",
	}
	if n := int64(r.Tolerates); n > 0 {
		out.Tolerates = "up to " + count(n, "cosigner") + " may lie, and two different histories still can't both pass"
	}
	for _, c := range h.Cosigners {
		row := cosigner{Name: clean(c.Name), Signed: c.Signed}
		if c.Signed {
			row.Time = utcSeconds(c.Time)
		}
		out.Cosigners = append(out.Cosigners, row)
	}
	return out
}

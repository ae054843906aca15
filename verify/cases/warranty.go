package cases

import (
	"fmt"
	"slices"

	"github.com/milepost-log/milepost/record"
)

// warranty: a dealer claims work on warranty; the maker registers the claim,
// assesses and decides it, and pays. What it refuses may be appealed, and
// somebody else decides then.
var warranty = &Case{
	Name: "warranty", In: "workshop",
	Steps: []Step{
		{On: "warranty.claim/1", Who: "DLR", Needs: "attachment:application attachment:photo reports prior", To: "filed"},
		{From: "filed", On: "warranty.status/1:more_info", Who: "maker:support", Else: "ARB:arbitrator", Needs: "field:missing", To: "more_info"},
		{From: "more_info", On: "case.evidence/1", Who: "opener", Needs: "named", To: "filed"},
		{From: "filed", On: "warranty.status/1:registered", Who: "maker:support", Else: "ARB:arbitrator", Needs: "cover", To: "registered"},
		{From: "registered", On: "warranty.assessed/1", Who: "maker", Needs: "lines"},
		{From: "registered", On: "warranty.status/1:suspended", Who: "maker:support", Else: "ARB:arbitrator", Needs: "field:reason", To: "suspended"},
		{From: "suspended", On: "warranty.status/1:resumed", Who: "maker:support", Else: "ARB:arbitrator", Needs: "field:reason", To: "registered"},
		{From: "registered", On: "warranty.status/1:approved", Who: "maker:support", Else: "ARB:arbitrator", Needs: "lines", To: "approved"},
		{From: "registered", On: "warranty.status/1:partly", Who: "maker:support", Else: "ARB:arbitrator", Needs: "lines", To: "partly"},
		{From: "registered", On: "warranty.status/1:refused", Who: "maker:support", Else: "ARB:arbitrator", Needs: "field:reason relied plan", To: "refused"},
		{From: "approved|partly", On: "warranty.job_report/1", Who: "opener", Needs: "attachment:job_report", To: "reported"},
		{From: "reported", On: "warranty.payment_requested/1", Who: "opener", Needs: "attachment:invoice", To: "payable"},
		{From: "payable", On: "warranty.paid/1", Who: "maker:financier", Needs: "request", To: "paid"},
		{From: "filed|more_info|registered", On: "case.withdrawn/1", Who: "opener", To: "withdrawn"},
		{From: "refused|partly", On: "warranty.appealed/1", Who: "opener", Needs: "window:appeal attachment:justification attachment:examination", To: "appealed"},
		{From: "filed|registered|suspended|appealed", On: "case.evidence/1", Who: "opener|maker", Needs: "attachments"},
		{From: "filed|more_info|registered|suspended|approved|partly|reported|payable|appealed", On: "case.message/1", Who: "opener|maker", Needs: "attachments"},
		{From: "appealed", On: "warranty.appeal_decided/1:upheld", If: "was:refused", Who: "maker:support|overdue:arbitrator", Not: "decider", Else: "ARB:arbitrator",
			Needs: "relied", To: "refused_final"},
		{From: "appealed", On: "warranty.appeal_decided/1:upheld", If: "was:partly", Who: "maker:support|overdue:arbitrator", Not: "decider", Else: "ARB:arbitrator",
			Needs: "relied", To: "approved"},
		{From: "appealed", On: "warranty.appeal_decided/1:granted", Who: "maker:support|overdue:arbitrator", Not: "decider", Else: "ARB:arbitrator", Needs: "relied", To: "approved"},
		{From: "appealed", On: "warranty.appeal_decided/1:partly", Who: "maker:support|overdue:arbitrator", Not: "decider", Else: "ARB:arbitrator", Needs: "relied", To: "approved"},
	},
	Clocks: []Clock{
		{Name: "register", In: "filed", Working: true},
		{Name: "decide", In: "registered", Stands: "suspended", Working: true},
		{Name: "appeal", In: "refused|partly", Working: true, Window: true},
		{Name: "final", In: "appealed", Working: true},
		{Name: "report", In: "approved|partly"},
		{Name: "pay", In: "payable"},
	},
	States: map[string]string{
		"filed":         "filed, not registered",
		"more_info":     "documents are missing",
		"registered":    "registered, not decided",
		"suspended":     "suspended: the clock stands",
		"approved":      "approved",
		"partly":        "approved in part, may be appealed",
		"refused":       "refused, may be appealed",
		"refused_final": "refused for good",
		"appealed":      "the decision is appealed",
		"reported":      "the work is reported",
		"payable":       "payment asked for",
		"paid":          "paid",
		"withdrawn":     "withdrawn",
	},
	Closed: []string{"paid", "refused_final", "withdrawn"},
	Lapses: map[string]string{"refused": "refused_final"},
	settle: settleWarranty,
}

func settleWarranty(m *move) error {
	if m.c.State != "more_info" {
		m.c.Missing = nil
	}
	switch {
	case m.opening:
		m.c.Lines, m.c.Version = len(m.r.Body.Get("lines").List), m.r.Body.Get("version").Int
		m.replace()
	case m.r.Type == "warranty.status/1":
		m.c.Missing = m.r.Body.Get("missing").Strings()
		if s := outcomeOf(m.r.Body); s == "approved" || s == "partly" || s == "refused" {
			m.decide(s)
		}
	case m.r.Type == "warranty.appeal_decided/1":
		m.decide(outcomeOf(m.r.Body))
	}
	return nil
}

func (m *move) decide(outcome string) {
	m.c.Decisions = append(m.c.Decisions, Decision{Hash: m.hash, By: m.f.Author, Index: m.f.Index, Time: m.f.Time, Outcome: outcome})
}

// replace puts a changed claim in the place of the earlier one, which it
// withdraws where a withdrawal would be taken.
func (m *move) replace() {
	before := m.s.Case(m.subject, m.r.Body.Get("prior").Str)
	if before == nil {
		return
	}
	before.Replaced = m.hash
	if i := slices.IndexFunc(m.def.Steps, func(s Step) bool { return s.On == "case.withdrawn/1" }); among(m.def.Steps[i].From, before.State) {
		from := before.State
		before.State = "withdrawn"
		m.clocks(before, m.def, from)
	}
	m.also = append(m.also, before)
}

// earlier is a case of a kind in the history of this one; nil without an
// error if the file does not show it.
func (m *move) earlier(field, kind string) (*State, error) {
	id := m.r.Body.Get(field).Str
	c := m.s.Case(m.subject, id)
	if c == nil && m.f.Find(m.subject, id).Hidden {
		m.f.doubt("the " + kind + " that it names is withheld")
		return nil, nil
	}
	if c == nil || c.Kind != kind {
		return nil, missing(field, "body."+field, fmt.Sprintf("%s is no %s about this vehicle", id, kind))
	}
	return c, nil
}

func (m *move) needField(name string) error {
	if m.r.Body.Has(name) {
		return nil
	}
	return missing(name, "body."+name, "the field "+name+" is missing")
}

// needReports: for parts, what is broken, and what a specialist says of it.
func needReports(m *move, _ string) error {
	if m.r.Body.Get("parts_requested").Int == 0 {
		return nil
	}
	if err := m.needAttachment("defect_report"); err != nil {
		return err
	}
	return m.needAttachment("specialist_report")
}

func needPrior(m *move, _ string) error {
	if !m.r.Body.Has("prior") {
		return nil
	}
	c, err := m.earlier("prior", "warranty")
	if c == nil {
		return err
	}
	switch {
	case c.Opener.Member != m.f.Author.Member:
		return missing("prior", "body.prior", "that claim is "+c.Opener.Member+"'s")
	case c.Replaced != "":
		return missing("prior", "body.prior", "another claim is in its place already: "+c.Replaced).WithHint("name that one")
	case m.r.Body.Get("version").Int != c.Version+1:
		return missing("version", "body.version", fmt.Sprintf("the claim before it has version %d", c.Version))
	}
	return nil
}

func needCover(m *move, _ string) error {
	if m.r.Body.Has("cover_ref") || m.r.Body.Get("reason").Str == "no_cover" {
		return nil
	}
	return missing("cover_ref", "body.cover_ref", "the cover is missing").WithHint("name the warranty.cover, or give the reason no_cover")
}

// needLines: what is said of a claim is said of each of its lines.
func needLines(m *move, _ string) error {
	lines, ok := m.r.Body.Get("lines").List, 0
	for i, l := range lines {
		if n := l.Get("line").Int; n >= int64(m.c.Lines) {
			return missing("lines", fmt.Sprintf("body.lines[%d].line", i), fmt.Sprintf("the claim has no line %d", n))
		}
		ok += int(l.Get("ok").Int)
	}
	if len(lines) < m.c.Lines {
		return missing("lines", "body.lines", fmt.Sprintf("%d of %d lines are missing", m.c.Lines-len(lines), m.c.Lines))
	}
	switch s := outcomeOf(m.r.Body); {
	case s == "approved" && ok < len(lines):
		return missing("lines", "body.lines", "not all lines are approved").WithHint("that is the status partly")
	case s == "partly" && (ok == 0 || ok == len(lines)):
		return missing("lines", "body.lines", "some lines are approved and some are not").WithHint("otherwise it is the status approved, or refused")
	}
	return nil
}

// needRelied: a decision against somebody says which records it goes by.
func needRelied(m *move, _ string) error {
	hidden := false
	for _, ref := range m.r.Envelope.Get("refs").Strings() {
		found := m.f.Find("", ref)
		if hidden = hidden || found.Hidden; found.Record != nil && slices.Contains(vehicles(found.Record), m.vehicle) {
			return nil
		}
	}
	if hidden {
		m.f.doubt("what it relies on may be withheld")
		return nil
	}
	return missing("refs", "refs", "a record of this vehicle that the decision relies on is missing").WithHint("name it in refs: milepost record new --ref HASH")
}

// needPlan: who says that maintenance was missed says which.
func needPlan(m *move, _ string) error {
	b := m.r.Body
	if b.Get("reason").Str != "maintenance_missed" {
		return nil
	}
	for _, f := range [...]string{"plan_ref", "interval"} {
		if err := m.needField(f); err != nil {
			return err
		}
	}
	hidden := false
	for _, maker := range append(m.f.Makers(m.vehicle), m.f.Author.Member) {
		found := m.f.Find(record.NoticeSubject(maker), b.Get("plan_ref").Str)
		hidden = hidden || found.Hidden
		if r := found.Record; r != nil && r.Type == "service.plan/1" && r.Author == maker {
			if n := len(r.Body.Get("intervals").List); b.Get("interval").Int >= int64(n) {
				return missing("interval", "body.interval", fmt.Sprintf("the plan has %d intervals, the first is 0", n))
			}
			return nil
		}
	}
	if hidden {
		m.f.doubt("the service plan is not in this file")
		return nil
	}
	return missing("plan_ref", "body.plan_ref", "it is no service.plan of the vehicle's maker")
}

func needNamed(m *move, _ string) error {
	for _, kind := range m.c.Missing {
		if m.c.Unclear {
			break
		}
		if err := m.needAttachment(kind); err != nil {
			return err
		}
	}
	return m.needAttachment("")
}

// needRequest: a payment names what it pays.
func needRequest(m *move, _ string) error {
	for _, ref := range m.r.Envelope.Get("refs").Strings() {
		found := m.f.Find(m.subject, ref)
		if r := found.Record; r != nil && r.Type == "warranty.payment_requested/1" && r.Body.Get("case").Str == m.c.ID {
			return nil
		}
		if found.Hidden {
			m.f.doubt("the request that it pays may be withheld")
			return nil
		}
	}
	return missing("refs", "refs", "the warranty.payment_requested that it pays is missing").WithHint("name it in refs: milepost record new --ref HASH")
}

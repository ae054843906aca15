package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

const (
	garage  = "garage.example"
	arbiter = "arbiter.example"
)

// caseLog is a log in which a car's readings are corrected and disputed. Like
// its world it believes whatever it is told.
type caseLog struct {
	*world
	reading1 string // by the dealer; leaf hashes, hex
	id, last string // of the case that was opened last, and its newest record
}

// newCases is a log with a maker that has a supporter ann, an arbiter that
// has ada and abe, another garage, and one reading of the car.
func newCases(t testing.TB) *caseLog {
	w := emptyWorld(t, fullCast)
	w.add(envelope{"log.genesis/1", w.govs[0].Name(), []string{"governance"}, w.genesis(), nil}, w.govs...)
	w.admit(dealer, nil, "DLR")
	w.admit(garage, nil, "DLR")
	w.admit(inspector, nil, "PTI")
	w.admit(maker, func(b jcs.Value) jcs.Value { return b.With("wmi", jcs.Texts([]string{vinA[:3]})) }, "MFR")
	w.admit(arbiter, nil, "ARB")
	for _, p := range []struct{ member, actor, role string }{
		{maker, "ann", "support"}, {maker, "bob", "financier"}, {arbiter, "ada", "arbitrator"}, {arbiter, "abe", "arbitrator"}, {garage, "gus", "support"},
	} {
		w.addKey(p.member, w.actorKey(p.member, p.actor), "record", "actor", p.actor)
		w.grantRole(p.member, p.actor, p.role)
	}
	w.seal()
	g := &caseLog{world: w}
	g.reading1 = g.hashAt(w.reading(dealer, vinA, 48_210, w.workshop(dealer)))
	w.seal()
	return g
}

func (w *world) actorKey(member, actor string) certs.Signer {
	return ed25519Key(w.t, member, "actor "+actor)
}

// attached are attachments of these kinds.
func attached(kinds ...string) jcs.Field {
	var list []jcs.Value
	for _, kind := range kinds {
		list = append(list, obj("bytes", 9, "digest", b64(seed(kind)), "kind", kind, "media_type", "image/jpeg", "salted", false))
	}
	return jcs.Field{Name: "attachments", Value: jcs.Array(list...)}
}

// writes puts a record by member or member:actor about the car on the log, in
// a batch of its own, with attachments of all kinds that are asked for.
func (g *caseLog) writes(who, typ string, body jcs.Value, refs ...string) string {
	member, actor, _ := strings.Cut(who, ":")
	key := g.workshop(member)
	var fields []jcs.Field
	if actor != "" {
		key, fields = g.actorKey(member, actor), as(actor)
	}
	if !strings.HasSuffix(typ, "requested/1") || who != dealer { // the author brings none
		fields = append(fields, attached("claim", "answer", "decision", "justification", "examination"))
	}
	if refs != nil {
		fields = append(fields, jcs.Field{Name: "refs", Value: jcs.Texts(refs)})
	}
	hash := g.hashAt(g.add(envelope{typ, member, []string{"vehicle/" + vinA}, body, fields}, key))
	g.seal()
	if strings.HasPrefix(typ, "correction.requested") || strings.HasPrefix(typ, "dispute.opened") {
		g.id = hash
	}
	g.last = hash
	return hash
}

func (g *caseLog) wait(d time.Duration) { g.clock += d.Milliseconds() }

func (g *caseLog) asks(who string, value int, more ...any) string {
	return g.writes(who, "correction.requested/1", obj(append([]any{"claim", obj("value", value), "field", "value", "for", "owner",
		"noticed_by", "owner", "reason", "digit_typo", "target", g.reading1}, more...)...))
}

func (g *caseLog) accepts(value int) jcs.Value {
	return obj("case", g.id, "effective", obj("value", value), "outcome", "accepted", "prev", g.last, "reasons", "the invoice shows it", "rules", 1)
}

func (g *caseLog) opens(who string, targets ...string) string {
	return g.writes(who, "dispute.opened/1", obj("arbitrator", arbiter, "claim", "rolled_back", "for", "buyer", "remedy", "that it does not count", "targets", targets))
}

func (g *caseLog) rules(target string) jcs.Value {
	return obj("case", g.id, "findings", []jcs.Value{obj("finding", "not_actual", "target", target)}, "prev", g.last, "reasons", "it was lower before")
}

// A whole life of cases verifies, and what it comes to can be read off the
// report.
func TestCasesInAFile(t *testing.T) {
	t.Parallel()
	g := newCases(t)
	g.asks(garage, 148_210)
	g.writes(dealer, "case.evidence/1", obj("case", g.id, "prev", g.last))
	g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
	g.opens(dealer, g.last)
	g.writes(maker+":ann", "dispute.answered/1", obj("case", g.id, "position", "denies", "prev", g.last))
	r := accepted(t, g.file(vinA).Bytes(), g.options())
	m := r.Meaning
	if e := m.Effects; len(e) != 1 || e[0].Kind != cases.Replaced || *e[0].Value != 148_210 || e[0].Target != g.reading1 {
		t.Errorf("the effects are %+v", e)
	}
	var disputed []string
	for hash, marks := range m.Marks {
		if slices.ContainsFunc(marks, func(k verify.Mark) bool { return k.Code == verify.MarkDisputed }) {
			disputed = append(disputed, hash)
		}
	}
	if !slices.Equal(disputed, []string{g.reading1}) {
		t.Errorf("disputed: %v", disputed)
	}
	if s := m.Cases; len(s) != 2 || s[0].State != "in_force" || s[1].State != "answered" {
		t.Errorf("the statuses are %+v", s)
	}
	for _, res := range r.Results {
		want := ""
		if res.Record.Type == "dispute.opened/1" { // the arbiter has written nothing yet, so its history is not in the file
			want = "its case is not checked in full: that arbiter.example is an arbitrator is not shown by the file"
		}
		if res.Verdict != verify.Valid || res.Reason != want {
			t.Errorf("log index %d, %s: %s %s", res.Index, res.Record.Type, res.Verdict, res.Reason)
		}
	}
}

// A log whose nodes let in what no case allows: every signature is by a
// registered key, the quorum has signed, and only the replay finds it.
func TestForgedCases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*caseLog)
		code string // "" if the file is let through
		says string
		// whole is how the file is refused that has the car's other histories.
		whole string
	}{
		{"a decision by an actor without the role", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.writes(maker+":bob", "correction.decided/1", g.accepts(148_210))
		}, "case_author", "bob of maker.example may not bring correction.decided/1", ""},
		{"a decision by the maker's firm, nobody in person", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.writes(maker, "correction.decided/1", g.accepts(148_210))
		}, "case_author", "maker.example may not", ""},
		{"a decision by an arbitrator where the maker decides", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.writes(maker, "case.message/1", obj("case", g.id, "prev", g.last))
			g.writes(arbiter+":ada", "correction.decided/1", g.accepts(148_210))
		}, "case_author", "ada of arbiter.example may not", ""},
		{"a decision by the requester's own member", func(g *caseLog) {
			g.reading1 = g.hashAt(g.reading(maker, vinA, 50_000, g.workshop(maker)))
			g.seal()
			g.wait(40 * 24 * time.Hour)
			g.asks(maker, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
		}, "case_author", "ann of maker.example may not", ""},
		{"a decision that crosses with evidence", func(g *caseLog) {
			g.asks(garage, 148_210)
			crossing := g.accepts(148_210)
			g.writes(dealer, "case.evidence/1", obj("case", g.id, "prev", g.last))
			g.writes(maker+":ann", "correction.decided/1", crossing)
		}, "case_moved", "the newest record of the case is", ""},
		{"a decision after a record that there is not", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.last = strings.Repeat("7", 64)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
		}, "case_moved", "the newest record of the case is", ""},
		{"a second decision", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			g.writes(maker+":ann", "correction.decided/1", g.accepts(150_000))
		}, "case_state", "the correction is in force", ""},
		{"a decision in no case", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.id = g.reading1
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
		}, "case_unknown", "opened no case of this vehicle", ""},
		{"a self-correction outside its window", func(g *caseLog) {
			g.wait(29 * 24 * time.Hour)
			g.asks(dealer, 148_210)
		}, "window_closed", "the time for this ended at 2026-06-01T21:59:59Z", ""},
		{"a self-correction without evidence, after a day", func(g *caseLog) {
			g.wait(25 * time.Hour)
			g.asks(dealer, 148_210)
		}, "case_needs", "an attachment is missing", ""},
		{"a second correction while the first is open", func(g *caseLog) {
			g.asks(garage, 148_210)
			g.asks(garage, 150_000)
		}, "case_open", "is not decided yet", ""},
		{"a correction that passes over a decision", func(g *caseLog) {
			g.asks(dealer, 148_210)
			g.asks(garage, 150_000)
		}, "case_needs", "was decided about by", ""},
		{"a correction to what counts already", func(g *caseLog) { g.asks(garage, 48_210) }, "no_change", "this is what counts already", ""},
		{"mileage that falls on nobody's word", func(g *caseLog) {
			g.asks(garage, 8_210)
			member, key := maker, g.actorKey(maker, "ann")
			g.add(envelope{"correction.decided/1", member, []string{"vehicle/" + vinA}, g.accepts(8_210), as("ann")}, key)
			g.seal()
		}, "case_needs", "the mileage falls", ""},
		{"a dispute decided by one of its parties", func(g *caseLog) {
			g.opens(garage, g.reading1)
			g.wait(20 * 24 * time.Hour)
			g.writes(maker+":ann", "dispute.decided/1", g.rules(g.reading1))
		}, "not_allowed", "may not write dispute.decided/1", ""},
		{"a dispute decided before it was answered", func(g *caseLog) {
			g.opens(garage, g.reading1)
			g.writes(arbiter+":ada", "dispute.decided/1", g.rules(g.reading1))
		}, "case_state", "is not overdue before", ""},
		{"an appeal decided by the same arbitrator", func(g *caseLog) {
			g.opens(garage, g.reading1)
			g.writes(dealer, "dispute.answered/1", obj("case", g.id, "position", "denies", "prev", g.last))
			g.writes(arbiter+":ada", "dispute.decided/1", g.rules(g.reading1))
			g.writes(dealer, "dispute.appealed/1", obj("case", g.id, "prev", g.last))
			g.writes(arbiter+":ada", "dispute.appeal_decided/1", g.rules(g.reading1).With("outcome", jcs.Text("upheld")))
		}, "case_author", "ada of arbiter.example may not", ""},
		{"an appeal after its window", func(g *caseLog) {
			g.opens(garage, g.reading1)
			g.writes(dealer, "dispute.answered/1", obj("case", g.id, "position", "denies", "prev", g.last))
			g.writes(arbiter+":ada", "dispute.decided/1", g.rules(g.reading1))
			g.wait(30 * 24 * time.Hour)
			g.writes(dealer, "dispute.appealed/1", obj("case", g.id, "prev", g.last))
		}, "window_closed", "the time for this ended", ""},
		// What the file cannot tell is said. The maker of the car has written
		// nothing of what the file shows.
		{name: "a decision by an arbitrator where a maker may decide", do: func(g *caseLog) {
			g.asks(garage, 148_210)
			g.writes(arbiter+":ada", "correction.decided/1", g.accepts(148_210))
		}, says: "its case is not checked in full: that no member acts for the maker of this vehicle is not shown by the file"},
		// A target may stand in a history that a buyer's file lacks.
		{name: "a dispute about a record that is not there", do: func(g *caseLog) {
			g.opens(garage, strings.Repeat("7", 64))
		}, says: "the record that its case is about is withheld", whole: "record < reference"},
	} {
		g := newCases(t)
		c.do(g)
		if c.code == "" {
			r := accepted(t, g.file(vinA).Bytes(), g.options())
			if last := r.Results[len(r.Results)-1]; !strings.Contains(last.Reason, c.says) {
				t.Errorf("%s: %s %s", c.name, last.Verdict, last.Reason)
			}
			if c.whole == "" {
				continue
			}
			refused(t, g.court().Bytes(), g.options(), c.whole, "is no record that stands before it")
			continue
		}
		r := verify.Verify(g.file(vinA).Bytes(), g.options())
		if codes(r.Failure) != "record < "+c.code || !strings.Contains(r.Failure.Error(), c.says) {
			t.Errorf("%s: %s: %v, want %s %q", c.name, codes(r.Failure), r.Failure, c.code, c.says)
		}
	}
}

// Where records of a case are withheld, what follows is said not to be
// checked in full. It is not held against it; but what is wrong for certain
// stays wrong.
func TestCasesWithWithheldRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*caseLog) (hidden []string)
		code string // of the refusal, if any
		says string // in the reason of the newest record, if it is let through
	}{
		{"the request", func(g *caseLog) []string {
			id := g.asks(garage, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			return []string{id}
		}, "", "the record that opened its case is not shown"},
		{"evidence", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			e := g.writes(dealer, "case.evidence/1", obj("case", g.id, "prev", g.last))
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			return []string{e}
		}, "", "a record of its case is withheld"},
		{"the decision, before a second one", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			d := g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			g.writes(maker+":ann", "correction.decided/1", g.accepts(150_000))
			return []string{d}
		}, "", "a record of its case is withheld"},
		{"the decision, before one that crosses with it", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			crossing := g.accepts(150_000)
			d := g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			g.writes(maker+":ann", "correction.decided/1", crossing)
			return []string{d}
		}, "", "records are withheld before it that may belong to its case"},
		{"the reading", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			return []string{g.reading1}
		}, "", "who wrote the record that its case is about is withheld"},
		{"an earlier decision", func(g *caseLog) []string {
			d := g.asks(dealer, 148_210)
			g.asks(garage, 150_000, "after", d)
			return []string{d}
		}, "", "the decision that it follows is withheld"},
		{"an earlier case that was open", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			d := g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			g.asks(garage, 150_000, "after", d)
			return []string{d}
		}, "", "withheld records may belong to an earlier case"},
		{"evidence, before a decision by the wrong role", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			e := g.writes(dealer, "case.evidence/1", obj("case", g.id, "prev", g.last))
			g.writes(maker+":bob", "correction.decided/1", g.accepts(148_210))
			return []string{e}
		}, "case_author", "may not bring"},
		{"something after the case, before a second decision", func(g *caseLog) []string {
			g.asks(garage, 148_210)
			g.writes(maker+":ann", "correction.decided/1", g.accepts(148_210))
			other := g.hashAt(g.reading(inspector, vinA, 60_000, g.workshop(inspector)))
			g.seal()
			g.writes(maker+":ann", "correction.decided/1", g.accepts(150_000))
			return []string{other}
		}, "case_state", "is in force"},
	} {
		g := newCases(t)
		hidden := c.do(g)
		whole := verify.Verify(g.file(vinA).Bytes(), g.options())
		opt := g.options()
		opt.AllowWithheld = true
		r := verify.Verify(g.withholding(vinA, hidden...).Bytes(), opt)
		last := r.Results[len(r.Results)-1]
		switch {
		case c.code == "" && (!r.Verified || last.Verdict != verify.Valid || !strings.Contains(last.Reason, c.says)):
			t.Errorf("%s: %v; %s: %s", c.name, r.Failure, last.Verdict, last.Reason)
		case c.code != "" && (codes(r.Failure) != "record < "+c.code || !strings.Contains(r.Failure.Error(), c.says)):
			t.Errorf("%s: %s: %v", c.name, codes(r.Failure), r.Failure)
		}
		if strings.Contains(c.name, "before") == whole.Verified {
			t.Errorf("%s: with all shown: %v", c.name, whole.Failure)
		}
	}
}

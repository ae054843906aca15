package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// catalogueLog is a case log with a second supporter of the maker, in whose
// workshop a claim is filed.
type catalogueLog struct{ *caseLog }

func newCatalogue(t testing.TB) *catalogueLog {
	g := &catalogueLog{newCases(t)}
	g.addKey(maker, g.actorKey(maker, "cho"), "record", "actor", "cho")
	g.grantRole(maker, "cho", "support")
	g.seal()
	return g
}

var (
	inWorkshop = []string{"workshop/" + vinA}
	inRecall   = []string{"campaign/26V-014", "vehicle/" + vinA}
)

// puts has member or member:actor put a record on the log, in a batch of its
// own, with attachments of some kinds.
func (g *catalogueLog) puts(who, typ string, on []string, body jcs.Value, kinds []string, refs ...string) string {
	member, actor, _ := strings.Cut(who, ":")
	key := g.workshop(member)
	var fields []jcs.Field
	if actor != "" {
		key, fields = g.actorKey(member, actor), as(actor)
	}
	if kinds != nil {
		fields = append(fields, attached(kinds...))
	}
	if refs != nil {
		fields = append(fields, jcs.Field{Name: "refs", Value: jcs.Texts(refs)})
	}
	g.last = g.hashAt(g.add(envelope{typ, member, on, body, fields}, key))
	g.seal()
	return g.last
}

func (g *catalogueLog) claims(kinds ...string) {
	body := obj("failure_date", "2026-01-02", "for", "owner", "lines", []jcs.Value{obj("pay", "warranty", "work_type", "cooling")}, "order_no", "W-1",
		"parts_requested", true, "reading_ref", g.reading1, "version", 1)
	g.id = g.puts(dealer, "warranty.claim/1", inWorkshop, body, kinds)
}

var claimPapers = []string{"application", "photo", "defect_report", "specialist_report"}

// step is the body of a record that follows in the case.
func (g *catalogueLog) step(more ...any) jcs.Value {
	return obj(append([]any{"case", g.id, "prev", g.last}, more...)...)
}

func (g *catalogueLog) says(who string, more ...any) {
	g.puts(who, "warranty.status/1", inWorkshop, g.step(more...), nil, g.reading1)
}

func (g *catalogueLog) appealsRefusal() {
	g.claims(claimPapers...)
	g.says(maker+":ann", "reason", "no_cover", "status", "registered")
	g.says(maker+":ann", "reason", "wear", "status", "refused")
	g.puts(dealer, "warranty.appealed/1", inWorkshop, g.step(), []string{"justification", "examination"})
}

func (g *catalogueLog) decides(who string) {
	g.puts(who, "warranty.appeal_decided/1", inWorkshop, g.step("outcome", "granted", "reasons", "the invoice shows it"), nil, g.reading1)
}

func (g *catalogueLog) orders() {
	g.claims(claimPapers...)
	g.id = g.puts(dealer, "part.order/1", inWorkshop, obj("claim_case", g.id, "part_no", "A", "quantity", 1, "status", "requested"), nil)
}

func (g *catalogueLog) part(status string, more ...any) {
	g.puts(maker, "part.order/1", inWorkshop, g.step(append([]any{"status", status}, more...)...), nil)
}

func (g *catalogueLog) recalls() {
	body := obj("affected", 1, "campaign", "26V-014", "component", "booster", "consequence", "longer braking", "defect", "tears", "remedy", "replace", "safety", true)
	g.id = g.puts(maker, "recall.published/1", inRecall[:1], body, nil)
	g.puts(maker, "recall.affects/1", inRecall, obj("case", g.id), nil)
}

func (g *catalogueLog) notifies() {
	g.puts(dealer, "recall.notified/1", inRecall, g.step("means", "post"), nil)
}

// The workshop's cases are told from a file that has its history, the car's
// from every file; of a recall the campaign itself is elsewhere.
func TestCatalogueInAFile(t *testing.T) {
	t.Parallel()
	g := newCatalogue(t)
	g.appealsRefusal()
	g.decides(maker + ":cho")
	g.orders()
	g.part("ordered", "expected", "2026-09-01")
	g.part("in_import")
	g.recalls()
	g.notifies()
	for _, c := range []struct {
		file *verify.File
		want string
	}{
		{g.court(), "warranty approved, warranty filed, order ordered, recall notified"},
		{g.file(vinA), "recall notified"},
	} {
		r := accepted(t, c.file.Bytes(), g.options())
		var got []string
		for _, s := range r.Meaning.Cases {
			got = append(got, s.Kind+" "+s.State)
			if s.Unclear {
				t.Errorf("%s is unclear", s.Kind)
			}
		}
		if strings.Join(got, ", ") != c.want || !slices.Equal(cases.OpenRecalls(r.Meaning.Cases), inRecall[:1]) {
			t.Errorf("the cases are %v, want %s", got, c.want)
		}
		for _, res := range r.Results {
			want := ""
			if res.Record.Type == "recall.affects/1" {
				want = "its case is not checked in full: the campaign is in another history than this file's"
			}
			if res.Verdict != verify.Valid || res.Reason != want {
				t.Errorf("log index %d, %s: %s %s", res.Index, res.Record.Type, res.Verdict, res.Reason)
			}
		}
	}
}

// What no case of the catalogue allows, in a log whose nodes let it in.
func TestForgedCatalogue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*catalogueLog)
		code string
		says string
	}{
		{"a claim for parts without the specialist's report", func(g *catalogueLog) { g.claims("application", "photo", "defect_report") }, "case_needs", "specialist_report"},
		{"a registration by the maker's firm, nobody in person", func(g *catalogueLog) {
			g.claims(claimPapers...)
			g.says(maker, "reason", "no_cover", "status", "registered")
		}, "case_author", "maker.example may not"},
		{"a refusal that relies on nothing", func(g *catalogueLog) {
			g.claims(claimPapers...)
			g.says(maker+":ann", "reason", "no_cover", "status", "registered")
			g.puts(maker+":ann", "warranty.status/1", inWorkshop, g.step("reason", "wear", "status", "refused"), nil)
		}, "case_needs", "relies on is missing"},
		{"an appeal decided by who refused", func(g *catalogueLog) {
			g.appealsRefusal()
			g.decides(maker + ":ann")
		}, "case_author", "ann of maker.example may not"},
		{"an appeal decided by an arbitrator in the maker's time", func(g *catalogueLog) {
			g.appealsRefusal()
			g.decides(arbiter + ":ada")
		}, "case_author", "ada of arbiter.example may not"},
		{"an appeal after its window", func(g *catalogueLog) {
			g.claims(claimPapers...)
			g.says(maker+":ann", "reason", "no_cover", "status", "registered")
			g.says(maker+":ann", "reason", "wear", "status", "refused")
			g.clock += 30 * 24 * 3600_000
			g.puts(dealer, "warranty.appealed/1", inWorkshop, g.step(), []string{"justification", "examination"})
		}, "window_closed", "the time for this ended"},
		{"evidence for a claim in the car's own history", func(g *catalogueLog) {
			g.claims(claimPapers...)
			g.puts(dealer, "case.evidence/1", []string{"vehicle/" + vinA}, g.step(), []string{"photo"})
		}, "case_unknown", "opened no case of this vehicle"},
		{"a claim's status that crosses with another", func(g *catalogueLog) {
			g.claims(claimPapers...)
			crossing := g.step("reason", "no_cover", "status", "registered")
			g.puts(dealer, "case.message/1", inWorkshop, g.step(), []string{"photo"})
			g.puts(maker+":ann", "warranty.status/1", inWorkshop, crossing, nil)
		}, "case_moved", "the newest record of the case is"},
		{"a part that is shipped and was not ordered", func(g *catalogueLog) {
			g.orders()
			g.part("shipped")
		}, "case_state", "asked for, not ordered"},
		{"customs twice", func(g *catalogueLog) {
			g.orders()
			g.part("ordered", "expected", "2026-09-01")
			g.part("customs")
			g.part("customs")
		}, "case_state", "was said before"},
		{"an order for no claim", func(g *catalogueLog) {
			g.puts(dealer, "part.order/1", inWorkshop, obj("claim_case", g.reading1, "part_no", "A", "quantity", 1, "status", "requested"), nil)
		}, "case_needs", "is no warranty about this vehicle"},
		{"word of a recall that does not concern the car", func(g *catalogueLog) {
			g.id, g.last = strings.Repeat("7", 64), strings.Repeat("7", 64)
			g.notifies()
		}, "case_unknown", "opened no case of this vehicle"},
		{"a recall lifted by a financier", func(g *catalogueLog) {
			g.recalls()
			g.puts(maker+":bob", "recall.lifted/1", inRecall, g.step("reason", "vin_by_mistake"), nil)
		}, "case_author", "bob of maker.example may not"},
		{"a car that is named twice", func(g *catalogueLog) {
			g.recalls()
			g.puts(maker, "recall.affects/1", inRecall, obj("case", g.id), nil)
		}, "case_moved", "the newest record of the case is"},
	} {
		g := newCatalogue(t)
		c.do(g)
		r := verify.Verify(g.court().Bytes(), g.options())
		if codes(r.Failure) != "record < "+c.code || !strings.Contains(r.Failure.Error(), c.says) {
			t.Errorf("%s: %s: %v, want %s %q", c.name, codes(r.Failure), r.Failure, c.code, c.says)
		}
	}
}

// Withheld records leave open what they may have said, and no more.
func TestCatalogueWithWithheldRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*catalogueLog) (hidden string)
		says string // in the reason of the newest record
		open bool   // a recall is shown to be open
	}{
		{"the claim", func(g *catalogueLog) string {
			g.claims(claimPapers...)
			id := g.id
			g.says(maker+":ann", "reason", "no_cover", "status", "registered")
			return id
		}, "the record that opened its case is not shown", false},
		{"the refusal, before a decision that only follows one", func(g *catalogueLog) string {
			g.claims(claimPapers...)
			g.says(maker+":ann", "reason", "no_cover", "status", "registered")
			g.says(maker+":ann", "reason", "wear", "status", "refused")
			hidden := g.last
			g.puts(dealer, "warranty.appealed/1", inWorkshop, g.step(), []string{"justification", "examination"})
			return hidden
		}, "a record of its case is withheld", false},
		{"that the car is recalled", func(g *catalogueLog) string {
			g.recalls()
			hidden := g.last
			g.notifies()
			return hidden
		}, "the record that opened its case is not shown", false},
		{"that the owner was told", func(g *catalogueLog) string {
			g.recalls()
			g.notifies()
			return g.last
		}, "", true},
	} {
		g := newCatalogue(t)
		hidden := c.do(g)
		f := g.court()
		if n, err := f.Withhold(hidden); err != nil || n != 1 {
			t.Fatalf("%s: %d %v", c.name, n, err)
		}
		opt := g.options()
		opt.AllowWithheld = true
		r := verify.Verify(f.Bytes(), opt)
		if !r.Verified {
			t.Errorf("%s: %v", c.name, r.Failure)
			continue
		}
		told := slices.ContainsFunc(r.Results, func(res verify.Result) bool { return strings.Contains(res.Reason, c.says) })
		if !told || (cases.OpenRecalls(r.Meaning.Cases) != nil) != c.open {
			t.Errorf("%s: %q is not said, or open are %v", c.name, c.says, cases.OpenRecalls(r.Meaning.Cases))
		}
		for _, s := range r.Meaning.Cases {
			if !s.Unclear {
				t.Errorf("%s: how the %s stands is claimed", c.name, s.Kind)
			}
		}
	}
}

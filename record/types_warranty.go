package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// Warranty: what is covered, and the claims on it.
func init() {
	workshop, dealer, maker, decider := []string{"workshop"}, []string{"DLR"}, []string{"MFR"}, []string{"MFR", "ARB"}
	const plain = `{"case":"` + exampleHash + `","prev":"` + exampleHashB + `"}`
	const deadline = "within the deadline of the case"
	lineNo := need("line", Whole{0, 199}, "which line of the claim; the first is 0")
	amount := need("amount", digest, "commitment to the amount")
	claimed := append(slices.Clone(line), may("causal_part", Text{32}, "number of the part that caused it"),
		may("diagnosis", Text{16}, "what was found, by the maker's code"), may("symptom", Text{16}, "what showed, by the maker's code"))
	define(
		Type{
			Name: "warranty.cover/1", Sentence: "a maker says what it covers, and until when",
			Subjects: workshop, Writers: maker, Fresh: "real time",
			Body: Object{
				need("coverage", code, "which cover it is, such as powertrain"), need("ends", dayForm, "last day of it"),
				may("exclusions", listOf(code, 32), "what it does not cover"), may("limit_km", odometer, "kilometres at which it ends, if earlier"),
				need("parts_groups", listOf(code, 64), "groups of parts that it covers"), need("starts", dayForm, "first day of it"),
				need("transferable", YesNo{}, "whether it stays with the vehicle when that is sold"),
			},
			Example: `{"coverage":"powertrain","ends":"2029-03-01","exclusions":["wear"],"limit_km":100000,"parts_groups":["engine","gearbox"],` +
				`"starts":"2026-03-02","transferable":true}`,
			Demands: "ends does not lie before starts.",
			Say: func(b jcs.Value) (string, string) {
				s := fmt.Sprintf("warranty cover %s from %s to %s", word(b, "coverage"), b.Get("starts").Str, b.Get("ends").Str)
				if b.Has("limit_km") {
					s += ", or " + Thousands(b.Get("limit_km").Int) + " km"
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if r.Body.Get("ends").Str < r.Body.Get("starts").Str {
					return badField("body.ends", "it lies before starts")
				}
				return nil
			},
		},
		Type{
			Name: "warranty.claim/1", Sentence: "a dealer claims work or parts on warranty",
			Subjects: workshop, Writers: dealer, Fresh: "real time", Case: "warranty",
			Body: Object{
				need("failure_date", dayForm, "when it failed"), need("for", Enum{"self", "owner", "fleet"}, "for whom it is claimed"),
				need("lines", listOf(claimed, 200), "what is claimed, line by line"), need("order_no", Text{32}, "number of the order"),
				need("parts_requested", YesNo{}, "whether parts are asked for"), may("price_list", hexHash, "SHA-256 of the price list that applies"),
				may("prior", hexHash, "leaf hash of the claim that it takes the place of"), readingRef,
				need("version", Whole{1, 1000}, "1, or one more than that of prior"),
			},
			Example: `{"failure_date":"2026-05-02","for":"owner","lines":[{"campaign":"26V-014","causal_part":"21010-4","cause":"leaks","complaint":"loses coolant",` +
				`"correction":"pump replaced","cost":"` + exampleB64 + `","diagnosis":"D-31","hours_100":250,"op_code":"WP-2",` +
				`"parts":[{"no":"21010-4","quantity_100":100}],"pay":"warranty","symptom":"S-07","work_type":"cooling"}],"order_no":"W-2041","parts_requested":true,"price_list":"` + exampleHash + `","prior":"` + exampleHashB + `","reading_ref":"` + exampleHash + `","version":2}`,
			Demands: "failure_date does not lie after the day of event_time; prior goes with a version above 1.",
			Say: func(b jcs.Value) (string, string) {
				s := fmt.Sprintf("warranty claim %s, lines: %d", b.Get("order_no").Str, len(b.Get("lines").List))
				if b.Get("parts_requested").Int == 1 {
					s += ", parts asked for"
				}
				if b.Has("prior") {
					s += fmt.Sprintf("; version %d, in the place of %s", b.Get("version").Int, short(b.Get("prior").Str))
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if day := r.EventTime.Format("2006-01-02"); r.Body.Get("failure_date").Str > day {
					return badField("body.failure_date", "it lies after the event, %s", day)
				}
				if r.Body.Has("prior") != (r.Body.Get("version").Int > 1) {
					return badField("body.prior", "a claim of version 1 has none; every other names the one that it takes the place of")
				}
				return nil
			},
		},
		Type{
			Name: "warranty.status/1", Sentence: "the maker says how a claim stands",
			Subjects: workshop, Writers: decider, Fresh: "daily to owner and dealer", Case: "warranty",
			Body: Object{
				caseID, may("cover_ref", Ref{"warranty.cover/1"}, "leaf hash of the cover that applies"),
				may("interval", Whole{0, 63}, "which interval of the service plan was missed; the first is 0"),
				may("lines", listOf(Object{lineNo, need("ok", YesNo{}, "whether it is approved")}, 200), "what is approved, line by line"),
				may("missing", listOf(code, 32), "kinds of attachment that are missing"),
				may("plan_ref", hexHash, "leaf hash of the service.plan that was not kept"), casePrev,
				may("reason", code, "why"),
				need("status", Enum{"more_info", "registered", "suspended", "resumed", "approved", "partly", "refused"}, "what becomes of the claim"),
			},
			Example: `{"case":"` + exampleHash + `","interval":1,"plan_ref":"` + exampleHash + `","prev":"` + exampleHashB + `","reason":"maintenance_missed","status":"refused"}`,
			Demands: "missing goes with more_info, cover_ref with registered, lines with approved and partly, plan_ref and interval with refused; each line once.",
			Say: func(b jcs.Value) (string, string) {
				s := "warranty claim: " + map[string]string{
					"more_info": "more is needed", "registered": "registered", "suspended": "the clock stands", "resumed": "the clock runs on",
					"approved": "approved", "partly": "approved in part", "refused": "refused",
				}[b.Get("status").Str]
				if m := b.Get("missing").Strings(); m != nil {
					s += ": " + strings.ReplaceAll(strings.Join(m, ", "), "_", " ")
				}
				if b.Has("reason") {
					s += ", reason: " + word(b, "reason")
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if err := goesWith(r, map[string][]string{
					"missing": {"more_info"}, "cover_ref": {"registered"}, "lines": {"approved", "partly"}, "plan_ref": {"refused"}, "interval": {"refused"},
				}); err != nil {
					return err
				}
				return linesOnce(r)
			},
		},
		Type{
			Name: "warranty.assessed/1", Sentence: "the maker assesses a claim by its cover, line by line",
			Subjects: workshop, Writers: maker, Fresh: deadline, Case: "warranty",
			Body: Object{
				caseID, need("lines", listOf(Object{
					may("cover_ref", Ref{"warranty.cover/1"}, "leaf hash of the cover that applies"), need("covered", YesNo{}, "whether it is covered"),
					lineNo, need("rule", code, "why, by the maker's code"),
				}, 200), "what was found, line by line"), casePrev, need("rules", Whole{1, 1 << 31}, "version of the maker's rules that was applied"),
			},
			Example: `{"case":"` + exampleHash + `","lines":[{"cover_ref":"` + exampleHash + `","covered":true,"line":0,"rule":"within_term"}],"prev":"` + exampleHashB + `","rules":3}`,
			Demands: "Each line once.",
			Say: func(b jcs.Value) (string, string) {
				covered, lines := 0, b.Get("lines").List
				for _, l := range lines {
					covered += int(l.Get("covered").Int)
				}
				return fmt.Sprintf("warranty claim assessed, lines covered: %d of %d", covered, len(lines)), ""
			},
			Rule: linesOnce,
		},
		Type{
			Name: "warranty.job_report/1", Sentence: "the dealer reports the work that was approved",
			Subjects: workshop, Writers: dealer, Fresh: deadline, Case: "warranty",
			Body:    Object{caseID, need("order_no", Text{32}, "number of the order"), casePrev},
			Example: `{"case":"` + exampleHash + `","order_no":"W-2041","prev":"` + exampleHashB + `"}`,
			Say: func(b jcs.Value) (string, string) {
				return "warranty work done, order " + b.Get("order_no").Str, ""
			},
		},
		Type{
			Name: "warranty.payment_requested/1", Sentence: "the dealer asks to be paid for warranty work",
			Subjects: workshop, Writers: dealer, Fresh: "real time", Case: "warranty",
			Body:    Object{amount, caseID, casePrev},
			Example: `{"amount":"` + exampleB64 + `","case":"` + exampleHash + `","prev":"` + exampleHashB + `"}`,
			Say:     func(jcs.Value) (string, string) { return "payment of the warranty claim asked for", "" },
		},
		Type{
			Name: "warranty.paid/1", Sentence: "the maker has paid a claim",
			Subjects: workshop, Writers: maker, Fresh: deadline, Case: "warranty",
			Body:    Object{amount, caseID, casePrev},
			Example: `{"amount":"` + exampleB64 + `","case":"` + exampleHash + `","prev":"` + exampleHashB + `"}`,
			Say:     func(jcs.Value) (string, string) { return "warranty claim paid", "" },
		},
		Type{
			Name: "warranty.appealed/1", Sentence: "the dealer appeals against what was refused of a claim",
			Subjects: workshop, Writers: dealer, Fresh: "within the window of the case", Case: "warranty",
			Body: Object{caseID, casePrev}, Example: plain,
			Say: func(jcs.Value) (string, string) { return "appeal against the decision on the warranty claim", "" },
		},
		Type{
			Name: "warranty.appeal_decided/1", Sentence: "somebody else than the refuser decides the appeal of a claim",
			Subjects: workshop, Writers: decider, Fresh: deadline, Case: "warranty",
			Body:    Object{caseID, need("outcome", Enum{"upheld", "granted", "partly"}, "of the appeal; upheld: the decision stands"), casePrev, reasons},
			Example: `{"case":"` + exampleHash + `","outcome":"granted","prev":"` + exampleHashB + `","reasons":"the invoice shows the service"}`,
			Say: func(b jcs.Value) (string, string) {
				return "warranty appeal decided: " + map[string]string{"upheld": "the decision stands", "granted": "the appeal succeeds", "partly": "the appeal succeeds in part"}[b.Get("outcome").Str], ""
			},
		},
	)
}

// goesWith: fields that a body has fit its status.
func goesWith(r *Record, statuses map[string][]string) error {
	for _, f := range r.Body.Obj {
		if with, bound := statuses[f.Name]; bound && !slices.Contains(with, r.Body.Get("status").Str) {
			return badField("body."+f.Name, "it goes with the status %s only", with[0])
		}
	}
	return nil
}

// linesOnce: no line of a claim is spoken of twice.
func linesOnce(r *Record) error {
	seen := map[int64]bool{}
	for i, l := range r.Body.Get("lines").List {
		n := l.Get("line").Int
		if seen[n] {
			return badField(indexed("body.lines", i), "line %d stands there twice", n)
		}
		seen[n] = true
	}
	return nil
}

package cases

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record/jcs"
)

const (
	both   = "dealer.example " + makerStaff // a claim's two sides
	panel2 = panel + " umpire.example:ute"
)

func status(s string, more ...any) func(g *stage, id string) jcs.Value {
	return func(g *stage, id string) jcs.Value { return g.step(id, append([]any{"status", s}, more...)...) }
}

func lines(ok ...bool) jcs.Value {
	var list []jcs.Value
	for i, yes := range ok {
		list = append(list, obj("line", i, "ok", jcs.Boolean(yes)))
	}
	return jcs.Array(list...)
}

const amount = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func init() {
	step := func(more ...any) func(g *stage, id string) jcs.Value {
		return func(g *stage, id string) jcs.Value { return g.step(id, more...) }
	}
	verdict := func(outcome string) func(g *stage, id string) jcs.Value {
		return step("outcome", outcome, "reasons", "the invoice shows it")
	}
	for event, body := range map[string]func(g *stage, id string) jcs.Value{
		"warranty.status/1:more_info":       status("more_info", "missing", []string{"defect_report"}),
		"warranty.status/1:registered":      status("registered", "reason", "no_cover"),
		"warranty.status/1:suspended":       status("suspended", "reason", "expert_asked"),
		"warranty.status/1:resumed":         status("resumed", "reason", "expert_answered"),
		"warranty.status/1:approved":        status("approved", "lines", lines(true, true)),
		"warranty.status/1:partly":          status("partly", "lines", lines(true, false)),
		"warranty.status/1:refused":         status("refused", "reason", "wear"),
		"warranty.assessed/1":               step("lines", jcs.Array(obj("covered", jcs.Boolean(true), "line", 0, "rule", "term"), obj("covered", jcs.Boolean(false), "line", 1, "rule", "wear")), "rules", 1),
		"warranty.job_report/1":             step("order_no", "W-1"),
		"warranty.payment_requested/1":      step("amount", amount),
		"warranty.paid/1":                   step("amount", amount),
		"warranty.appealed/1":               step(),
		"warranty.appeal_decided/1:upheld":  verdict("upheld"),
		"warranty.appeal_decided/1:granted": verdict("granted"),
		"warranty.appeal_decided/1:partly":  verdict("partly"),

		"part.order/1:technical_check": status("technical_check"),
		"part.order/1:ordered":         status("ordered", "expected", "2026-06-01"),
		"part.order/1:refused":         status("refused", "reason", "not_made"),
		"part.order/1:in_import":       status("in_import"),
		"part.order/1:customs":         status("customs"),
		"part.order/1:arrived":         status("arrived"),
		"part.order/1:shipped":         status("shipped"),
		"part.order/1:cancelled":       status("cancelled"),
		"part.order/1:received":        status("received"),
		"part.return/1:accepted":       status("accepted"),
		"part.return/1:refused":        status("refused", "reason", "used"),
		"part.return/1:received":       status("received"),
		"part.return/1:credited":       status("credited", "amount", amount),

		"recall.closed/1": func(g *stage, id string) jcs.Value {
			body := g.step(id, "reason", "all_found")
			if c := g.store.Case(camp, id); c != nil {
				body = body.With("prev", jcs.Text(c.Last))
			}
			return body
		},
		"recall.affects/1":  step("again", jcs.Boolean(true), "reason", "remedy_failed"),
		"recall.notified/1": step("means", "post"),
		"recall.remedied/1": step("op_code", "RC-14", "reading_ref", strings.Repeat("0", 64)),
		"recall.lifted/1":   step("reason", "vin_by_mistake"),
	} {
		bodies[event] = body
	}
	scenes = append(scenes, warrantyScenes...)
	scenes = append(scenes, partScenes...)
	scenes = append(scenes, recallScenes...)
}

// claim is the body of a first claim, of two lines.
func claim(reading string) jcs.Value {
	line := obj("pay", "warranty", "work_type", "cooling")
	return obj("failure_date", "2026-05-01", "for", "owner", "lines", jcs.Array(line, line), "order_no", "W-1", "parts_requested", jcs.Boolean(true),
		"reading_ref", reading, "version", 1)
}

func filed(g *stage) string {
	return g.does("dealer.example", "warranty.claim/1", claim(g.reads("dealer.example", 48_210)), more{attach: papers, on: []string{shop}})
}

// after plays on: who and event in turn.
func after(play func(*stage) string, whoEvent ...string) func(*stage) string {
	return func(g *stage) string {
		id := play(g)
		for i := 0; i < len(whoEvent); i += 2 {
			g.brings(whoEvent[i], whoEvent[i+1], id)
		}
		return id
	}
}

func later(play func(*stage) string, days int) func(*stage) string {
	return func(g *stage) string {
		id := play(g)
		g.wait(time.Duration(days) * day)
		return id
	}
}

var (
	registered = after(filed, "maker.example:ann", "warranty.status/1:registered")
	suspended  = after(registered, "maker.example:ann", "warranty.status/1:suspended")
	approved   = after(registered, "maker.example:ann", "warranty.status/1:approved")
	inPart     = after(registered, "maker.example:ann", "warranty.status/1:partly")
	refused    = after(registered, "maker.example:ann", "warranty.status/1:refused")
	appealing  = after(refused, "dealer.example", "warranty.appealed/1")
	reported   = after(approved, "dealer.example", "warranty.job_report/1")
	payable    = after(reported, "dealer.example", "warranty.payment_requested/1")
)

var warrantyScenes = []scene{
	{"warranty", "filed", filed, map[string]string{
		"warranty.status/1:more_info":  support + " > more_info",
		"warranty.status/1:registered": support + " > registered",
		"case.evidence/1":              both + " > filed",
		"case.message/1":               both + " > filed",
		"case.withdrawn/1":             "dealer.example > withdrawn",
	}, nil},
	{"warranty", "filed", func(g *stage) string { // nobody stands for the maker
		g.makers = nil
		return filed(g)
	}, map[string]string{
		"warranty.status/1:more_info":  panel2 + " > more_info",
		"warranty.status/1:registered": panel2 + " > registered",
		"case.evidence/1":              "dealer.example > filed",
		"case.message/1":               "dealer.example > filed",
		"case.withdrawn/1":             "dealer.example > withdrawn",
	}, nil},
	{"warranty", "more_info", after(filed, "maker.example:ann", "warranty.status/1:more_info"), map[string]string{
		"case.evidence/1":  "dealer.example > filed",
		"case.message/1":   both + " > more_info",
		"case.withdrawn/1": "dealer.example > withdrawn",
	}, nil},
	{"warranty", "registered", registered, map[string]string{
		"warranty.assessed/1":         makerStaff + " > registered",
		"warranty.status/1:suspended": support + " > suspended",
		"warranty.status/1:approved":  support + " > approved",
		"warranty.status/1:partly":    support + " > partly",
		"warranty.status/1:refused":   support + " > refused",
		"case.evidence/1":             both + " > registered",
		"case.message/1":              both + " > registered",
		"case.withdrawn/1":            "dealer.example > withdrawn",
	}, nil},
	{"warranty", "suspended", suspended, map[string]string{
		"warranty.status/1:resumed": support + " > registered",
		"case.evidence/1":           both + " > suspended",
		"case.message/1":            both + " > suspended",
	}, nil},
	{"warranty", "approved", approved, map[string]string{
		"warranty.job_report/1": "dealer.example > reported",
		"case.message/1":        both + " > approved",
	}, nil},
	{"warranty", "partly", inPart, map[string]string{
		"warranty.job_report/1": "dealer.example > reported",
		"warranty.appealed/1":   "dealer.example > appealed",
		"case.message/1":        both + " > partly",
	}, nil},
	{"warranty", "partly", later(inPart, 21), map[string]string{ // the window is over
		"warranty.job_report/1": "dealer.example > reported",
		"warranty.appealed/1":   "",
		"case.message/1":        both + " > partly",
	}, map[string]string{"warranty.appealed/1 dealer.example": "window_closed"}},
	{"warranty", "refused", refused, map[string]string{"warranty.appealed/1": "dealer.example > appealed"}, nil},
	{"warranty", "refused", later(refused, 21), map[string]string{"warranty.appealed/1": ""}, // for good
		map[string]string{"warranty.appealed/1 dealer.example": "window_closed"}},
	{"warranty", "appealed", appealing, map[string]string{ // not by the refuser, ann
		"warranty.appeal_decided/1:upheld":  "maker.example:cho > refused_final",
		"warranty.appeal_decided/1:granted": "maker.example:cho > approved",
		"warranty.appeal_decided/1:partly":  "maker.example:cho > approved",
		"case.evidence/1":                   both + " > appealed",
		"case.message/1":                    both + " > appealed",
	}, nil},
	{"warranty", "appealed", later(appealing, 14), map[string]string{ // overdue
		"warranty.appeal_decided/1:upheld":  "maker.example:cho " + panel2 + " > refused_final",
		"warranty.appeal_decided/1:granted": "maker.example:cho " + panel2 + " > approved",
		"warranty.appeal_decided/1:partly":  "maker.example:cho " + panel2 + " > approved",
		"case.evidence/1":                   both + " > appealed",
		"case.message/1":                    both + " > appealed",
	}, nil},
	{"warranty", "appealed", after(inPart, "dealer.example", "warranty.appealed/1"), map[string]string{
		"warranty.appeal_decided/1:upheld":  "maker.example:cho > approved",
		"warranty.appeal_decided/1:granted": "maker.example:cho > approved",
		"warranty.appeal_decided/1:partly":  "maker.example:cho > approved",
		"case.evidence/1":                   both + " > appealed",
		"case.message/1":                    both + " > appealed",
	}, nil},
	{"warranty", "refused_final", after(appealing, "maker.example:cho", "warranty.appeal_decided/1:upheld"), nil, nil},
	{"warranty", "approved", after(appealing, "maker.example:cho", "warranty.appeal_decided/1:granted"), map[string]string{
		"warranty.job_report/1": "dealer.example > reported",
		"case.message/1":        both + " > approved",
	}, nil},
	{"warranty", "reported", reported, map[string]string{
		"warranty.payment_requested/1": "dealer.example > payable",
		"case.message/1":               both + " > reported",
	}, nil},
	{"warranty", "payable", payable, map[string]string{
		"warranty.paid/1": "maker.example:bob > paid",
		"case.message/1":  both + " > payable",
	}, nil},
	{"warranty", "paid", after(payable, "maker.example:bob", "warranty.paid/1"), nil, nil},
	{"warranty", "withdrawn", after(filed, "dealer.example", "case.withdrawn/1"), nil, nil},
}

// orders is an order for a claim of its own.
func orders(unique bool) func(*stage) string {
	return func(g *stage) string {
		body := obj("claim_case", filed(g), "part_no", "21010-4", "quantity", 1, "status", "requested", "unique", jcs.Boolean(unique))
		return g.does("dealer.example", "part.order/1", body, more{attach: papers, on: []string{shop}})
	}
}

var (
	ordered  = after(orders(true), "maker.example", "part.order/1:ordered")
	imported = after(ordered, "maker.example", "part.order/1:in_import")
	shipped  = after(ordered, "maker.example", "part.order/1:shipped")
	received = after(shipped, "dealer.example", "part.order/1:received")
)

func returning(g *stage) string {
	return g.does("dealer.example", "part.return/1", obj("order_case", received(g), "status", "requested"), more{attach: papers, on: []string{shop}})
}

var partScenes = []scene{
	{"order", "requested", orders(false), map[string]string{
		"part.order/1:technical_check": makerStaff + " > requested",
		"part.order/1:ordered":         makerStaff + " > ordered",
		"part.order/1:refused":         support + " > refused",
		"part.order/1:cancelled":       "dealer.example > cancelled",
		"case.evidence/1":              both + " > requested",
		"case.message/1":               both + " > requested",
		"case.withdrawn/1":             "dealer.example > withdrawn",
	}, nil},
	{"order", "ordered", imported, map[string]string{
		"part.order/1:in_import": "", // said already
		"part.order/1:customs":   makerStaff + " > ordered",
		"part.order/1:arrived":   makerStaff + " > ordered",
		"part.order/1:shipped":   makerStaff + " > shipped",
		"part.order/1:cancelled": "dealer.example > cancelled",
		"case.evidence/1":        both + " > ordered",
		"case.message/1":         both + " > ordered",
	}, map[string]string{
		"part.order/1:in_import maker.example": "case_state", "part.order/1:in_import maker.example:ann": "case_state",
		"part.order/1:in_import maker.example:bob": "case_state", "part.order/1:in_import maker.example:cho": "case_state",
	}},
	{"order", "shipped", shipped, map[string]string{
		"part.order/1:received": "dealer.example > received",
		"case.evidence/1":       both + " > shipped",
		"case.message/1":        both + " > shipped",
	}, nil},
	{"order", "received", received, nil, nil},
	{"order", "refused", after(orders(false), "maker.example:ann", "part.order/1:refused"), nil, nil},
	{"order", "cancelled", after(ordered, "dealer.example", "part.order/1:cancelled"), nil, nil},
	{"order", "withdrawn", after(orders(false), "dealer.example", "case.withdrawn/1"), nil, nil},

	{"return", "requested", returning, map[string]string{
		"part.return/1:accepted": "maker.example:bob > accepted",
		"part.return/1:refused":  "maker.example:bob > refused",
		"case.evidence/1":        both + " > requested",
		"case.message/1":         both + " > requested",
		"case.withdrawn/1":       "dealer.example > withdrawn",
	}, nil},
	{"return", "accepted", after(returning, "maker.example:bob", "part.return/1:accepted"), map[string]string{
		"part.return/1:received": makerStaff + " > received",
		"case.evidence/1":        both + " > accepted",
		"case.message/1":         both + " > accepted",
	}, nil},
	{"return", "received", after(returning, "maker.example:bob", "part.return/1:accepted", "maker.example", "part.return/1:received"), map[string]string{
		"part.return/1:credited": "maker.example:bob > credited",
		"case.evidence/1":        both + " > received",
		"case.message/1":         both + " > received",
	}, nil},
	{"return", "credited", after(returning, "maker.example:bob", "part.return/1:accepted", "maker.example", "part.return/1:received", "maker.example:bob", "part.return/1:credited"), nil, nil},
	{"return", "refused", after(returning, "maker.example:bob", "part.return/1:refused"), nil, nil},
	{"return", "withdrawn", after(returning, "dealer.example", "case.withdrawn/1"), nil, nil},
}

func published(g *stage) string {
	body := obj("affected", 2, "campaign", strings.TrimPrefix(camp, "campaign/"), "component", "booster", "consequence", "longer braking", "defect", "tears",
		"remedy", "replace it", "safety", jcs.Boolean(true))
	return g.does("maker.example", "recall.published/1", body, more{on: []string{camp}})
}

func recalled(g *stage) string {
	id := published(g)
	g.does("maker.example", "recall.affects/1", obj("case", id), more{on: []string{camp, car}})
	return id
}

var recallScenes = []scene{
	{"campaign", "published", published, map[string]string{"recall.closed/1": makerStaff + " > closed"}, nil},
	{"campaign", "closed", after(published, "maker.example", "recall.closed/1"), nil, nil},
	{"recall", "open", recalled, map[string]string{
		"recall.affects/1":  makerStaff + " > open",
		"recall.notified/1": dealers + " " + makerStaff + " > notified",
		"recall.remedied/1": dealers + " > remedied",
		"recall.lifted/1":   support + " > lifted",
	}, nil},
	{"recall", "open", after(recalled, "maker.example", "recall.closed/1"), map[string]string{ // the campaign is closed
		"recall.affects/1":  makerStaff + " > open",
		"recall.notified/1": dealers + " " + makerStaff + " > notified",
		"recall.remedied/1": dealers + " > remedied",
		"recall.lifted/1":   support + " > lifted",
	}, nil},
	{"recall", "notified", after(recalled, "dealer.example", "recall.notified/1"), map[string]string{
		"recall.affects/1":  makerStaff + " > open",
		"recall.notified/1": dealers + " " + makerStaff + " > notified",
		"recall.remedied/1": dealers + " > remedied",
		"recall.lifted/1":   support + " > lifted",
	}, nil},
	{"recall", "remedied", after(recalled, "garage.example", "recall.remedied/1"), map[string]string{
		"recall.affects/1": makerStaff + " > open",
	}, nil},
	{"recall", "lifted", after(recalled, "maker.example:ann", "recall.lifted/1"), nil, nil},
}

// Who may open the other cases.
func TestEveryOpeningOfTheCatalogue(t *testing.T) {
	t.Parallel()
	for who, p := range players {
		g := newStage(t)
		reading := g.reads("dealer.example", 48_210)
		tries := func(ok bool, typ string, body jcs.Value, on ...string) {
			t.Helper()
			if m := (more{attach: papers, on: on}); ok {
				g.does(who, typ, body, m)
			} else {
				g.refused("case_author", who, typ, body, m)
			}
		}
		dealer := p.kinds[0] == "DLR"
		tries(dealer, "warranty.claim/1", claim(reading), shop)
		tries(dealer, "part.order/1", obj("claim_case", filed(g), "part_no", "A", "quantity", 1, "status", "requested"), shop)
		back := obj("order_case", received(g), "status", "requested")
		if who == "garage.example" { // it is another dealer's order
			g.refused("case_needs", who, "part.return/1", back, more{attach: papers, on: []string{shop}})
		} else {
			tries(dealer, "part.return/1", back, shop)
		}
		tries(p.kinds[0] == "MFR", "recall.published/1", g.records[published(g)].Record.Body, camp)
		tries(strings.HasPrefix(who, "maker."), "recall.affects/1", obj("case", published(g)), camp, car)
	}
}

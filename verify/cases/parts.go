package cases

import (
	"slices"

	"github.com/milepost-log/milepost/certs/fault"
)

// order: a dealer orders a part for a warranty claim. What becomes of it on
// its way is said in any order, each once.
var order = &Case{
	Name: "order", In: "workshop",
	Steps: []Step{
		{On: "part.order/1:requested", Who: "DLR", Needs: "field:claim_case field:part_no field:quantity claim drawing", To: "requested"},
		{From: "requested", On: "part.order/1:technical_check", Who: "maker"},
		{From: "requested", On: "part.order/1:ordered", Who: "maker", Needs: "field:expected", To: "ordered"},
		{From: "requested", On: "part.order/1:refused", Who: "maker:support", Needs: "field:reason", To: "refused"},
		{From: "ordered", On: "part.order/1:in_import", Who: "maker", Needs: "first"},
		{From: "ordered", On: "part.order/1:customs", Who: "maker", Needs: "first"},
		{From: "ordered", On: "part.order/1:arrived", Who: "maker", Needs: "first"},
		{From: "ordered", On: "part.order/1:shipped", Who: "maker", To: "shipped"},
		{From: "requested|ordered", On: "part.order/1:cancelled", Who: "opener", To: "cancelled"},
		{From: "shipped", On: "part.order/1:received", Who: "opener", To: "received"},
		{From: "requested|ordered|shipped", On: "case.evidence/1", Who: "opener|maker", Needs: "attachments"},
		{From: "requested|ordered|shipped", On: "case.message/1", Who: "opener|maker", Needs: "attachments"},
		{From: "requested", On: "case.withdrawn/1", Who: "opener", To: "withdrawn"},
	},
	Clocks: []Clock{
		{Name: "decide", In: "requested", If: "unique:no", Working: true},
		{Name: "unique", In: "requested", If: "unique:yes"},
	},
	States: map[string]string{
		"requested": "asked for, not ordered",
		"ordered":   "ordered",
		"shipped":   "shipped, not received",
		"received":  "received",
		"refused":   "refused",
		"cancelled": "cancelled",
		"withdrawn": "withdrawn",
	},
	Closed: []string{"received", "refused", "cancelled", "withdrawn"},
	settle: func(m *move) error {
		if m.opening {
			m.c.About = m.r.Body.Get("claim_case").Str
		}
		switch outcome := outcomeOf(m.r.Body); {
		case outcome == "ordered" || outcome == "refused":
			m.decide(outcome)
		case m.def.once(m.r.Type + ":" + outcome):
			m.c.Done = append(m.c.Done, outcome)
		}
		return nil
	},
}

// returns: a part that came with an order goes back.
var returns = &Case{
	Name: "return", In: "workshop",
	Steps: []Step{
		{On: "part.return/1:requested", Who: "DLR", Needs: "field:order_case order attachment:receipt attachment:defect_report", To: "requested"},
		{From: "requested", On: "part.return/1:accepted", Who: "maker:financier", To: "accepted"},
		{From: "requested", On: "part.return/1:refused", Who: "maker:financier", Needs: "field:reason", To: "refused"},
		{From: "accepted", On: "part.return/1:received", Who: "maker", To: "received"},
		{From: "received", On: "part.return/1:credited", Who: "maker:financier", Needs: "field:amount", To: "credited"},
		{From: "requested|accepted|received", On: "case.evidence/1", Who: "opener|maker", Needs: "attachments"},
		{From: "requested|accepted|received", On: "case.message/1", Who: "opener|maker", Needs: "attachments"},
		{From: "requested", On: "case.withdrawn/1", Who: "opener", To: "withdrawn"},
	},
	Clocks: []Clock{
		{Name: "decide", In: "requested", Working: true},
		{Name: "credit", In: "received"},
	},
	States: map[string]string{
		"requested": "asked for, not decided",
		"accepted":  "accepted, the part is awaited",
		"received":  "received, not credited",
		"credited":  "credited",
		"refused":   "refused",
		"withdrawn": "withdrawn",
	},
	Closed: []string{"credited", "refused", "withdrawn"},
	settle: func(m *move) error {
		if m.opening {
			m.c.About = m.r.Body.Get("order_case").Str
		}
		if outcome := outcomeOf(m.r.Body); outcome == "accepted" || outcome == "refused" {
			m.decide(outcome)
		}
		return nil
	},
}

// once reports whether an event comes at most once in a case.
func (c *Case) once(event string) bool {
	return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.On == event && s.Needs == "first" })
}

func needFirst(m *move, _ string) error {
	if what := outcomeOf(m.r.Body); slices.Contains(m.c.Done, what) {
		return fault.New("case_state", "body.status", "that it is "+what+" was said before")
	}
	return nil
}

func needClaim(m *move, _ string) error {
	_, err := m.earlier("claim_case", "warranty")
	return err
}

func needDrawing(m *move, _ string) error {
	if m.r.Body.Get("unique").Int == 0 {
		return nil
	}
	return m.needAttachment("technical_description")
}

func needOrder(m *move, _ string) error {
	c, err := m.earlier("order_case", "order")
	switch {
	case c == nil:
		return err
	case c.Opener.Member != m.f.Author.Member:
		return missing("order_case", "body.order_case", "that order is "+c.Opener.Member+"'s")
	case c.State != "received" && (c.Unclear || m.gap(c.LastIndex)):
		m.f.doubt("that the order was received may be withheld")
	case c.State != "received":
		return missing("order_case", "body.order_case", "nothing has come with that order: it is "+c.State)
	}
	return nil
}

package cases

import (
	"github.com/milepost-log/milepost/certs/fault"
)

// campaign: a maker calls vehicles back. It is in the campaign's own history;
// each vehicle's part of it is a recall.
var campaign = &Case{
	Name: "campaign", In: "campaign",
	Steps: []Step{
		{On: "recall.published/1", Who: "MFR", To: "published"},
		{From: "published", On: "recall.closed/1", Who: "opener", To: "closed"},
	},
	Clocks: []Clock{{Name: "affects", In: "published", Working: true}},
	States: map[string]string{"published": "published", "closed": "closed; vehicles that are open stay open"},
	Closed: []string{"closed"},
	settle: func(m *move) error {
		if m.opening {
			m.c.Affected = m.r.Body.Get("affected").Int
		}
		return nil
	},
}

// recall: what a campaign is for one vehicle. Its id is the campaign's, and
// its records follow on each other, not on those of other vehicles.
var recall = &Case{
	Name: "recall", In: "vehicle", Under: "campaign",
	Steps: []Step{
		{On: "recall.affects/1", Who: "maker", Needs: "campaign", To: "open"},
		{From: "open|notified|remedied", On: "recall.affects/1", Who: "maker", To: "open"},
		{From: "open|notified", On: "recall.notified/1", Who: "maker|DLR", To: "notified"},
		{From: "open|notified", On: "recall.remedied/1", Who: "DLR", To: "remedied"},
		{From: "open|notified", On: "recall.lifted/1", Who: "maker:support", To: "lifted"},
	},
	Clocks: []Clock{{Name: "notify", In: "open", Working: true}},
	States: map[string]string{
		"open":     "open, the owner is not told",
		"notified": "open, the owner is told",
		"remedied": "carried out",
		"lifted":   "lifted",
	},
	Closed: []string{"lifted"},
	Rest:   []string{"remedied"},
	settle: settleRecall,
}

// settleRecall counts, with the campaign, the vehicles that are named: when
// all are, its clock has what it waits for.
func settleRecall(m *move) error {
	if !m.opening {
		return nil
	}
	m.c.Campaign = m.r.Subject("campaign")
	c := m.s.Case(m.c.Campaign, m.c.ID)
	if c == nil {
		return nil
	}
	c.Named++
	if t := c.clock("affects"); t != nil && t.Met == 0 && c.Named >= c.Affected {
		t.Met = m.f.Time
	}
	m.also = append(m.also, c)
	return nil
}

func needCampaign(m *move, _ string) error {
	subject := m.r.Subject("campaign")
	c := m.s.Case(subject, m.c.ID)
	switch {
	case c == nil && m.f.Find(subject, m.c.ID).Hidden:
		m.f.doubt("the campaign is in another history than this file's")
		return nil
	case c == nil:
		return fault.New("case_unknown", "body.case", m.c.ID+" published no recall in "+subject).
			WithHint("it is the leaf hash of the recall.published")
	case c.Opener.Member != m.f.Author.Member:
		return fault.New("case_author", "author", "that recall is by "+c.Opener.Member)
	case c.State != "published":
		return fault.New("case_state", "type", "the recall is closed: it takes no more vehicles").WithHint("publish another one")
	}
	return nil
}

// OpenRecalls lists the campaigns, campaign/..., that are open on a vehicle,
// as far as records are shown.
func OpenRecalls(all []Status) (campaigns []string) {
	for i := range all {
		if s := &all[i]; s.Kind == recall.Name && among("open|notified", s.State) {
			campaigns = append(campaigns, s.Campaign)
		}
	}
	return campaigns
}

package cases

// dispute: somebody says that records about a vehicle are not true, and an
// arbitrator finds what counts.
var dispute = &Case{
	Name: "dispute", In: "vehicle",
	Steps: []Step{
		{On: "dispute.opened/1", Who: "any", Needs: "target attachment:claim arbitrator", To: "opened"},
		{From: "opened|answered", On: "dispute.answered/1", Who: "author", Needs: "once answer", To: "answered"},
		{From: "opened|answered", On: "case.evidence/1", Who: "opener|author|maker|INS", Needs: "attachments"},
		{From: "opened|answered|appealed", On: "case.message/1", Who: "opener|author|maker|INS|arbitrator", Needs: "attachments"},
		{From: "opened", On: "dispute.decided/1", Who: "arbitrator", Not: "opener's member|author's member|answerer's member",
			Needs: "overdue:answer attachment:decision findings", To: "decided"},
		{From: "answered", On: "dispute.decided/1", Who: "arbitrator", Not: "opener's member|author's member|answerer's member",
			Needs: "attachment:decision findings", To: "decided"},
		{From: "opened|answered", On: "case.withdrawn/1", Who: "opener", To: "withdrawn"},
		{From: "decided", On: "dispute.appealed/1", Who: "opener|author", Needs: "window:appeal attachment:justification attachment:examination", To: "appealed"},
		{From: "appealed", On: "dispute.appeal_decided/1", Who: "ARB:arbitrator", Not: "opener's member|author's member|answerer's member|decider",
			Needs: "other_member attachment:decision findings", To: "final"},
	},
	Clocks: []Clock{
		{Name: "answer", In: "opened", Working: true},
		{Name: "decide", In: "opened|answered"},
		{Name: "appeal", In: "decided", Working: true, Window: true},
		{Name: "final", In: "appealed", Working: true},
	},
	States: map[string]string{
		"opened":    "open, not answered",
		"answered":  "open, answered",
		"decided":   "decided, may be appealed",
		"appealed":  "open, the decision is appealed",
		"final":     "decided for good",
		"withdrawn": "withdrawn",
	},
	Closed: []string{"final", "withdrawn"},
	Lapses: map[string]string{"decided": "final"},
	settle: settleDispute,
}

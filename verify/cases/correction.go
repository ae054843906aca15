package cases

// correction: somebody says that a reading was entered wrongly. Within a few
// weeks its author may put it right itself, unless that lowers the mileage;
// all else is decided by the maker, or an arbitrator where the maker is
// party to it.
var correction = &Case{
	Name: "correction", In: "vehicle",
	Steps: []Step{
		{On: "correction.requested/1", If: "self", Who: "author", Needs: "target unopened changed proof", To: "in_force"},
		{On: "correction.requested/1", Who: "author|DLR|PTI", Needs: "target unopened after changed unrepeated window:self proof", To: "requested"},
		{From: "requested", On: "case.evidence/1", Who: "opener|author|DLR", Needs: "attachments"},
		{From: "requested", On: "case.message/1", Who: "opener|author|maker|DLR", Needs: "attachments"},
		{From: "requested", On: "correction.decided/1:accepted", Who: "maker:support", Not: "opener's member|author's member", Else: "ARB:arbitrator",
			Needs: "same_vehicle effective older_proof", To: "in_force"},
		{From: "requested", On: "correction.decided/1:rejected", Who: "maker:support", Not: "opener's member|author's member", Else: "ARB:arbitrator",
			To: "rejected"},
		{From: "requested", On: "record.reattributed/1", Who: "maker:support", Not: "opener's member|author's member", Else: "ARB:arbitrator",
			Needs: "other_vehicle note", To: "in_force"},
		{From: "requested", On: "case.withdrawn/1", Who: "opener", To: "withdrawn"},
	},
	Clocks: []Clock{
		{Name: "decide", In: "requested", Working: true},
		{Name: "appeal", In: "rejected", Working: true, Window: true},
	},
	States: map[string]string{
		"requested": "asked for, not decided",
		"in_force":  "in force",
		"rejected":  "rejected",
		"withdrawn": "withdrawn",
	},
	Closed: []string{"in_force", "rejected", "withdrawn"},
	settle: settleCorrection,
}

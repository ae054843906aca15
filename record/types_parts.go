package record

import (
	"github.com/milepost-log/milepost/record/jcs"
)

// Parts that a warranty claim needs: ordered, imported, sent back.
func init() {
	workshop, both := []string{"workshop"}, []string{"DLR", "MFR"}
	mayCase := may("case", hexHash, "leaf hash of the record that opened the case; absent in that one")
	mayPrev := may("prev", hexHash, "leaf hash of the newest record of the case; absent in the first")
	define(
		Type{
			Name: "part.order/1", Sentence: "a part for a warranty claim is ordered, or what became of the order",
			Subjects: workshop, Writers: both, Fresh: "real time", Case: "order",
			Body: Object{
				mayCase, may("claim_case", hexHash, "leaf hash of the warranty.claim that it is for"), may("expected", dayForm, "when the part is expected"),
				may("part_no", Text{32}, "part number"), mayPrev, may("quantity", Whole{1, 10_000}, "pieces"), may("reason", code, "why"),
				need("status", Enum{"requested", "technical_check", "ordered", "in_import", "customs", "arrived", "shipped", "received", "refused", "cancelled"},
					"what becomes of the order"),
				may("unique", YesNo{}, "whether the part has to be made for this vehicle"),
			},
			Example: `{"claim_case":"` + exampleHash + `","part_no":"21010-4","quantity":1,"status":"requested","unique":true}`,
			Demands: "case and prev are absent with the status requested, and there with every other; claim_case, part_no, quantity and unique go with requested, expected with ordered, reason with refused and cancelled.",
			Say: func(b jcs.Value) (string, string) {
				s := "part order: " + word(b, "status")
				if b.Has("part_no") {
					s = "part ordered: " + b.Get("part_no").Str
				}
				if b.Get("unique").Int == 1 {
					s += ", made for this vehicle"
				}
				if b.Has("expected") {
					s += ", expected " + b.Get("expected").Str
				}
				if b.Has("reason") {
					s += ", reason: " + word(b, "reason")
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if err := followsWhere(r, r.Body.Get("status").Str != "requested"); err != nil {
					return err
				}
				return goesWith(r, map[string][]string{
					"claim_case": {"requested"}, "part_no": {"requested"}, "quantity": {"requested"}, "unique": {"requested"},
					"expected": {"ordered"}, "reason": {"refused", "cancelled"},
				})
			},
		},
		Type{
			Name: "part.return/1", Sentence: "a part goes back, or what became of that",
			Subjects: workshop, Writers: both, Fresh: "real time", Case: "return",
			Body: Object{
				may("amount", digest, "commitment to the amount credited"), mayCase,
				may("order_case", hexHash, "leaf hash of the part.order with which the part came"), mayPrev, may("reason", code, "why"),
				need("status", Enum{"requested", "accepted", "refused", "received", "credited"}, "what becomes of the return"),
			},
			Example: `{"order_case":"` + exampleHash + `","reason":"wrong_part","status":"requested"}`,
			Demands: "case and prev are absent with the status requested, and there with every other; order_case goes with requested, amount with credited, reason with requested and refused.",
			Say: func(b jcs.Value) (string, string) {
				s := "part return: " + word(b, "status")
				if b.Has("reason") {
					s += ", reason: " + word(b, "reason")
				}
				return s, ""
			},
			Rule: func(r *Record) error {
				if err := followsWhere(r, r.Body.Get("status").Str != "requested"); err != nil {
					return err
				}
				return goesWith(r, map[string][]string{"order_case": {"requested"}, "amount": {"credited"}, "reason": {"requested", "refused"}})
			},
		},
	)
}

// followsWhere: a record that follows in a case says which and after what,
// one that opens it says neither.
func followsWhere(r *Record, follows bool) error {
	for _, f := range [...]string{"case", "prev"} {
		switch {
		case follows && !r.Body.Has(f):
			return badField("body."+f, Missing)
		case !follows && r.Body.Has(f):
			return badField("body."+f, "a record that opens a case has no %s", f)
		}
	}
	return nil
}

package record

import "github.com/milepost-log/milepost/record/jcs"

// What every kind of case takes: documents, and the end by who opened it.
func init() {
	vehicle, workshop, anyone := []string{"vehicle"}, [][]string{{"workshop"}}, []string{WriterAny}
	paper := Object{caseID, casePrev}
	const example = `{"case":"` + exampleHash + `","prev":"` + exampleHash + `"}`
	say := func(what string) func(jcs.Value) (string, string) {
		return func(b jcs.Value) (string, string) { return what + " for case " + short(b.Get("case").Str), "" }
	}
	define(
		Type{
			Name: "case.evidence/1", Sentence: "a party to a case hands in evidence",
			Subjects: vehicle, Or: workshop, Writers: anyone, Fresh: "real time", Case: "any",
			Body: paper, Example: example, Say: say("evidence handed in"),
		},
		Type{
			Name: "case.message/1", Sentence: "a party to a case writes to the others",
			Subjects: vehicle, Or: workshop, Writers: anyone, Fresh: "real time", Case: "any",
			Body: paper, Example: example, Say: say("message"),
		},
		Type{
			Name: "case.withdrawn/1", Sentence: "whoever opened a case withdraws it",
			Subjects: vehicle, Or: workshop, Writers: anyone, Fresh: "real time", Case: "any",
			Body:    Object{caseID, casePrev, may("reason", code, "why")},
			Example: `{"case":"` + exampleHash + `","prev":"` + exampleHash + `","reason":"settled"}`,
			Say: func(b jcs.Value) (string, string) {
				s := "case " + short(b.Get("case").Str) + " withdrawn"
				if b.Has("reason") {
					s += ", reason: " + word(b, "reason")
				}
				return s, ""
			},
		},
	)
}

package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// What the governors may change after genesis, other than members: who they
// are, the rules, the nodes, the feature level, and the end of the log.
func init() {
	changed := append(append(Object{}, nodeFields...), may("policy", policyLines, "the lines of the trust policy from now on, if it changes"),
		may("pop", listOf(proof, 3), "proofs of possession of the keys that are new"), prev)
	define(
		Type{
			Name: "governors.changed/1", Sentence: "other governors, or another threshold",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    Object{governorList, may("pop", listOf(proof, 32), "proofs of possession of the keys that are new"), prev, thresholdField},
			Example: `{"governors":` + exampleGovernors + `,"pop":["` + examplePop + `"],"prev":"` + exampleHash + `","threshold":2}`,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("from now on %d of these govern: %s", b.Get("threshold").Int, strings.Join(namesOf(b.Get("governors"), "name"), ", ")), ""
			},
			Rule:    func(r *Record) error { return checkGovernors(r.Body, "body") },
			Demands: governorsDemand,
		},
		Type{
			Name: "rules.published/1", Sentence: "the governors publish rules",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body: append(append(Object{}, rules...), prev),
			Example: `{"calendars":[{"days_off":["2026-12-25"],"id":"utc","weekend":[7],"zone":"UTC"}],"cases":{"answer_days":14},` +
				`"central_support":"maker.example","judgement":{"static_days":300},"prev":"` + exampleHash + `",` + exampleRules,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("rules version %d: %d types of record", b.Get("version").Int, len(b.Get("types").List)), ""
			},
			Rule:    func(r *Record) error { return checkRules(r.Body, "body") },
			Demands: rulesDemand,
		},
		Type{
			Name: "node.changed/1", Sentence: "the governors change a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    changed,
			Example: `{` + exampleNode + `"policy":["# the lines of a trust policy"],"pop":["` + examplePop + `"],"prev":"` + exampleHash + `",` + exampleTLS + `}`,
			Say:     func(b jcs.Value) (string, string) { return sayNode("change", b), "" },
			Rule:    func(r *Record) error { return checkNode(r, r.Body, "body") },
			Demands: nodeDemand,
		},
		Type{
			Name: "node.removed/1", Sentence: "the governors remove a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    Object{need("id", code, "which node"), need("policy", policyLines, "the lines of the trust policy from now on"), prev, need("reason", code, "why")},
			Example: `{"id":"east","policy":["# the lines of a trust policy"],"prev":"` + exampleHash + `","reason":"left"}`,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("remove node %s, reason: %s", b.Get("id").Str, b.Get("reason").Str), ""
			},
		},
		Type{
			Name: "feature.raised/1", Sentence: "the governors raise the feature level",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    Object{need("level", Whole{2, 1 << 31}, "the feature level from now on"), prev},
			Example: `{"level":2,"prev":"` + exampleHash + `"}`,
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("feature level %d; nodes that do not know it stop", b.Get("level").Int), ""
			},
		},
		Type{
			Name: "log.closed/1", Sentence: "the governors close the log",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors}, Fresh: "when decided",
			Body:    Object{prev, need("successor", logOrigin, "the log in which it goes on")},
			Example: `{"prev":"` + exampleHash + `","successor":"milepost.example/next/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}`,
			Demands: "successor is another log.",
			Say: func(b jcs.Value) (string, string) {
				return "close this log for ever; it goes on in " + b.Get("successor").Str, ""
			},
			Rule: func(r *Record) error {
				if r.Body.Get("successor").Str == r.Origin {
					return badField("body.successor", "a log does not succeed itself")
				}
				return nil
			},
		},
	)
}

// namesOf lists one field of each object of a list.
func namesOf(list jcs.Value, field string) []string {
	var names []string
	for _, v := range list.List {
		names = append(names, v.Get(field).Str)
	}
	return names
}

func sayNode(verb string, b jcs.Value) string {
	return fmt.Sprintf("%s node %s at %s, run by %s", verb, b.Get("id").Str, b.Get("address").Str, b.Get("member").Str)
}

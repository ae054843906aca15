package record

import (
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/record/jcs"
)

// What the governors may change after genesis, other than members: who they
// are, the rules, the nodes, the feature level, and the end of the log.
func init() {
	changed := append(append(Object{}, nodeFields...), may("policy", policyLines), may("pop", listOf(proof, 3)), prev)
	define(
		Type{
			Name: "governors.changed/1", Sentence: "other governors, or another threshold",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: Object{governorList, may("pop", listOf(proof, 32)), prev, thresholdField},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("from now on %d of these govern: %s", b.Get("threshold").Int, strings.Join(namesOf(b.Get("governors"), "name"), ", ")), ""
			},
			Rule: func(r *Record) error { return checkGovernors(r.Body, "body") },
		},
		Type{
			Name: "rules.published/1", Sentence: "the governors publish rules",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: append(append(Object{}, rules...), prev),
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("rules version %d: %d types of record", b.Get("version").Int, len(b.Get("types").List)), ""
			},
			Rule: func(r *Record) error { return checkRules(r.Body, "body") },
		},
		Type{
			Name: "node.changed/1", Sentence: "the governors change a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: changed,
			Say:  func(b jcs.Value) (string, string) { return sayNode("change", b), "" },
			Rule: func(r *Record) error { return checkNode(r, r.Body, "body") },
		},
		Type{
			Name: "node.removed/1", Sentence: "the governors remove a node",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: Object{need("id", code), need("policy", policyLines), prev, need("reason", code)},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("remove node %s, reason: %s", b.Get("id").Str, b.Get("reason").Str), ""
			},
		},
		Type{
			Name: "feature.raised/1", Sentence: "the governors raise the feature level",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: Object{need("level", Whole{2, 1 << 31}), prev},
			Say: func(b jcs.Value) (string, string) {
				return fmt.Sprintf("feature level %d; nodes that do not know it stop", b.Get("level").Int), ""
			},
		},
		Type{
			Name: "log.closed/1", Sentence: "the governors close the log",
			Subjects: []string{Governance}, Writers: []string{WriterGovernors},
			Body: Object{prev, need("successor", Form{"the origin of a log", validOrigin})},
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

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Whoever signs must be told what. A type that governors sign and that this
// program has no words for would be shown as bare JSON.
func TestEveryGovernedTypeHasWords(t *testing.T) {
	t.Parallel()
	for _, d := range record.Types() {
		if d.Governed() && sayings[d.Name] == nil {
			t.Errorf("%s has no words", d.Name)
		}
		if !d.Governed() && sayings[d.Name] != nil {
			t.Errorf("%s has words and is signed by no governor", d.Name)
		}
	}
}

// Without a node only the new values are known; nothing may be said of old
// ones, and no field of the record may go unsaid.
func TestWordsWithoutANode(t *testing.T) {
	t.Parallel()
	text := func(s string) jcs.Value { return jcs.Text(s) }
	for typ, c := range map[string]struct {
		body []jcs.Field
		want []string
	}{
		"member.changed/1": {
			[]jcs.Field{{Name: "country", Value: text("CH")}, {Name: "name", Value: text("dealer.example/turin")}, {Name: "wmi", Value: jcs.Texts([]string{"1N4", "VF1"})}},
			[]string{"dealer.example/turin", "country: CH", "wmi: 1N4, VF1"}},
		"member.suspended/1": {
			[]jcs.Field{{Name: "name", Value: text("dealer.example/turin")}, {Name: "reason", Value: text("fraud")}},
			[]string{"Suspend dealer.example/turin", "fraud"}},
		"role.granted/1": {
			[]jcs.Field{{Name: "actor", Value: text("anna")}, {Name: "name", Value: text("dealer.example/turin")}, {Name: "role", Value: text("technician")}},
			[]string{"anna", "dealer.example/turin", "technician"}},
		"key.revoked/1": {
			[]jcs.Field{{Name: "key_id", Value: text("0123abcd")}, {Name: "name", Value: text("dealer.example/turin")},
				{Name: "reason", Value: text("compromised")}, {Name: "since", Value: text("2026-05-04T08:00:00Z")}},
			[]string{"0123abcd", "dealer.example/turin", "compromised since 2026-05-04T08:00:00Z"}},
		"feature.raised/1": {
			[]jcs.Field{{Name: "level", Value: jcs.Number(9)}}, []string{"9", "WARNING"}},
		"log.closed/1": {
			[]jcs.Field{{Name: "successor", Value: text("milepost.example/next/0123")}}, []string{"for ever", "milepost.example/next/0123"}},
	} {
		r := &record.Record{Type: typ, Def: record.Lookup(typ), Body: jcs.Make(c.body...)}
		said := strings.Join(words(r, nil), "\n")
		for _, w := range c.want {
			if !strings.Contains(said, w) {
				t.Errorf("%s does not say %q:\n%s", typ, w, said)
			}
		}
		if strings.Contains(said, "->") {
			t.Errorf("%s speaks of values of before that nobody knows:\n%s", typ, said)
		}
	}
}

func TestThresholdWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		threshold, of int
		want          string
	}{
		{1, 1, "single governor; if that key is lost"},
		{1, 2, "any single governor"}, {1, 3, "any single governor"}, {2, 2, "all governors"}, {3, 3, "all governors"},
		{2, 3, ""}, {3, 5, ""}, {4, 5, ""},
	} {
		got := thresholdWarnings(c.threshold, c.of)
		if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%d of %d: %v", c.threshold, c.of, got)
		}
	}
}

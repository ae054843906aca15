package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/answers"
	"github.com/milepost-log/milepost/verify/judge"
	"github.com/milepost-log/milepost/verify/render"
)

// A history follows the car and never shows who had it. A record holds no
// more of a person than commitments; no sentence, and no answer, shows even
// these: two equal ones would tell that the same person is meant. In JSON
// they stand in the record itself alone, verbatim.
func TestNoFormerOwnerIsShown(t *testing.T) {
	t.Parallel()
	committed := 0
	for _, typ := range record.Types() {
		if !strings.HasPrefix(typ.Subjects[0], "vehicle") {
			continue
		}
		b := newLogbook(t)
		person := strings.Repeat("UGVyc29u", 5) + "UGU="
		more := jcs.Field{Name: "personal", Value: jcs.Array(jcs.Make(
			jcs.Field{Name: "commitment", Value: jcs.Text(person)}, jcs.Field{Name: "field", Value: jcs.Text("former_owner")}))}
		fields := []jcs.Field{more}
		if typ.Papers {
			fields = append(fields, attached("invoice"))
		}
		if len(typ.Subjects) > 1 || typ.Name == "record.reattributed/1" {
			continue // carries another record, and a campaign's list has no persons
		}
		b.add(lyon, typ.Name, "2026-05-04T10:12:00+02:00", time.Hour, typ.Example, fields...)
		secrets := []string{"former_owner"}
		for _, c := range b.results[0].Record.Commitments() {
			secrets = append(secrets, c.Commitment)
			committed++
		}
		rep := b.report("2026-05-05T12:00:00Z")
		shown := render.Text(rep, render.AsEntered)
		j := render.JSON(rep, render.AsEntered)
		for i := range j.Entries {
			j.Entries[i].Note = ""
		}
		data, err := json.Marshal(j)
		must(t, err)
		shown += string(data)
		a, err := json.Marshal(answers.Of(&answers.Input{VIN: "1N4AZ0CP1DC900001", Judgement: &judge.Judgement{}, Entries: b.known.Entries, AsOf: b.known.AsOf}))
		must(t, err)
		shown += string(a)
		for _, s := range secrets {
			if strings.Contains(shown, s) {
				t.Errorf("%s: %s is shown", typ.Name, s)
			}
		}
	}
	// plate, claim, from, to and cost, beside the one of each record
	if committed < 15 {
		t.Errorf("only %d commitments were looked for", committed)
	}
}

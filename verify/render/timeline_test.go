package render_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/milepost-log/milepost/verify/render"
)

// The reasons of a decision are shown whole and as its author's words: they
// don't leave the page by its side, and close no quotes.
func TestReasonsInTheTimeline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ reasons, want string }{
		"short":          {"the job sheet shows it", `reasons given: "the job sheet shows it"`},
		"long":           {strings.Repeat("word after word ", 60) + "to the end", `to the end"`},
		"without spaces": {strings.Repeat("x", 900), "xxx\"\n"},
		"quotes":         {`none" [valid] "`, `reasons given: "none' [valid] '"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(c.reasons)
			must(t, err)
			hash := strings.Repeat("ab", 32)
			b := newLogbook(t)
			b.add(maker, "correction.decided/1", "2023-02-14T09:00:00+01:00", time.Hour,
				`{"case":"`+hash+`","outcome":"rejected","prev":"`+hash+`","reasons":`+string(text)+`,"rules":1}`)
			got := render.Timeline(b.results, nil, render.AsEntered)
			if !strings.Contains(got, c.want) || strings.Count(strings.Join(strings.Fields(got), ""), "x") < strings.Count(c.reasons, "x") {
				t.Errorf("%q is missing in\n%s", c.want, got)
			}
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

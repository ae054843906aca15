package cases

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/cases.md anew")

var conditionWords = map[string]string{
	"was:refused": "if it was refused", "was:partly": "if it was approved in part", "unique:yes": "if the part is unique", "unique:no": "if it is not unique",
	"self": "within 28 days (window self), nothing decided yet, and within 24 hours or not lowering the mileage by more than the tolerance",
}

func tables() string {
	var b strings.Builder
	for _, c := range Kinds() {
		fmt.Fprintf(&b, "\n### %s\n\n| state | record | who | not | needs | next |\n|---|---|---|---|---|---|\n", strings.ToUpper(c.Name[:1])+c.Name[1:])
		for _, s := range c.Steps {
			who, next := list(s.Who), s.To
			if s.Else != "" {
				who += "; else " + s.Else
			}
			var asks []string
			if s.If != "" {
				asks = append(asks, conditionWords[s.If])
			}
			for n := range strings.FieldsSeq(s.Needs) {
				name, arg, _ := strings.Cut(n, ":")
				asks = append(asks, needPhrase(name, arg))
			}
			if next == "" {
				next = "the same"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", or(list(s.From)), s.On, who, or(list(s.Not)), or(strings.Join(asks, "; ")), next)
		}
		b.WriteString("\nStates: ")
		var states []string
		for _, name := range slices.Sorted(maps.Keys(c.States)) {
			words := name
			if c.States[name] != strings.ReplaceAll(name, "_", " ") {
				words += " (" + c.States[name] + ")"
			}
			if to := c.Lapses[name]; to != "" {
				words += ", after the window " + to
			}
			if c.closed(name) {
				words += ", closed"
			}
			states = append(states, words)
		}
		b.WriteString(strings.Join(states, " · ") + "\n")
	}
	return b.String() + "\n"
}

func bounds() string {
	var b strings.Builder
	b.WriteString("\n| case | name | runs while | days of | target / breach, or window | \n|---|---|---|---|---|\n")
	for _, c := range Kinds() {
		for _, k := range c.Clocks {
			days, runs := "the calendar", list(k.In)
			if k.Stands != "" {
				runs += "; stands while " + list(k.Stands)
			}
			if k.If != "" {
				runs += "; " + conditionWords[k.If]
			}
			if k.Working {
				days = "work"
			}
			bound := c.Name + "_" + k.Name
			value := fmt.Sprintf("%d / %d (`%s_target`, `%s_breach`)", defaultBounds[bound+"_target"], defaultBounds[bound+"_breach"], bound, bound)
			if k.Window {
				value = fmt.Sprintf("window of %d (`%s_window`)", defaultBounds[bound+"_window"], bound)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.Name, k.Name, runs, days, value)
		}
	}
	fmt.Fprintf(&b, "| correction | self | from the reading on | the calendar | window of %d (`correction_self_window`); %d hours without evidence (`correction_self_hours`) |\n",
		defaultBounds["correction_self_window"], defaultBounds["correction_self_hours"])
	return b.String() + "\n"
}

func list(parts string) string { return strings.ReplaceAll(parts, "|", ", ") }

func or(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// docs/cases.md shows the tables that the program runs.
func TestDocTables(t *testing.T) {
	t.Parallel()
	const path = "../../docs/cases.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for mark, want := range map[string]string{"tables": tables(), "bounds": bounds()} {
		before, rest, ok := strings.Cut(text, "<!-- "+mark+" -->\n")
		_, after, ok2 := strings.Cut(rest, "<!-- end -->")
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the %s", path, mark)
		}
		text = before + "<!-- " + mark + " -->\n" + want + "<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != string(data) {
		t.Errorf("%s is not of these tables: go test ./verify/cases -run Doc -update", path)
	}
	for name := range defaultBounds {
		if !strings.Contains(text, name) {
			t.Errorf("%s does not tell of %s", path, name)
		}
	}
	for name := range needs {
		if needWords[name] == "" {
			t.Errorf("there are no words for %s", name)
		}
	}
}

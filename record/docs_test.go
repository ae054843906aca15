package record

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/records.md anew")

// The page about the types is what the definitions say today.
func TestDocsAreCurrent(t *testing.T) {
	const page = "../docs/records.md"
	want := Docs()
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("docs/records.md is stale: go test ./record -run TestDocsAreCurrent -update")
	}
}

// The page tells of every type all that there is: each field, its sentence,
// its example, and nothing that breaks a table.
func TestDocsTellEverything(t *testing.T) {
	t.Parallel()
	page := string(Docs())
	for _, d := range Types() {
		_, section, ok := strings.Cut(page, "\n### "+d.Name+"\n")
		if !ok {
			t.Errorf("%s is not there", d.Name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for _, w := range []string{d.Sentence[1:], d.Fresh, strings.Join(d.Writers, " "), d.Demands, "```json"} {
			if !strings.Contains(section, w) {
				t.Errorf("%s: %q is not said", d.Name, w)
			}
		}
		for _, f := range d.Body {
			if !strings.Contains(section, "| `"+f.Name+"` |") || !strings.Contains(section, cell(f.Words())) {
				t.Errorf("%s: nothing is said of %s", d.Name, f.Name)
			}
		}
	}
	page, forms, ok := strings.Cut(page, "\n## Exact forms\n")
	if !ok || !strings.Contains(forms, "`^[PCBU][0-3][0-9A-F]{3}$`") {
		t.Error("the exact forms are not told")
	}
	for n, part := range map[int]string{4: page, 3: forms} {
		for _, line := range strings.Split(part, "\n") {
			if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != n+1 {
				t.Errorf("not %d columns: %s", n, line)
			}
		}
	}
}

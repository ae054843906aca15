package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// codesOf are the codes that an expression, which is no plain string, can
// stand for where an error is made.
var codesOf = map[string][]string{
	`who + "_twice"`: {"log_key_twice", "cosigner_twice"},
	`who + "_bad"`:   {"log_key_bad", "cosigner_bad"},
	// The rows of record/importer: see Reader.draft.
	`code`: {"import_row", "import_vehicle", "import_word", "import_time", "import_value", "import_order"},
}

// passedOn are expressions that pass on the code of another error.
var passedOn = regexp.MustCompile(`^fault\.Code\(.*\)$|\.Code$`)

// source calls fn for every Go file of the program itself.
func source(t *testing.T, fn func(path string, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "thirdparty" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err == nil {
			fn(path, file, fset)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// codesInSource finds every code that an error is made with, and a place.
func codesInSource(t *testing.T) map[string]string {
	codes := map[string]string{"internal": "certs/fault: an error without a code"}
	source(t, func(path string, file *ast.File, fset *token.FileSet) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "New" || !isIdent(f.X, "fault") {
				return true
			}
			at := fset.Position(call.Pos()).String()
			if lit, ok := call.Args[0].(*ast.BasicLit); ok {
				code, _ := strconv.Unquote(lit.Value)
				codes[code] = at
				return true
			}
			var b bytes.Buffer
			printer.Fprint(&b, fset, call.Args[0])
			known := codesOf[b.String()]
			for _, code := range known {
				codes[code] = at
			}
			if len(known) == 0 && !passedOn.MatchString(b.String()) {
				t.Errorf("%s: which codes can %s stand for? Say so in codesOf", at, b.String())
			}
			return true
		})
	})
	return codes
}

func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// statusesInSource reads the table of HTTP statuses.
func statusesInSource(t *testing.T) map[string]string {
	out := map[string]string{}
	source(t, func(path string, file *ast.File, _ *token.FileSet) {
		if filepath.Base(filepath.Dir(path)) != "node" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Names) != 1 || v.Names[0].Name != "statuses" || len(v.Values) != 1 {
				return true
			}
			for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
				kv := e.(*ast.KeyValueExpr)
				code, _ := strconv.Unquote(kv.Key.(*ast.BasicLit).Value)
				out[code] = kv.Value.(*ast.BasicLit).Value
			}
			return true
		})
	})
	if len(out) == 0 {
		t.Fatal("the table of HTTP statuses was not found")
	}
	return out
}

// A code that a program may meet stands in docs/errors.md with the status
// that nodes answer it with, and no code stands there that nobody makes.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ http, exit string }
	rows := map[string]row{}
	for i, line := range strings.Split(string(page), "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		code := strings.Trim(cells[0], "`")
		switch _, twice := rows[code]; {
		case len(cells) != 5:
			t.Fatalf("docs/errors.md line %d: five columns are expected, here are %d", i+1, len(cells))
		case twice:
			t.Errorf("docs/errors.md line %d: %s stands there twice", i+1, code)
		}
		rows[code] = row{cells[3], cells[4]}
	}
	codes, statuses := codesInSource(t), statusesInSource(t)
	for code, at := range codes {
		if _, ok := rows[code]; !ok {
			t.Errorf("docs/errors.md lacks %s, which %s makes", code, at)
		}
	}
	for code, r := range rows {
		if codes[code] == "" {
			t.Errorf("docs/errors.md has %s, which nothing makes", code)
		}
		want := statuses[code]
		if want == "" && r.http != "–" {
			want = "422"
		}
		if want != "" && r.http != want {
			t.Errorf("docs/errors.md says that nodes answer %s with %s, they answer with %s", code, r.http, want)
		}
		if !regexp.MustCompile(`^(0|1|2|1, 2|–)$`).MatchString(r.exit) {
			t.Errorf("docs/errors.md: %s has the exit status %q", code, r.exit)
		}
	}
	for code := range statuses {
		if codes[code] == "" {
			t.Errorf("the table of HTTP statuses has %s, which nothing makes", code)
		}
	}
}

// Every value in hex that docs/format.md quotes is one of the worked example,
// which the tests of the room verify write anew.
func TestFormatQuotesTheExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../verify/testdata/example.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, l := range strings.Split(string(example), "\n") {
		known[strings.TrimSpace(l)] = true
	}
	_, section, _ := strings.Cut(string(page), "\n## 12. ")
	section, _, _ = strings.Cut(section, "\n## 13. ")
	begins := regexp.MustCompile(`^ {4,}(\S.* =)( [0-9a-f]+)?$`)
	digits := regexp.MustCompile(`^ {6,}[0-9a-f]+$`)
	quoted := 0
	lines := strings.Split(section, "\n")
	for i, l := range lines {
		m := begins.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		value := strings.TrimSpace(m[2])
		for j := i + 1; m[2] == "" && j < len(lines) && digits.MatchString(lines[j]); j++ {
			value += strings.TrimSpace(lines[j])
		}
		if quoted++; !known[m[1]+" "+value] {
			t.Errorf("docs/format.md quotes %s %s, which verify/testdata/example.txt does not have", m[1], value)
		}
	}
	if quoted < 30 {
		t.Errorf("only %d values are quoted in section 12", quoted)
	}
}

// Every endpoint stands in docs/api.md, and none that there isn't.
func TestEndpointsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:GET|POST) \\S+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	served := map[string]bool{}
	source(t, func(path string, file *ast.File, _ *token.FileSet) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isIdent(call.Fun, "handle") || len(call.Args) == 0 {
				return true
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok {
				pattern, _ := strconv.Unquote(lit.Value)
				served[strings.NewReplacer(
					"/tile/{path...}", "/tile/{level}/{number}[.p/{width}]",
					"/tile/entries/{path...}", "/tile/entries/{number}[.p/{width}]").Replace(pattern)] = true
			}
			return true
		})
	})
	for p := range served {
		if !documented[p] {
			t.Errorf("docs/api.md lacks %s", p)
		}
	}
	for p := range documented {
		if !served[p] {
			t.Errorf("docs/api.md has %s, which no node serves", p)
		}
	}
	if len(served) < 10 {
		t.Errorf("only %d endpoints were found in the source", len(served))
	}
}

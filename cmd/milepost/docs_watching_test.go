package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// logLines finds every line that a node logs, with its level and keys, as
// docs/watching.md writes them.
func logLines(t *testing.T) map[string]string {
	out := map[string]string{}
	source(t, func(path string, file *ast.File, fset *token.FileSet) {
		if filepath.Base(filepath.Dir(path)) != "node" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !map[string]bool{"Debug": true, "Info": true, "Warn": true, "Error": true}[f.Sel.Name] {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if x, isSel := f.X.(*ast.SelectorExpr); !ok || !(isIdent(f.X, "log") || isSel && x.Sel.Name == "log") {
				return true
			}
			message, _ := strconv.Unquote(lit.Value)
			var keys []string
			for i := 1; i < len(call.Args); i += 2 {
				key, ok := call.Args[i].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: a key that is no plain string", fset.Position(call.Pos()))
					continue
				}
				k, _ := strconv.Unquote(key.Value)
				keys = append(keys, "`"+k+"`")
			}
			if len(keys) == 0 {
				keys = []string{"–"}
			}
			out[message] = strings.ToLower(f.Sel.Name) + " | " + strings.Join(keys, ", ")
			return true
		})
	})
	return out
}

// Every line that a node logs stands in docs/watching.md with its level and
// keys, and none that there isn't.
func TestLogLinesAreDocumented(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../../docs/watching.md")
	_, page, _ = strings.Cut(page, "\n## The log\n")
	lines := logLines(t)
	if os.Getenv("PRINT_LOG_TABLE") != "" {
		var rows []string
		for m, rest := range lines {
			rows = append(rows, fmt.Sprintf("| %s | %s | |", m, rest))
		}
		sort.Strings(rows)
		fmt.Println(strings.Join(rows, "\n"))
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+) \| ((?:debug|info|warn|error) \| [^|]+) \| [^|]+ \|$`).FindAllStringSubmatch(page, -1) {
		documented[m[1]] = m[2]
	}
	for m, rest := range lines {
		if documented[m] != rest {
			t.Errorf("docs/watching.md says of %q: %q, not %q", m, documented[m], rest)
		}
	}
	for m := range documented {
		if _, ok := lines[m]; !ok {
			t.Errorf("docs/watching.md has %q, which no node logs", m)
		}
	}
	if len(lines) < 20 {
		t.Errorf("only %d lines were found in the source", len(lines))
	}
}

// Every metric of a node stands in docs/watching.md, none that there isn't,
// and the alerts speak of none else.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../../docs/watching.md")
	made := map[string]bool{}
	source(t, func(path string, file *ast.File, _ *token.FileSet) {
		if filepath.Base(filepath.Dir(path)) != "node" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, `"milepost_`) {
				name, _ := strconv.Unquote(lit.Value)
				made[name] = true
			}
			return true
		})
	})
	if len(made) < 30 {
		t.Fatalf("only %d metrics were found in the source", len(made))
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(milepost_[a-z_]+)` \\|").FindAllStringSubmatch(page, -1) {
		documented[m[1]] = true
	}
	for name := range made {
		if !documented[name] {
			t.Errorf("docs/watching.md lacks %s", name)
		}
	}
	for name := range documented {
		if !made[name] {
			t.Errorf("docs/watching.md has %s, which no node has", name)
		}
	}
	for _, name := range regexp.MustCompile(`milepost_[a-z_]+`).FindAllString(page, -1) {
		if !made[name] && !made[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("docs/watching.md speaks of %s, which no node has", name)
		}
	}
}

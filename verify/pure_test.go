package verify_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/milepost-log/milepost/"

// A verifier can be taken apart from the nodes: it links no store, no Raft, no
// HTTP. It does link crypto/tls, and with it net: the room certs reads TLS keys
// with the same care as all others, and opens no connection.
func TestVerifierLinksNoNode(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"verify/render/page") || !slices.Contains(deps, module+"record/jcs") {
		t.Fatalf("these are not all of what a verifier links: %q", deps)
	}
	for _, d := range deps {
		for _, no := range []string{"net/http", "os/exec", "go.etcd.io/bbolt", "github.com/hashicorp/raft", module + "log", module + "node", module + "cmd", module + "record/importer"} {
			if d == no || strings.HasPrefix(d, no+"/") {
				t.Errorf("a verifier links %s", d)
			}
		}
	}
}

// impure are packages that a verdict must not depend on, and of time what
// looks at the machine that it is reached on: its clock and its zones.
var impure = map[string][]string{
	"os": nil, "os/exec": nil, "net": nil, "net/http": nil, "syscall": nil, "crypto/rand": nil, "math/rand": nil, "math/rand/v2": nil, "path/filepath": nil, "time/tzdata": nil,
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
}

// What is recorded and what it means follow from bytes alone: no clock, no
// file, no network, so that whoever checks reaches the same verdict anywhere.
func TestRecordAndVerifyArePure(t *testing.T) {
	t.Parallel()
	files := 0
	for _, root := range []string{"../record", "."} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || path == filepath.Join("judge", "trial") || path == filepath.Join("..", "record", "importer")):
				return fs.SkipDir // a command, and the reader of files, which keeps a journal: no verifier links either
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, use := range impurities(fset, file) {
				t.Error(use)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}

// impurities lists the uses of impure in a file, each with its place.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var found []string
	local := map[string][]string{} // by the name that the file knows a package under
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		names, ok := impure[path]
		if !ok {
			continue
		}
		name := path
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if names == nil || name == "." {
			found = append(found, fset.Position(spec.Pos()).String()+": "+path)
			continue
		}
		local[name] = names
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(local[x.Name], s.Sel.Name) {
				found = append(found, fset.Position(s.Pos()).String()+": "+x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return found
}

// The search above finds what it is to find.
func TestImpuritiesAreFound(t *testing.T) {
	t.Parallel()
	const text = `package x

import (
	"fmt"
	"os"
	clock "time"
)

var start = clock.Now

func f() { fmt.Fprintln(os.Stderr, clock.Since(start()), clock.UnixMilli(0)) }
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "x.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"x.go:5:2: os", "x.go:9:13: clock.Now", "x.go:11:36: clock.Since"}
	if got := impurities(fset, file); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

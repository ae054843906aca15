package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify/judge"
)

// A ledger entry is read in one form only, and written the same.
func FuzzBatch(f *testing.F) {
	f.Add((&batch{time: 1777880000000, notes: [][]byte{[]byte("a"), []byte("bb")}}).encode())
	f.Add((&batch{time: 0, notes: [][]byte{bytes.Repeat([]byte("x"), 300)}}).encode())
	f.Add((&batch{time: maxTime + 1, notes: [][]byte{[]byte("a")}}).encode())
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0x00, 1, 'a'}) // a count in a longer form
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a'})
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'a'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBatch(data)
		if err != nil {
			return
		}
		if again := b.encode(); !bytes.Equal(again, data) {
			t.Errorf("%x is read, and written as %x", data, again)
		}
		if len(b.notes) == 0 || len(b.notes) > maxBatchRecords || b.time < 0 || b.time > maxTime {
			t.Errorf("%d notes at %d", len(b.notes), b.time)
		}
	})
}

func TestBatchCaps(t *testing.T) {
	t.Parallel()
	note := []byte("x")
	many := func(n int) [][]byte {
		notes := make([][]byte, n)
		for i := range notes {
			notes[i] = note
		}
		return notes
	}
	for _, c := range []struct {
		what string
		b    batch
		ok   bool
	}{
		{"one note", batch{0, many(1)}, true},
		{"as many as may be", batch{maxTime, many(maxBatchRecords)}, true},
		{"one more", batch{0, many(maxBatchRecords + 1)}, false},
		{"none", batch{0, nil}, false},
		{"an empty note", batch{0, [][]byte{{}}}, false},
		{"the largest note", batch{0, [][]byte{make([]byte, 60_000)}}, true},
		{"a larger one", batch{0, [][]byte{make([]byte, 60_001)}}, false},
		{"the year 3000", batch{maxTime + 1, many(1)}, false},
		{"before 1970", batch{-1, many(1)}, false},
	} {
		if _, err := decodeBatch(c.b.encode()); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// The body of add-checkpoint is read in one form only.
func FuzzCosignRequest(f *testing.F) {
	head := "milepost.example/demo/0123456789abcdef0123456789abcdef01234567\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— x AAAA\n"
	hash := strings.Repeat("A", 43) + "=\n"
	f.Add([]byte("old 0\n\n" + head))
	f.Add([]byte("old 2\n" + hash + hash + "\n" + head))
	f.Add([]byte("old 02\n" + hash + "\n" + head))
	f.Add([]byte("old 2\n" + hash[:42] + "B=\n\n" + head))
	f.Add([]byte("old 18446744073709551616\n\n" + head))
	f.Add([]byte("old 0\n" + strings.Repeat(hash, 64) + "\n" + head))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseCosignRequest(body)
		if err != nil {
			if code := fault.Code(err); code != "request_form" {
				t.Errorf("code %q", code)
			}
			return
		}
		if again := formatCosignRequest(r); !bytes.Equal(again, body) {
			t.Errorf("%q is read, and written as %q", body, again)
		}
		if len(r.proof) > 63 {
			t.Errorf("%d hashes", len(r.proof))
		}
	})
}

// A tile has one path (C2SP tlog-tiles).
func FuzzTilePath(f *testing.F) {
	for _, s := range []string{"000", "067", "x001/x234/067", "x001/000.p/255", "000.p/1", "x000/001", "1234", "x999/x999/x999/x999/x999/999", "-01", "000.p/0", "000.p/1/2", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		number, width, ok := parseTilePath(path)
		if !ok {
			return
		}
		want := fmt.Sprintf("%03d", number%1000)
		for n := number / 1000; n > 0; n /= 1000 {
			want = fmt.Sprintf("x%03d/", n%1000) + want
		}
		if width < 256 {
			want += fmt.Sprintf(".p/%d", width)
		}
		if path != want || width < 1 || width > 256 {
			t.Errorf("%q is read as tile %d of width %d, whose path is %q", path, number, width, want)
		}
	})
}

// What is read as a submission holds the notes and nothing else.
func FuzzNotes(f *testing.F) {
	for _, s := range []string{`{"notes":["a","b\n"]}`, `{"notes":[]}`, ` { "notes" : [ "\u00e9" ] } `, `{"notes":["a"],"notes":["b"]}`, `{"Notes":["a"]}`,
		`{"notes":["a"]}{}`, `{"notes":"a"}`, `{"notes":[null]}`, `{"notes":["a",]}`, `[]`, `{}`, "{\"notes\":[\"\xff\"]}", `{"notes":["\ud800"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		notes, err := parseNotes(data)
		if err != nil {
			if fault.Code(err) != "json_form" {
				t.Errorf("code %q", fault.Code(err))
			}
			return
		}
		// The standard library reads it the same, however lenient it is.
		var in notesJSON
		if err := json.Unmarshal(data, &in); err != nil {
			t.Fatalf("%q is read, though it is no JSON: %v", data, err)
		}
		if len(in.Notes) != len(notes) {
			t.Fatalf("%q: %d notes, or %d", data, len(notes), len(in.Notes))
		}
		for i := range notes {
			if in.Notes[i] != string(notes[i]) {
				t.Errorf("%q: note %d is %q, or %q", data, i, notes[i], in.Notes[i])
			}
		}
	})
}

// A founding file is refused or checks out; it never brings a node down.
func FuzzFounding(f *testing.F) {
	dir := f.TempDir()
	c, err := ParseCluster([]byte(smallCluster))
	if err != nil {
		f.Fatal(err)
	}
	c.SetDir(dir)
	founding, err := Found(c, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(c.FoundingPath())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(bytes.Replace(data, []byte("milepost.example/small"), []byte("milepost.example/smell"), 1))
	f.Add([]byte(`{"notes":["x"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseFounding(data)
		if err == nil && got.Origin == founding.Origin && len(got.Notes) > 0 && !bytes.Equal(got.Notes[0], founding.Notes[0]) {
			t.Errorf("two geneses have the origin %s", got.Origin)
		}
	})
}

// smallCluster is the least that can be founded.
const smallCluster = `name = "milepost.example/small"
[governors]
names = ["board.example/chair"]
threshold = 1
[[member]]
name = "dealer.example/lyon"
legal_name = "Garage de Lyon (example)"
kind = ["DLR"]
country = "FR"
zone = "Europe/Paris"
admins = ["chief", "deputy"]
[[node]]
id = "lyon"
member = "dealer.example/lyon"
address = "127.0.0.1:7401"
votes = true
`

// cluster.toml: whatever is accepted can be written and is accepted again;
// whatever is refused is refused with a place.
func FuzzCluster(f *testing.F) {
	f.Add(smallCluster)
	f.Add(strings.Replace(smallCluster, "votes = true", "votes = false", 1))
	f.Add(strings.Replace(smallCluster, "votes", "voices", 1))
	f.Add(strings.Replace(smallCluster, "threshold = 1", "threshold = 9", 1))
	f.Add("timeout = \"1h\"\n" + smallCluster)
	f.Add("dir = \"\\u0000\"\n" + smallCluster)
	f.Add("[[node]]\n")
	f.Add("= 1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCluster([]byte(text))
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Code != "config" {
				t.Errorf("refused with %v", err)
			}
			return
		}
		out, err := toml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCluster(out); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestClusterRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, words string }{
		{"name = \"milepost.example/small\"", "name = \"Milepost\"", "is not a name"},
		{"votes = true", "votse = true", `"node.votse" is unknown`},
		{"votes = true", "votes = \"yes\"", "line 16"},
		{"votes = true", "votes = false", "at least one node must vote"},
		{"votes = true", "", "at least one node must vote"},
		{"threshold = 1", "threshold = 2", "threshold"},
		{"127.0.0.1:7401", "127.0.0.1", "host:port"},
		{"127.0.0.1:7401", "127.0.0.1:99999", "host:port"},
		{"id = \"lyon\"", "id = \"Lyon\"", "is not an id"},
		{"id = \"lyon\"", "id = \"../lyon\"", "is not an id"},
		{"member = \"dealer.example/lyon\"", "member = \"dealer.example/turin\"", "not one of the members"},
		{"admins = [\"chief\", \"deputy\"]", "admins = [\"chief\"]", "two administrators"},
		{"name = \"milepost", "timeout = \"1ms\"\nname = \"milepost", "100ms to 60s"},
		{"[governors]", "[governors", "line 2"},
		{"[governors]", "central_support = \"maker.example\"\n[governors]", "not one of the members"},
		{"[governors]", "central_support = \"dealer.example/lyon\"\n[governors]", "not of kind MFR"},
	} {
		text := strings.Replace(smallCluster, c.old, c.new, 1)
		if text == smallCluster {
			t.Fatalf("%q is not in the file", c.old)
		}
		_, err := ParseCluster([]byte(text))
		if err == nil || fault.Code(err) != "config" || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%q: %v", c.new, err)
		}
	}
}

// The first rules carry the bounds of cases, the parameters of the judgement,
// and who stands for makers that are no members.
func TestFirstRules(t *testing.T) {
	t.Parallel()
	text := "central_support = \"dealer.example/lyon\"\n" + strings.Replace(smallCluster, `["DLR"]`, `["DLR", "MFR"]`, 1)
	c, err := ParseCluster([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	rules := (&genesis{c: c}).rules()
	if got := rules.Get("central_support").Str; got != "dealer.example/lyon" {
		t.Errorf("central support is %q", got)
	}
	if got := rules.Get("cases").Get("correction_decide_target").Int; got != 5 {
		t.Errorf("a correction is decided in %d working days", got)
	}
	if got := len(rules.Get("judgement").Obj); got != len(judge.DefaultParams()) {
		t.Errorf("the judgement has %d parameters", got)
	}
	if c.CentralSupport = ""; (&genesis{c: c}).rules().Has("central_support") {
		t.Error("there is a central support that nobody named")
	}
}

// The first rules give every type to those who are to write and read it: the
// table that was typed by hand for the tests of the room record.
func TestFirstRights(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../record/testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(table)) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && !strings.HasPrefix(line, "#") {
			want[cells[0]] = cells[1] + " | " + cells[2]
		}
	}
	c, err := ParseCluster([]byte(smallCluster))
	if err != nil {
		t.Fatal(err)
	}
	rules := (&genesis{c: c}).rules()
	known, rights := rules.Get("types").Strings(), rules.Get("rights").List
	if len(want) < 50 || len(known) != len(want) || len(rights) != len(want) {
		t.Errorf("%d types, %d rights; there are %d types", len(known), len(rights), len(want))
	}
	for i, r := range rights {
		typ := r.Get("type").Str
		got := strings.Join(r.Get("read").Strings(), " ") + " | " + strings.Join(r.Get("write").Strings(), " ")
		if got != want[typ] || i >= len(known) || known[i] != typ {
			t.Errorf("%s: %s, want %s", typ, got, want[typ])
		}
	}
}

package importer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

const (
	origin = "milepost.example/0123456789abcdef0123456789abcdef01234567"
	author = "dealer.example/leeds"
)

func journalID(n int64) string { return record.FormatUUID(record.UUIDv7(n, [16]byte{})) }

func openJournal(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path, origin, author)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeJournal(t *testing.T, j *Journal) {
	t.Helper()
	if err := errors.Join(j.Sync(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

func wantNote(t *testing.T, j *Journal, id, want string) {
	t.Helper()
	note, ok, err := j.Note(id)
	if err != nil || ok != (want != "") || string(note) != want {
		t.Errorf("%s: %q, %v, %v; want %q", id, note, ok, err, want)
	}
}

// A run that was stopped finds its notes again, byte for byte.
func TestJournalAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cars.journal")
	j := openJournal(t, path)
	notes := map[string]string{
		journalID(1): "milepost/record@v1\n{\"a\":\"<&>\"}\n\n\u2014 dealer.example/leeds AAAA\n",
		journalID(2): strings.Repeat("\x01", record.MaxBytes), // the longest line there is
	}
	for id, note := range notes {
		wantNote(t, j, id, "")
		if err := j.Add(id, []byte(note)); err != nil {
			t.Fatal(err)
		}
		wantNote(t, j, id, note)
		if err := j.Add(id, []byte(note)); err == nil {
			t.Error("a second note for one id is taken")
		}
	}
	for _, bad := range []string{"", "\xff", strings.Repeat("x", record.MaxBytes+1)} {
		if j.Add(journalID(3), []byte(bad)) == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
	if j.Add("not an id", []byte("x")) == nil {
		t.Error("a bad id is taken")
	}
	closeJournal(t, j)

	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	j = openJournal(t, path)
	if j.Len() != 2 {
		t.Errorf("%d notes", j.Len())
	}
	for id, note := range notes {
		wantNote(t, j, id, note)
	}
	if err := j.Add(journalID(3), []byte("third")); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	j = openJournal(t, path)
	wantNote(t, j, journalID(3), "third")
	closeJournal(t, j)
}

// Wherever a crash cuts the file off, what was whole is found again, the rest
// is cut, and the journal can be written on.
func TestJournalCutAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "whole")
	j := openJournal(t, path)
	var ends []int
	for i := range int64(3) {
		ends = append(ends, int(j.size))
		if err := j.Add(journalID(i), fmt.Appendf(nil, "note %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends = append(ends, len(whole))
	path = filepath.Join(dir, "cut")
	for cut := range len(whole) + 1 {
		for _, tail := range []string{"", "\x00\x00\x00"} { // space that was never filled
			if err := os.WriteFile(path, append(bytes.Clone(whole[:cut]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			if cut > 0 && cut < ends[0] && tail != "" {
				continue // half a header and zeros: not ours to cut
			}
			j := openJournal(t, path)
			want := 0
			for want < 3 && ends[want+1] <= cut {
				want++
			}
			if j.Len() != want {
				t.Fatalf("cut at %d of %d: %d notes, want %d", cut, len(whole), j.Len(), want)
			}
			for i := want; i < 3; i++ {
				if err := j.Add(journalID(int64(i)), fmt.Appendf(nil, "note %d\n", i)); err != nil {
					t.Fatal(err)
				}
			}
			closeJournal(t, j)
			if got, _ := os.ReadFile(path); !bytes.Equal(got, whole) {
				t.Fatalf("cut at %d: written on it is\n%q\nwant\n%q", cut, got, whole)
			}
		}
	}
}

func TestJournalRefused(t *testing.T) {
	t.Parallel()
	head := `{"format":"milepost/import-journal@v1","origin":"` + origin + `","author":"` + author + "\"}\n"
	line := `{"id":"` + journalID(1) + `","note":"x"}` + "\n"
	for name, c := range map[string]struct{ content, code string }{
		"a CSV file":           {"vehicle,event_time\n", "journal_other"},
		"a file of one line":   {"vehicle,event_time", "journal_other"},
		"another format":       {strings.Replace(head, "@v1", "@v2", 1), "journal_other"},
		"another log":          {strings.Replace(head, "0123", "3210", 1), "journal_other"},
		"another author":       {strings.Replace(head, "leeds", "york", 1), "journal_other"},
		"more in the head":     {strings.Replace(head, "{", `{"x":1,`, 1), "journal_other"},
		"a broken line":        {head + "{\n" + line, "journal_broken"},
		"an empty line":        {head + "\n" + line, "journal_broken"},
		"zeros between":        {head + "\x00\x00\n" + line, "journal_broken"},
		"a broken last line":   {head + line + "{\n", "journal_broken"},
		"an id twice":          {head + line + line, "journal_broken"},
		"a bad id":             {head + strings.Replace(line, "-7", "-4", 1), "journal_broken"},
		"no note":              {head + strings.Replace(line, `"x"`, `""`, 1), "journal_broken"},
		"an unknown field":     {head + strings.Replace(line, "{", `{"y":1,`, 1), "journal_broken"},
		"two objects a line":   {head + strings.Replace(line, "\n", "{}\n", 1), "journal_broken"},
		"a line over the size": {head + strings.Replace(line, "x", strings.Repeat("x", maxJournalLine), 1), "journal_broken"},
	} {
		path := filepath.Join(t.TempDir(), "j")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenJournal(path, origin, author)
		if fault.Code(err) != c.code || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %s, %v", name, fault.Code(err), err)
		}
		if got, _ := os.ReadFile(path); string(got) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := OpenJournal(filepath.Join(t.TempDir(), "no", "dir"), origin, author); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestJournalIsForOne(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no flock: a journal there is not locked")
	}
	path := filepath.Join(t.TempDir(), "j")
	j := openJournal(t, path)
	if _, err := OpenJournal(path, origin, author); fault.Code(err) != "journal_busy" {
		t.Errorf("%v", err)
	}
	closeJournal(t, j)
	closeJournal(t, openJournal(t, path))
}

// After a write that failed nothing is added behind what may be half a line.
func TestJournalStaysBroken(t *testing.T) {
	t.Parallel()
	j := openJournal(t, filepath.Join(t.TempDir(), "j"))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	first := j.Add(journalID(1), []byte("x"))
	if first == nil || j.Len() != 0 {
		t.Fatalf("%v, %d notes", first, j.Len())
	}
	if again, sync := j.Add(journalID(2), []byte("x")), j.Sync(); again != first || sync != first {
		t.Errorf("%v, %v, want %v", again, sync, first)
	}
}

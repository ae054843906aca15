package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// twice scans as often as it takes for what is new to count as whole.
func twice(t *testing.T, w *Workshop) {
	t.Helper()
	for range 2 {
		if err := w.scan(t.Context()); err != nil && fault.Code(err) != "disk_full" {
			t.Fatal(err)
		}
	}
}

func exists(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			t.Error(err)
		}
	}
}

// A file's place says how far its record is; beside it stands the answer, or
// in plain words why there is none.
func TestFolder(t *testing.T) {
	t.Parallel()
	q, log, dir := newTestQueue(t, nil), newLog(), t.TempDir()
	w := newWorkshop(t, WorkshopConfig{Queue: q, Log: log, Folder: dir})
	drop := func(name string, data []byte) { must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644)) }
	drop("a.json", unsigned(1))
	drop("wrong.json", []byte(`{"type":"odometer.reading"}`))
	drop("large.json", make([]byte, MaxUnsigned+1))
	drop("notes.txt", []byte("not ours"))
	drop(".b.json", unsigned(7)) // still being written under another name
	must(t, os.Symlink(filepath.Join(dir, "notes.txt"), filepath.Join(dir, "link.json")))
	must(t, os.Mkdir(filepath.Join(dir, "dir.json"), 0o755))
	must(t, w.scan(t.Context()))
	count(t, q, 0, 0, 0) // it may not be whole yet
	exists(t, dir, "a.json", "wrong.json")
	must(t, w.scan(t.Context()))
	count(t, q, 1, 0, 0)
	exists(t, dir, "pending/a.json", "refused/wrong.json", "refused/wrong.error.txt", "refused/large.json", "refused/large.error.txt", "notes.txt", ".b.json", "link.json", "dir.json")
	said, err := os.ReadFile(filepath.Join(dir, "refused/wrong.error.txt"))
	must(t, err)
	if !strings.Contains(string(said), "NOT SIGNED") || !strings.Contains(string(said), "event_time: this field is missing [field]\nHint: when it happened") {
		t.Fatalf("%s", said)
	}
	flush := func() {
		_, err := q.Flush(t.Context(), log, FlushOptions{})
		must(t, err)
		must(t, w.scan(t.Context()))
	}
	flush()
	exists(t, dir, "done/a.json", "done/a.answer.json", "done/a.receipt")
	answer, err := os.ReadFile(filepath.Join(dir, "done/a.answer.json"))
	must(t, err)
	if !strings.Contains(string(answer), `"status": "acknowledged"`) || !strings.Contains(string(answer), `"index": 100`) {
		t.Fatalf("%s", answer)
	}

	// The same content is the same record; another content under the same
	// name is another one, and neither pushes the other out.
	drop("a.json", unsigned(1))
	drop("c.json", unsigned(1))
	twice(t, w)
	flush()
	drop("a.json", unsigned(2))
	twice(t, w)
	flush()
	if n := len(log.kept()); n != 2 {
		t.Fatalf("%d records on the log", n)
	}
	exists(t, dir, "done/a.json", "done/c.json")
	others, err := filepath.Glob(filepath.Join(dir, "done", "a-????????????.json"))
	if err != nil || len(others) != 1 {
		t.Fatalf("%v, %v", others, err)
	}
	exists(t, dir, "done/"+strings.TrimSuffix(filepath.Base(others[0]), ".json")+".answer.json")

	// Half a file gets time to become a whole one, but not for ever.
	drop("half.json", unsigned(9)[:40])
	for range looksWrong - 1 {
		must(t, w.scan(t.Context()))
	}
	exists(t, dir, "half.json")
	must(t, w.scan(t.Context()))
	exists(t, dir, "refused/half.json", "refused/half.error.txt")

	// The log refuses one.
	drop("d.json", unsigned(3))
	twice(t, w)
	it, err := q.Pending()
	must(t, err)
	log.refuses[it[0].LeafHash] = "suspended"
	flush()
	exists(t, dir, "refused/d.json", "refused/d.error.txt")
	if said, err = os.ReadFile(filepath.Join(dir, "refused/d.error.txt")); err != nil || !strings.Contains(string(said), "it may not stand [suspended]\nHint: ask") {
		t.Fatalf("%s, %v", said, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "pending")); err != nil || len(left) > 0 {
		t.Fatalf("%v, %v", left, err)
	}
	if _, err := NewWorkshop(WorkshopConfig{Queue: q, Log: log, Folder: filepath.Join(dir, "nowhere")}); fault.Code(err) != "file" {
		t.Fatal(err)
	}
}

// A key that can't be read, or a full disk, is no refusal: the file stays
// until it can be signed.
func TestFolderWaitsForWhatIsAmiss(t *testing.T) {
	t.Parallel()
	d, log := newMemDisk(1), newLog()
	d.drop("f/a.json", unsigned(1))
	w := newWorkshop(t, WorkshopConfig{Queue: newTestQueue(t, d), Log: log, Folder: "f"})
	sign := w.cfg.Signer
	w.cfg.Signer = func() (certs.Signer, error) { return nil, fault.New("key_file", "", "the key file cannot be read") }
	must(t, w.scan(t.Context()))
	wantCode(t, w.scan(t.Context()), "key_file")
	w.cfg.Signer = sign
	d.fullAt = d.steps
	wantCode(t, w.scan(t.Context()), "disk_full")
	d.fullAt = 0
	if _, err := d.stat("f/a.json"); err != nil {
		t.Fatal("the file is gone")
	}
	twice(t, w)
	if _, err := d.stat("f/pending/a.json"); err != nil {
		t.Fatal("the file is not taken")
	}
}

// The power fails, or the process is killed, at every step between a file's
// arrival and its answer: each content is one record, each file has its
// answer in the end.
func TestCrashInFolder(t *testing.T) {
	t.Parallel()
	for step, crashes := 1, 0; ; step++ {
		ended := true
		for seed := range uint64(2) {
			d, log := newMemDisk(seed<<32|uint64(step)), newLog()
			q := newTestQueue(t, d)
			for km := 1; km <= 2; km++ {
				d.drop(fmt.Sprintf("f/%d.json", km), unsigned(km))
			}
			d.drop("f/wrong.json", []byte("{}"))
			run := func(q *Queue) {
				w := newWorkshop(t, WorkshopConfig{Queue: q, Log: log, Folder: "f"})
				twice(t, w)
				_, err := q.Flush(t.Context(), log, FlushOptions{})
				must(t, err)
				twice(t, w)
			}
			d.crashAt = d.steps + step
			if !crashing(func() { run(q) }) {
				continue
			}
			ended = false
			crashes++
			d.restart()
			run(newTestQueue(t, d))
			if n := len(log.kept()); n != 2 {
				t.Fatalf("step %d, loss %d: %d records on the log, not 2", step, seed, n)
			}
			for _, name := range []string{"done/1.json", "done/1.answer.json", "done/1.receipt", "done/2.json", "done/2.answer.json", "refused/wrong.json", "refused/wrong.error.txt"} {
				if _, err := d.stat("f/" + name); err != nil {
					t.Fatalf("step %d, loss %d: %s is missing", step, seed, name)
				}
			}
			for _, place := range []string{"f", "f/pending"} {
				names, err := d.list(place)
				must(t, err)
				for _, n := range names {
					if isDropped(n) {
						t.Fatalf("step %d, loss %d: %s is still in %s", step, seed, n, place)
					}
				}
			}
		}
		if ended {
			if crashes < 100 {
				t.Fatalf("only %d crashes", crashes)
			}
			t.Logf("%d crashes", crashes)
			return
		}
	}
}

// A workshop that runs takes what is dropped by itself.
func TestFolderIsWatched(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), newLog()
	w := newWorkshop(t, WorkshopConfig{Queue: newTestQueue(t, nil), Log: log, Folder: dir, Poll: time.Millisecond})
	d := &testDoor{Workshop: w, t: t}
	d.run()
	for km := 1; km <= 3; km++ {
		tmp := filepath.Join(dir, fmt.Sprintf(".%d", km))
		must(t, os.WriteFile(tmp, unsigned(km), 0o644))
		must(t, os.Rename(tmp, filepath.Join(dir, fmt.Sprintf("%d.JSON", km))))
	}
	d.until("three answers", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "done", "*.answer.json"))
		return len(found) == 3
	})
	if n := len(log.kept()); n != 3 {
		t.Fatalf("%d records on the log", n)
	}
}

package node_test

import (
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// stoppedNode is the data directory of a node of some history, stopped, and
// one record in it, about which there is a case.
func stoppedNode(t *testing.T, c *cluster) (dir string, note []byte, leaf uint64) {
	car := newVIN()
	note = c.reading(car, 23_456)
	ans := c.ack("turin", note)
	asked := c.asks(other, car, note, 123_456)
	c.ack("turin", asked, c.follows(dealer, "case.evidence/1", car, asked, asked)) // in one batch
	for range 6 {
		c.ack("turin", c.readings(30)...)
		c.ack("turin", c.reading(car, 30_000), note) // one of them is there already
	}
	c.agree()
	dir = t.TempDir()
	c.StopNode("lyon")
	for _, f := range []string{"raft.db", "tree.db", "heads.db"} {
		copyFile(t, filepath.Join(c.Cluster.Cluster.DataPath("lyon"), f), filepath.Join(dir, f))
	}
	return dir, note, *ans.Records[0].Index
}

func check(t testing.TB, dir string) *node.CheckReport {
	t.Helper()
	rep, err := node.Check(t.Context(), dir, node.CheckOptions{Node: "lyon"})
	must(t, err)
	return rep
}

// What is damaged is named: record, leaf, place in the ledger, file and node.
func TestCheckNamesDamage(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	dir, note, leaf := stoppedNode(t, c)
	rep := check(t, dir)
	if len(rep.Damage) > 0 || rep.Size == 0 || rep.Heads == 0 || rep.Histories < 180 || rep.Records < 190 {
		t.Fatalf("a sound directory: %+v", rep)
	}
	hash := verify.LeafHash(note)
	r, err := record.Open(note)
	must(t, err)
	key := verify.SubjectKey(r.Subject("vehicle"))
	tree, err := log.Open(filepath.Join(dir, "tree.db"), log.Config{ReadOnly: true})
	must(t, err)
	applied, term := tree.Applied()
	must(t, tree.Close())
	place := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, applied), term)
	for _, s := range []struct {
		name, file string
		spoil      func(path string)
		says       []string
	}{
		{"a byte of a record", "raft.db", func(p string) { flipAll(t, p, []byte(r.Text[40:])) },
			[]string{"node lyon, raft.db", fmt.Sprintf("leaf %d,", leaf), verify.Hex(hash), "position 0 of ledger entry", "do not have the leaf hash"}},
		{"a leaf hash", "tree.db", func(p string) { flipAll(t, p, hash[:]) },
			[]string{"node lyon, tree.db", fmt.Sprintf("leaf %d,", leaf), "odometer.reading/1 by dealer.example/lyon", r.ID, "not under the tree's own root"}},
		{"an id", "tree.db", func(p string) { flipAll(t, p, r.UUID[:]) }, []string{fmt.Sprintf("leaf %d,", leaf), "index of ids"}},
		{"the name of a history", "tree.db", func(p string) { flipAll(t, p, key[:]) }, []string{"node lyon, tree.db", "histor"}},
		{"the authority", "tree.db", func(p string) { flipAll(t, p, []byte("Garage de Lyon")) }, []string{"tree.db", "member/dealer.example/lyon is not what the ledger gives"}},
		{"a case", "tree.db", func(p string) { flipAll(t, p, []byte(`"reason":"digit_typo"`)) },
			[]string{"tree.db", "what it says of case/" + r.Subject("vehicle"), "is not what the ledger gives"}},
		{"what a case says of a record", "tree.db", func(p string) { flipAll(t, p, []byte(`","open":"`)) },
			[]string{"tree.db", "what it says of target/" + r.Subject("vehicle"), "is not what the ledger gives"}},
		{"the term of its place in the ledger", "tree.db", func(p string) { flipAll(t, p, place) },
			[]string{"tree.db", fmt.Sprintf("it has taken ledger entry %d of term", applied)}},
		{"a file cut short", "tree.db", func(p string) { must(t, os.Truncate(p, 8192)) }, []string{"tree.db"}},
		{"a missing file", "heads.db", func(p string) { must(t, os.Remove(p)) }, []string{"heads.db", "missing"}},
		{"no database", "raft.db", func(p string) { must(t, os.WriteFile(p, []byte("raft"), 0o600)) }, []string{"raft.db"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join(dir, s.file)
			kept := filepath.Join(t.TempDir(), "kept")
			copyFile(t, path, kept)
			defer copyFile(t, kept, path)
			s.spoil(path)
			rep := check(t, dir)
			all := ""
			for _, d := range rep.Damage {
				all += d.String() + "\n"
				if d.File != s.file {
					t.Errorf("%s is blamed: %s", d.File, d)
				}
			}
			for _, words := range s.says {
				if !strings.Contains(all, words) {
					t.Errorf("it does not say %q:\n%s", words, all)
				}
			}
		})
	}
	// A node that runs has its directory for itself.
	_, err = node.Check(t.Context(), c.Cluster.Cluster.DataPath("turin"), node.CheckOptions{})
	refused(t, err, "data_in_use")
	_, err = node.Check(t.Context(), t.TempDir(), node.CheckOptions{})
	refused(t, err, "data_dir")
}

// Any one bit, anywhere in any of the three files, flips: either the check
// finds it, or it changed nothing that anyone reads. It never panics, hangs or
// refuses to run.
func TestCheckFindsFlippedBits(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	dir, _, _ := stoppedNode(t, c)
	c.Stop()
	flips := 60
	if raceEnabled || testing.Short() {
		flips = 12
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := mathrand.New(mathrand.NewPCG(seed, 1))
	for _, file := range []string{"raft.db", "tree.db", "heads.db"} {
		path := filepath.Join(dir, file)
		before := node.Dump(path)
		used := node.UsedPages(path)
		found := 0
		for range flips {
			at := int64(used[rnd.IntN(len(used))])*int64(os.Getpagesize()) + rnd.Int64N(int64(os.Getpagesize()))
			bit := byte(1) << rnd.IntN(8)
			flipBit(t, path, at, bit)
			if rep := check(t, dir); len(rep.Damage) > 0 {
				found++
			} else if after := node.Dump(path); after != before {
				t.Errorf("bit %d of byte %d of %s was flipped, and nobody noticed:\n%s", bit, at, file, node.Differ(before, after))
			}
			flipBit(t, path, at, bit)
		}
		t.Logf("%s: %d of %d flips were found, the others hit unused space", file, found, flips)
		if found < flips/10 {
			t.Errorf("only %d of %d flips of %s were found", found, flips, file)
		}
	}
	if rep := check(t, dir); len(rep.Damage) > 0 {
		t.Errorf("after all were flipped back: %v", rep.Damage)
	}
}

// A tree made anew is the same: root, authority, place in the ledger. Nothing
// is touched while the node runs, or where the ledger does not give what the
// node has cosigned.
func TestRebuild(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	b.join("ghent") // Raft's configuration changes
	c.run("ghent")
	b.eventually("ghent catching up, hence Raft's change being before what follows", func() bool {
		return c.Nodes["ghent"].Status().Published >= c.Nodes["leeds"].Status().Published
	})
	car := newVIN()
	note := c.reading(car, 40_000)
	c.ack("turin", note)
	c.ack("turin", c.readings(50)...)
	size, root := c.agree()
	authority := c.Nodes["lyon"].Authority()
	applied := c.Nodes["lyon"].Status().Applied
	dir := c.Cluster.Cluster.DataPath("lyon")
	_, err := node.Rebuild(t.Context(), dir, nil)
	refused(t, err, "data_in_use")
	c.StopNode("lyon")
	for name, spoil := range map[string]func(){
		"whole":                    func() {},
		"no tree":                  func() { must(t, os.Remove(filepath.Join(dir, "tree.db"))) },
		"garbage":                  func() { must(t, os.WriteFile(filepath.Join(dir, "tree.db"), []byte("garbage"), 0o600)) },
		"a rebuild that broke off": func() { must(t, os.WriteFile(filepath.Join(dir, "tree.db.new"), []byte("half"), 0o600)) },
	} {
		spoil()
		rep, err := node.Rebuild(t.Context(), dir, nil)
		must(t, err)
		if rep.Size != size || rep.Root != verify.Hex(root) || rep.Heads == 0 || rep.Entries != applied {
			t.Errorf("%s: %+v, want %d leaves up to entry %d", name, rep, size, applied)
		}
		if rep := check(t, dir); len(rep.Damage) > 0 {
			t.Errorf("%s: the new tree: %v", name, rep.Damage)
		}
	}
	tree, err := log.Open(filepath.Join(dir, "tree.db"), log.Config{ReadOnly: true})
	must(t, err)
	must(t, tree.Close())
	c.run("lyon")
	c.ready()
	if got := c.Nodes["lyon"].Authority(); got != authority {
		t.Errorf("the authority is another:\n%s\nbefore\n%s", got, authority)
	}
	c.ack("lyon", c.readings(3)...)
	c.agree()

	// A ledger that gives something else.
	c.StopNode("lyon")
	heads := filepath.Join(t.TempDir(), "heads.db")
	copyFile(t, filepath.Join(dir, "heads.db"), heads)
	before, err := os.ReadFile(filepath.Join(dir, "tree.db"))
	must(t, err)
	must(t, node.DoctorLedger(dir, note, c.reading(car, 50_000)))
	copyFile(t, heads, filepath.Join(dir, "heads.db"))
	must(t, os.WriteFile(filepath.Join(dir, "tree.db"), before, 0o600))
	_, err = node.Rebuild(t.Context(), dir, nil)
	refused(t, err, "rebuild_differs")
	if after, err := os.ReadFile(filepath.Join(dir, "tree.db")); err != nil || string(after) != string(before) {
		t.Error("a rebuild that was refused has touched the tree")
	}
	if _, err := os.Stat(filepath.Join(dir, "tree.db.new")); err == nil {
		t.Error("a rebuild that was refused leaves its tree")
	}
	_, err = node.Rebuild(t.Context(), t.TempDir(), nil)
	refused(t, err, "data_dir")
}

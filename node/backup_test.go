package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record/jcs"
)

// join registers a new node, which is not started yet.
func (b *board) join(id string) {
	b.t.Helper()
	address, err := embed.FreeAddress()
	must(b.t, err)
	n := jcs.Make(jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "member", Value: jcs.Text(dealer)},
		jcs.Field{Name: "address", Value: jcs.Text(address)})
	b.Cluster.Cluster.Nodes = append(b.Cluster.Cluster.Nodes, node.NodeConfig{ID: id, Member: dealer, Address: address})
	n, pops := b.newKeys(id, n, b.Cluster.Cluster.KeyPath)
	b.nodes[id] = n
	b.decide("node.added/1", n.With("pop", pops))
}

func (c *cluster) backup(id, dir string) (*node.Manifest, error) {
	return node.Backup(c.t.Context(), node.BackupOptions{Cluster: c.Cluster.Cluster, ID: id, Dir: dir})
}

func (c *cluster) restore(id, dir string) (*node.AuditReport, error) {
	return node.Restore(c.t.Context(), node.RestoreOptions{Cluster: c.Cluster.Cluster, ID: id, Backup: dir, Now: time.Now()})
}

// A running node is backed up again and again while it takes records. Each
// backup is consistent; from one of them a new node begins, under its own
// name, and catches up with all that was acknowledged since.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	var stop atomic.Bool
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]uint64{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				ans := c.ack("turin", c.readings(4)...)
				mu.Lock()
				for _, r := range ans.Records {
					acked[r.LeafHash] = *r.Index
				}
				mu.Unlock()
			}
		})
	}
	c.eventually("some records", func() bool { return count() > 40 })
	base := t.TempDir()
	var dirs []string
	for i, id := range []string{"lyon", "turin", "mutual"} {
		before := c.Nodes[id].Status()
		dir := filepath.Join(base, fmt.Sprint(i))
		m, err := c.backup(id, dir)
		must(t, err)
		if m.Node != id || m.Origin != c.origin || m.TreeSize < before.TreeSize || m.Applied < before.Applied || m.LedgerLast < m.Applied {
			t.Errorf("the manifest is %+v, and %s was at %+v before", m, id, before)
		}
		rep, err := node.Audit(t.Context(), dir, node.AuditOptions{Checkpoint: []byte(m.Checkpoint), Now: time.Now()})
		must(t, err)
		if len(rep.Wrong) > 0 || rep.Size != m.TreeSize || rep.Root != m.Root || !rep.Quorum {
			t.Errorf("the audit of a backup: %+v, its manifest: %+v", rep, m)
		}
		dirs = append(dirs, dir)
		now := count()
		c.eventually("more records", func() bool { return count() > now+10 })
	}
	stop.Store(true)
	wg.Wait()
	if left, _ := filepath.Glob(filepath.Join(base, ".*")); len(left) > 0 {
		t.Errorf("backups leave %v", left)
	}

	// Backups of a node that is stopped are taken from its files.
	c.agree()
	c.StopNode("mutual")
	stopped := filepath.Join(base, "stopped")
	m, err := c.backup("mutual", stopped)
	must(t, err)
	if size, _ := c.agree(); m.TreeSize != size {
		t.Errorf("the backup of a stopped node has %d leaves of %d", m.TreeSize, size)
	}
	c.run("mutual")
	c.ready()

	// Registered after the backup was taken, so that the backup does not know it.
	b.join("ghent")
	if _, err := c.restore("ghent", dirs[0]); err != nil {
		t.Fatal(err)
	}
	data := c.Cluster.Cluster.DataPath("ghent")
	if votes, cosigned := node.OwnMemory(data); len(votes) > 0 || cosigned > 0 {
		t.Errorf("a restored node has the votes %q and %d cosigned heads of another", votes, cosigned)
	}
	c.run("ghent")
	c.eventually("ghent catching up", func() bool {
		return c.Nodes["ghent"].Status().Published >= c.Nodes["leeds"].Status().Published
	})
	c.agree()
	c.holds("ghent", acked)
	// And takes part: it cosigns.
	signed := "" // a backup of another node whose head it has cosigned
	c.eventually("a cosignature of ghent", func() bool {
		c.ack("leeds", c.reading(newVIN(), 1000))
		signed = filepath.Join(t.TempDir(), "leeds")
		m, err := c.backup("leeds", signed)
		must(t, err)
		return strings.Contains(m.Checkpoint, "/node/ghent ")
	})
	c.agree()

	// Its own backup must not bring a node back.
	own := filepath.Join(base, "own")
	_, err = c.backup("ghent", own)
	must(t, err)
	c.StopNode("ghent")
	must(t, os.RemoveAll(data))
	_, err = c.restore("ghent", own)
	refused(t, err, "restore_same_node")
	// Nor may another's, for it has cosigned.
	_, err = c.restore("ghent", signed)
	refused(t, err, "restore_same_node")
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused restore leaves a data directory")
	}
}

// A backup is for the node itself: no other key gets one.
func TestBackupIsForTheNodeItself(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	c.ack("turin", c.readings(2)...)
	other, err := c.key("node/turin", keyfile.UseTLS).TLS()
	must(t, err)
	for who, client := range map[string]*node.Client{
		"nobody": c.as("lyon", ""), "the member that runs it": c.as("lyon", dealer), "another node": c.clientAs("lyon", other),
	} {
		_, err := client.Get(t.Context(), "/v1/backup")
		if code := fault.Code(err); code != "forbidden" && code != "unauthenticated" {
			t.Errorf("%s asking for a backup: %v", who, err)
		}
	}
	// Ledger entries are for nodes.
	_, err = c.as("lyon", dealer).Get(t.Context(), "/v1/ledger/2")
	refused(t, err, "forbidden")
	_, err = c.clientAs("lyon", other).Get(t.Context(), "/v1/ledger/999999")
	refused(t, err, "behind")
	if _, err = c.clientAs("lyon", other).Get(t.Context(), "/v1/ledger/2"); err != nil {
		t.Error(err)
	}
}

// A backup that is not what was written is refused, whatever has changed, and
// nothing is left of the attempt. One that was changed along with its manifest
// is found by the check and the replay.
func TestDamagedBackups(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	car := newVIN()
	c.ack("turin", append(c.readings(40), c.reading(car, 12_345))...)
	c.agree()
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := c.backup("lyon", dir)
	must(t, err)
	b.join("ghent")
	data := c.Cluster.Cluster.DataPath("ghent")
	spoilt := filepath.Join(t.TempDir(), "spoilt")
	files := []string{"manifest.json", "raft.db", "tree.db", "heads.db"}
	// try restores a copy of the backup of which spoil changes one file, or any.
	try := func(what, changed string, codes []string, spoil func()) {
		t.Helper()
		must(t, os.RemoveAll(spoilt))
		must(t, os.Mkdir(spoilt, 0o700))
		for _, f := range files {
			if changed == f || changed == "any" {
				copyFile(t, filepath.Join(dir, f), filepath.Join(spoilt, f))
			} else {
				must(t, os.Link(filepath.Join(dir, f), filepath.Join(spoilt, f)))
			}
		}
		spoil()
		_, err := c.restore("ghent", spoilt)
		ok := false
		for _, code := range codes {
			ok = ok || err != nil && fault.Code(err) == code
		}
		if !ok {
			t.Errorf("%s: %v (%s)", what, err, fault.Code(err))
		}
		left, _ := os.ReadDir(filepath.Dir(data))
		for _, e := range left {
			if strings.Contains(e.Name(), "ghent") {
				t.Fatalf("%s: the attempt leaves %s", what, e.Name())
			}
		}
	}
	path := func(f string) string { return filepath.Join(spoilt, f) }
	flip := func(f string, at int64) { flipAt(t, path(f), at) }

	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	must(t, err)
	for at := 0; at < len(manifest); at += 13 {
		try(fmt.Sprintf("manifest.json, byte %d", at), "manifest.json", []string{"backup_damaged", "backup_version"}, func() { flip("manifest.json", int64(at)) })
	}
	for _, f := range files[1:] {
		info, err := os.Stat(filepath.Join(dir, f))
		must(t, err)
		// A meta page, the page after, one in the middle, the last byte.
		for _, at := range []int64{20, 8192 + 3, info.Size() / 2, info.Size() - 1} {
			try(fmt.Sprintf("%s, byte %d", f, at), f, []string{"backup_damaged"}, func() { flip(f, at) })
		}
		try(f+" cut short", f, []string{"backup_damaged"}, func() { must(t, os.Truncate(path(f), info.Size()-4096)) })
		try(f+" grown", f, []string{"backup_damaged"}, func() { must(t, os.Truncate(path(f), info.Size()+1)) })
		try(f+" missing", f, []string{"backup_damaged"}, func() { must(t, os.Remove(path(f))) })
	}
	try("no manifest", "manifest.json", []string{"backup_missing"}, func() { must(t, os.Remove(path("manifest.json"))) })

	// Who rewrites the manifest too still has the tree head against them.
	sums := func() {
		m, err := node.ReadManifest(spoilt)
		must(t, err)
		for i := range m.Files {
			content, err := os.ReadFile(path(m.Files[i].Name))
			must(t, err)
			h := sha256.Sum256(content)
			m.Files[i].Size, m.Files[i].SHA256 = int64(len(content)), hex.EncodeToString(h[:])
		}
		must(t, os.WriteFile(path("manifest.json"), m.Encode(), 0o600))
	}
	try("a record, and the sums", "any", []string{"restore_wrong"}, func() { flipAll(t, path("raft.db"), []byte(car)); sums() })
	try("another record, the tree and the sums", "any", []string{"restore_wrong"}, func() {
		note := c.reading(car, 54_321)
		old, err := c.as("leeds", dealer).Get(t.Context(), "/v1/vehicles/"+car)
		must(t, err)
		var h node.HistoryAnswer
		must(t, json.Unmarshal(old, &h))
		must(t, node.DoctorLedger(spoilt, []byte(h.Entries[0].Note), note))
		copyFile(t, filepath.Join(dir, "tree.db"), path("tree.db")) // says how far to go
		_, err = node.Rebuild(t.Context(), spoilt, nil)
		must(t, err)
		must(t, os.Remove(path("raft.db.true")))
		must(t, os.Remove(path("tree.db.old")))
		copyFile(t, filepath.Join(dir, "heads.db"), path("heads.db"))
		m, err := node.ReadManifest(spoilt)
		must(t, err)
		rep, err := node.Check(t.Context(), spoilt, node.CheckOptions{})
		must(t, err)
		m.TreeSize, m.Root = rep.Size, rep.Root
		must(t, os.WriteFile(path("manifest.json"), m.Encode(), 0o600))
		sums()
	})
	must(t, os.RemoveAll(spoilt))

	// The untouched one does.
	if _, err := c.restore("ghent", dir); err != nil {
		t.Fatal(err)
	}
	_, err = c.restore("ghent", dir)
	refused(t, err, "dir_not_empty")
	_, err = c.restore("lyon", dir)
	refused(t, err, "restore_same_node")
	_, err = c.restore("turin", dir)
	refused(t, err, "restore_same_node") // of the founding
	_, err = c.restore("nowhere", dir)
	refused(t, err, "config")
	_, err = c.backup("lyon", dir)
	refused(t, err, "dir_not_empty")
}

// A manifest that is read is the one form of what it says.
func FuzzManifest(f *testing.F) {
	m := node.Manifest{Format: "milepost/backup@v1", Origin: "milepost.example/demo", Node: "lyon", TreeSize: 13}
	for _, name := range []string{"heads", "tree", "raft"} {
		f.Add(m.Encode()) // files are missing
		format := strings.Replace(name, "raft", "ledger", 1)
		m.Files = append(m.Files, node.ManifestFile{Name: name + ".db", Format: "milepost/" + format + "@v1", Size: 1})
	}
	whole := m.Encode()
	if _, err := node.ParseManifest(whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := node.ParseManifest(data)
		switch code := fault.Code(err); {
		case err == nil && !bytes.Equal(m.Encode(), data):
			t.Errorf("it reads %q as %q", data, m.Encode())
		case err != nil && code != "backup_damaged" && code != "backup_version":
			t.Errorf("%v (%s)", err, code)
		}
	})
}

// A disk that fills up in the middle leaves nothing, of a backup or a restore.
func TestBackupOnAFullDisk(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	c.ack("turin", c.readings(20)...)
	base := t.TempDir()
	for _, room := range []int{0, 10_000, 60_000} {
		opt := node.BackupOptions{Cluster: c.Cluster.Cluster, ID: "lyon", Dir: filepath.Join(base, "short")}
		opt.Room(func(w io.Writer) io.Writer { return &smallDisk{w, room} })
		_, err := node.Backup(t.Context(), opt)
		refused(t, err, "disk_full")
		if left, _ := os.ReadDir(base); len(left) > 0 {
			t.Errorf("%s is left", left[0].Name())
		}
	}
	dir := filepath.Join(base, "whole")
	_, err := c.backup("lyon", dir)
	must(t, err)
	b.join("ghent")
	opt := node.RestoreOptions{Cluster: c.Cluster.Cluster, ID: "ghent", Backup: dir, Now: time.Now()}
	opt.Room(func(w io.Writer) io.Writer { return &smallDisk{w, 10_000} })
	_, err = node.Restore(t.Context(), opt)
	refused(t, err, "disk_full")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Cluster.Cluster.DataPath("ghent")), "*ghent*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	// Who breaks it off has nothing either.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := node.Restore(ctx, node.RestoreOptions{Cluster: c.Cluster.Cluster, ID: "ghent", Backup: dir, Now: time.Now()}); err == nil {
		t.Error("a restore goes on after it was broken off")
	}
	if _, err := os.Stat(c.Cluster.Cluster.DataPath("ghent")); err == nil {
		t.Error("a restore that was broken off left a data directory")
	}
}

// smallDisk has room for so many bytes.
type smallDisk struct {
	w    io.Writer
	room int
}

func (d *smallDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, syscall.ENOSPC
	}
	return d.w.Write(p)
}

// flipAt flips a bit of a file.
func flipAt(t testing.TB, path string, at int64) { flipBit(t, path, at, 4) }

// flipBit flips bits of one byte of a file.
func flipBit(t testing.TB, path string, at int64, bits byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	must(t, err)
	b[0] ^= bits
	_, err = f.WriteAt(b, at)
	must(t, err)
}

// flipAll flips a bit in each place of a file where some bytes stand: bbolt
// leaves older copies of a page behind.
func flipAll(t testing.TB, path string, what []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	n := 0
	for at := 0; ; n++ {
		i := bytes.Index(data[at:], what)
		if i < 0 {
			break
		}
		flipAt(t, path, int64(at+i+len(what)/2))
		at += i + 1
	}
	if n == 0 {
		t.Fatalf("%s does not hold what is to be flipped", path)
	}
}

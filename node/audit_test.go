package node_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// What was altered in a data directory is named by its audit: the first wrong
// leaf where leaves differ, else what differs beside them.
func TestAuditNamesDamage(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	sound, note, leaf := stoppedNode(t, c)
	policy := c.policy()
	c.Stop()
	tree, err := log.Open(filepath.Join(sound, "tree.db"), log.Config{ReadOnly: true})
	must(t, err)
	v := tree.View()
	size, root := v.Size, v.Root
	at, _, _, err := v.Place(leaf)
	must(t, err)
	v.Release()
	must(t, tree.Close())
	r, err := record.Open(note)
	must(t, err)
	vehicle, hash := r.Subject("vehicle"), verify.LeafHash(note)
	key := verify.SubjectKey(vehicle)
	doctored := c.reading(strings.TrimPrefix(vehicle, "vehicle/"), 3_456)
	named := fmt.Sprintf("odometer.reading/1 by dealer.example/lyon, id %s, position 0 of ledger entry %d with leaf hash %s", r.ID, at, verify.Hex(hash))

	for _, s := range []struct {
		name  string
		spoil func(dir string)
		leaf  *uint64
		says  []string // nothing: all is well
	}{
		{"nothing", func(string) {}, nil, nil},
		{"a byte of a record", in("raft.db", func(p string) {
			alter(t, p, "log", binary.BigEndian.AppendUint64(nil, at), func(v []byte) []byte {
				v[bytes.Index(v, []byte(r.Text))+40] ^= 1
				return v
			})
		}), nil, []string{fmt.Sprintf("ledger entry %d cannot be read", at)}},
		{"a leaf hash", in("tree.db", func(p string) { flipAll(t, p, hash[:]) }), &leaf,
			[]string{fmt.Sprintf("leaf %d is wrong: the ledger gives %s, tree.db has ", leaf, named)}},
		{"a record in the ledger", func(dir string) {
			must(t, node.DoctorLedger(dir, note, doctored))
			copyFile(t, filepath.Join(sound, "tree.db"), filepath.Join(dir, "tree.db"))
			copyFile(t, filepath.Join(sound, "heads.db"), filepath.Join(dir, "heads.db"))
		}, &leaf, []string{fmt.Sprintf("leaf %d is wrong", leaf), "with leaf hash " + verify.Hex(verify.LeafHash(doctored)), "tree.db has " + verify.Hex(hash)}},
		{"a batch less in the ledger", func(dir string) { lastBatchOut(t, dir) }, nil,
			[]string{"the ledger gives tree size ", fmt.Sprintf("; tree.db has %d, %s", size, verify.Hex(root)), "leaves are missing"}},
		{"the name of a history", in("tree.db", func(p string) { flipAll(t, p, key[:]) }), nil,
			[]string{"the history of " + vehicle + " has 9 records, tree.db lists 0"}},
		{"what the index commits to", in("tree.db", func(p string) {
			alter(t, p, "histories", key[:], func(v []byte) []byte { v[31] ^= 1; return v })
		}), nil, []string{"tree.db: ", "its histories give the index root"}},
		{"the first place that a history lists", in("tree.db", func(p string) {
			alter(t, p, "histories", key[:], func(v []byte) []byte { return otherFirst(v, leaf) })
		}), nil, []string{"entry 0 of the history of " + vehicle + " is wrong in tree.db"}},
		{"a member", in("tree.db", func(p string) { flipAll(t, p, []byte("Garage de Lyon")) }), nil,
			[]string{"what tree.db says of member/dealer.example/lyon is not what the ledger gives"}},
		{"a member that nobody admitted", in("tree.db", func(p string) {
			alter(t, p, "state", []byte("authority/member/dealer.example/oslo"), func([]byte) []byte { return []byte("{}") })
		}), nil, []string{"what tree.db says of member/dealer.example/oslo is not in the ledger"}},
		{"a case", in("tree.db", func(p string) { flipAll(t, p, []byte(`"reason":"digit_typo"`)) }), nil,
			[]string{"what tree.db says of case/" + vehicle + "/", "is not what the ledger gives"}},
		{"what a case says of a record", in("tree.db", func(p string) { flipAll(t, p, []byte(`","open":"`)) }), nil,
			[]string{"what tree.db says of target/" + vehicle + "/", "is not what the ledger gives"}},
		{"a head that was cosigned", in("heads.db", func(p string) {
			alter(t, p, "cosigned", nil, func(v []byte) []byte { v[0] ^= 1; return v })
		}), nil, []string{"a head that this node cosigned at size ", ", the ledger gives "}},
		{"the newest head with a quorum", in("heads.db", func(p string) {
			alter(t, p, "published", []byte("newest"), func(v []byte) []byte {
				return bytes.Replace(v, []byte(fmt.Sprintf("\n%d\n", size)), []byte(fmt.Sprintf("\n%d\n", size-1)), 1)
			})
		}), nil, []string{fmt.Sprintf("the newest head with a quorum at size %d has root ", size-1)}},
		{"all heads", in("heads.db", func(p string) { must(t, os.Remove(p)) }), nil, []string{"heads.db is missing"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range []string{"raft.db", "tree.db", "heads.db"} {
				copyFile(t, filepath.Join(sound, f), filepath.Join(dir, f))
			}
			s.spoil(dir)
			rep, err := node.Audit(t.Context(), dir, node.AuditOptions{Policy: policy, Now: time.Now(), Temp: t.TempDir()})
			must(t, err)
			all := strings.Join(rep.Wrong, "\n")
			switch {
			case (rep.FirstLeaf == nil) != (s.leaf == nil), s.leaf != nil && *rep.FirstLeaf != *s.leaf:
				t.Errorf("the first wrong leaf is another than %s:\n%s", number(s.leaf), all)
			case len(s.says) == 0 && (len(rep.Wrong) > 0 || rep.Size != size || !rep.Quorum):
				t.Errorf("a sound directory: %+v", rep)
			case len(s.says) > 0 && len(rep.Wrong) == 0:
				t.Error("nothing is found")
			}
			for _, words := range s.says {
				if !strings.Contains(all, words) {
					t.Errorf("it does not say %q:\n%s", words, all)
				}
			}
		})
	}
}

func number(n *uint64) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}

func in(file string, spoil func(path string)) func(dir string) {
	return func(dir string) { spoil(filepath.Join(dir, file)) }
}

// alter rewrites one value of a bbolt file, under checksums that fit: that of
// a key, or the first of the bucket.
func alter(t testing.TB, path, bucket string, key []byte, change func([]byte) []byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	must(t, err)
	defer db.Close()
	must(t, db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if key == nil {
			key, _ = b.Cursor().First()
		}
		before := b.Get(key)
		after := change(bytes.Clone(before))
		if bytes.Equal(before, after) {
			t.Fatalf("nothing is altered in %s", bucket)
		}
		return b.Put(bytes.Clone(key), after)
	}))
}

// otherFirst has a stored history begin with the genesis instead of the leaf
// at first; what the index commits to stays, and the later places do.
func otherFirst(value []byte, first uint64) []byte {
	head := 32 + 1 + 32*bits.OnesCount8(value[32]) // leaf, count, frontier
	i, n := binary.Uvarint(value[head:])
	next, m := binary.Uvarint(value[head+n:])
	if i != first || n <= 0 || m <= 0 {
		panic("that is no history which begins there")
	}
	out := binary.AppendUvarint(bytes.Clone(value[:head]), 0)
	out = binary.AppendUvarint(out, i+next)
	return append(out, value[head+n+m:]...)
}

// lastBatchOut makes an entry without records of the ledger entry that the
// tree's newest batch was made of, and of those after it: a record that was
// sent again, for its answer was lost, makes entries that give no leaf.
func lastBatchOut(t testing.TB, dir string) {
	t.Helper()
	path := filepath.Join(dir, "raft.db")
	must(t, os.Rename(path, path+".true"))
	from, err := store.Open(path+".true", store.Config{ReadOnly: true})
	must(t, err)
	defer from.Close()
	to, err := store.Open(path, store.Config{})
	must(t, err)
	defer to.Close()
	end, err := from.LastIndex()
	must(t, err)
	tree, err := log.Open(filepath.Join(dir, "tree.db"), log.Config{ReadOnly: true})
	must(t, err)
	defer tree.Close()
	view := tree.View()
	defer view.Release()
	newest, err := view.Batch(view.Size - 1)
	must(t, err)
	var entries []*raft.Log
	for i := uint64(1); i <= end; i++ {
		e, err := from.Entry(i)
		must(t, err)
		if e.Type == raft.LogCommand && i >= newest.Entry {
			e.Type, e.Data = raft.LogNoop, nil
		}
		entries = append(entries, e)
	}
	must(t, to.StoreLogs(entries))
}

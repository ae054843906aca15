package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
)

// What tests of backups, repairs and checks need from the inside.

// Encode writes a manifest with a hash that fits.
func (m *Manifest) Encode() []byte { return m.bytes() }

// Room has a backup written to a disk of its own.
func (opt *BackupOptions) Room(wrap func(io.Writer) io.Writer) { opt.wrap = wrap }

// Room has a node restored to a disk of its own.
func (opt *RestoreOptions) Room(wrap func(io.Writer) io.Writer) { opt.wrap = wrap }

// OwnMemory is what a node that is down knows of its own doings: Raft's votes,
// and how many heads it cosigned.
func OwnMemory(dir string) (votes []string, cosigned int) {
	l, err := store.Open(filepath.Join(dir, ledgerFile), store.Config{ReadOnly: true})
	if err != nil {
		panic(err)
	}
	defer l.Close()
	for _, key := range []string{"LastVoteTerm", "LastVoteCand"} {
		if v, err := l.Get([]byte(key)); err == nil {
			votes = append(votes, string(v))
		}
	}
	h, err := openHeads(dir)
	if err != nil {
		panic(err)
	}
	defer h.close()
	h.db.View(func(tx *bolt.Tx) error {
		cosigned = tx.Bucket(cosignedBucket).Stats().KeyN
		return nil
	})
	return votes, cosigned
}

// Dump is all that a bbolt file says to whoever reads it with bbolt, but for
// what stands under no checksum and no root: Raft's term and vote, the mark of
// what was applied, and when heads were cosigned.
func Dump(path string) string {
	var b strings.Builder
	err := log.Guard(func() error {
		db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
				return bucket.ForEach(func(k, v []byte) error {
					switch {
					case string(name) == "stable", string(k) == "floor":
						return nil
					case string(name) == "cosigned" && len(v) > 40:
						v = append(append([]byte{}, v[:32]...), v[40:]...)
					}
					fmt.Fprintf(&b, "%s %x %x\n", name, k, v)
					return nil
				})
			})
		})
	})
	if err != nil {
		return err.Error()
	}
	return b.String()
}

// Differ returns the first lines in which two dumps differ.
func Differ(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%.150s\n%.150s", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(a), len(b))
}

// UsedPages lists the pages of a bbolt file that hold something.
//
// DataPages leaves out the list of free pages: bbolt reads it first of all,
// and panics there with the file locked, until the process ends.
func UsedPages(path string) []int { return pagesOf(path, "free") }
func DataPages(path string) []int { return pagesOf(path, "free", "freelist") }

func pagesOf(path string, without ...string) (pages []int) {
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.View(func(tx *bolt.Tx) error {
		for id := 0; ; id++ {
			p, err := tx.Page(id)
			if p == nil || err != nil {
				return err
			}
			if !slices.Contains(without, p.Type) {
				for i := 0; i <= p.OverflowCount; i++ {
					pages = append(pages, id+i)
				}
			}
			id += p.OverflowCount
		}
	})
	return pages
}

// OtherEntry is a stored ledger entry of the same length whose first record is
// another one, under a checksum that fits.
func OtherEntry(stored []byte) []byte {
	out := bytes.Clone(stored)
	body := out[:len(out)-store.SumSize]
	i := bytes.Index(body, []byte(`"value":`))
	if i < 0 {
		return out
	}
	body[i+len(`"value":`)] ^= 1
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(out[len(body):], sum)
	return out
}

// Stores are the three that a node keeps, by the names of their files.
func (n *Node) Stores() map[string]any {
	return map[string]any{ledgerFile: n.ledger, treeFile: n.tree, headsFile: n.heads}
}

// CosignedRoots are the roots that a node that is down has cosigned, by size.
func CosignedRoots(dir string) (map[uint64][32]byte, error) {
	roots := map[uint64][32]byte{}
	err := log.Guard(func() error {
		db, err := bolt.Open(filepath.Join(dir, headsFile), 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(cosignedBucket).ForEach(func(k, v []byte) error {
				roots[binary.BigEndian.Uint64(k)] = [32]byte(v[:32])
				return nil
			})
		})
	})
	return roots, err
}

// NewerMeta is which of the two meta pages of a bbolt file is the newer one.
func NewerMeta(path string) int {
	var ids [2]uint64
	f, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for i := range ids {
		m := make([]byte, 8)
		if _, err := f.ReadAt(m, int64(i*os.Getpagesize()+16+48)); err != nil {
			panic(err)
		}
		ids[i] = binary.LittleEndian.Uint64(m)
	}
	if ids[1] > ids[0] {
		return 1
	}
	return 0
}

// LastCosigned is the size of the newest head that the node cosigned.
func (n *Node) LastCosigned() uint64 { return n.heads.lastCosigned() }

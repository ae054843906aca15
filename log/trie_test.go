package log

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/milepost-log/milepost/verify"
)

// testFile opens a file with our buckets in it, for tests below the Log.
func testFile(t *testing.T) *bbolt.DB {
	t.Helper()
	db, err := openFile(t.TempDir()+"/tree.db", &Config{noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := createBuckets(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// scratch runs fn in a transaction that is rolled back.
func scratch(t tester, db *bbolt.DB, fn func(b *buckets)) {
	t.Helper()
	tx, err := db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	b, err := openBuckets(tx)
	if err != nil {
		t.Fatal(err)
	}
	fn(&b)
}

// Keys of real subjects spread evenly. These crowd together instead, so that
// slots split deep down, nodes have an empty side, and branches stand at any
// bit. After every change the trie must have the root of the naive tree, the
// form of a trie built afresh, and proofs that verify.
func TestTrieProperty(t *testing.T) {
	t.Parallel()
	db := testFile(t)
	rapid.Check(t, func(t *rapid.T) {
		scratch(t, db, func(b *buckets) {
			bases := [][32]byte{{}, sha256.Sum256([]byte("a")), {0: 0xff, 31: 0xff}}
			drawKey := func() [32]byte {
				key := bases[rapid.IntRange(0, len(bases)-1).Draw(t, "base")]
				at := rapid.IntRange(0, 31).Draw(t, "byte")
				key[at] ^= rapid.Byte().Draw(t, "bits")
				return key
			}
			values := map[[32]byte]*history{}
			var root *node
			for round := range rapid.IntRange(1, 6).Draw(t, "rounds") {
				changed := map[[32]byte]bool{}
				for i := range rapid.IntRange(1, 60).Draw(t, "keys") {
					key := drawKey()
					changed[key] = true
					if values[key] == nil {
						values[key] = &history{}
					}
					if err := b.appendHistory(&key, []verify.Entry{{Index: uint64(round*100 + i)}}); err != nil {
						t.Fatal(err)
					}
				}
				var keys [][32]byte
				for key := range changed {
					keys = append(keys, key)
				}
				slices.SortFunc(keys, compareKeys)
				old, oldHash := root, root.root()
				var err error
				if root, err = b.updateTrie(root, keys); err != nil {
					t.Fatal(err)
				}
				if old.root() != oldHash {
					t.Fatal("the old root has changed")
				}
				checkTrie(t, b, root, values)
				for range 3 {
					checkProof(t, b, root, drawKey())
				}
				checkProof(t, b, root, keys[0])
			}
		})
	})
}

func checkTrie(t tester, b *buckets, root *node, values map[[32]byte]*history) {
	t.Helper()
	var leaves []leaf
	for key := range values {
		leaves = append(leaves, leaf{key, [32]byte(b.histories.Get(key[:]))})
	}
	if got, want := root.root(), naiveRoot(leaves, 0); got != want {
		t.Fatalf("root %x, want %x", got, want)
	}
	fresh, err := b.buildTrie()
	if err != nil || !sameTrie(fresh, root) {
		t.Fatalf("a trie built afresh has another form: %v", err)
	}
}

func sameTrie(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.hash == b.hash && sameTrie(a.left, b.left) && sameTrie(a.right, b.right)
}

func checkProof(t tester, b *buckets, root *node, key [32]byte) {
	t.Helper()
	p, err := b.prove(root, key)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = verify.ParseMPTProof(p.Bytes()); err != nil {
		t.Fatal(err)
	}
	if value := b.histories.Get(key[:]); value == nil {
		err = p.VerifyAbsent(root.root(), key)
	} else {
		var h *history
		if h, err = parseHistory(value); err == nil {
			err = p.VerifyPresent(root.root(), key, h.value())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEmptyTrie(t *testing.T) {
	t.Parallel()
	scratch(t, testFile(t), func(b *buckets) {
		root, err := b.buildTrie()
		if root != nil || err != nil || root.root() != sha256.Sum256(nil) {
			t.Fatalf("%v %v", root, err)
		}
		if _, err := b.prove(root, [32]byte{}); err == nil {
			t.Fatal("proved something about an empty index")
		}
	})
}

// A slot that does not have the root that the trie says is noticed when a
// proof is made of it.
func TestTrieNoticesCorruption(t *testing.T) {
	t.Parallel()
	scratch(t, testFile(t), func(b *buckets) {
		for i := range 100 {
			key := verify.SubjectKey(fmt.Sprint(i))
			b.appendHistory(&key, []verify.Entry{{Index: uint64(i)}})
		}
		root, err := b.buildTrie()
		if err != nil {
			t.Fatal(err)
		}
		key := verify.SubjectKey("7")
		checkProof(t, b, root, key)
		value := slices.Clone(b.histories.Get(key[:]))
		value[3] ^= 1
		b.histories.Put(key[:], value)
		if _, err := b.prove(root, key); err == nil {
			t.Error("a changed leaf went unnoticed")
		}
		value[3] ^= 1
		value[40] ^= 1 // in the frontier: the leaf is right, the value is not
		b.histories.Put(key[:], value)
		if _, err := b.prove(root, key); err == nil {
			t.Error("a changed frontier went unnoticed")
		}
		b.histories.Put(key[:], value[:20])
		if _, err := b.buildTrie(); err == nil {
			t.Error("a short history went unnoticed")
		}
	})
}

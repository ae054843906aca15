package log

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// The file's buckets. Numbers in keys are big-endian, so that bbolt's order
// is theirs; numbers in values are uvarints unless said otherwise. Values
// stay under half a page, or bbolt would give each a page of its own.
//
//	meta       see meta.go
//	batches    uint64 first leaf index -> the batch, see batches.go
//	tiles      byte level || uint64 chunk number -> 1 to 16 hashes, see tiles.go
//	histories  32-byte subject key -> the history, see histories.go
//	spill      subject key || uint64 chunk number -> 64 older log indices of it
//	ids        16-byte id || uint32 author number -> leaf index, see ids.go
//	authors    name -> uint32 author number
//	hashes     prefixes of leaf hashes -> leaf indices, see hashes.go
//	state      name -> opaque bytes of the rooms above
type buckets struct {
	meta, batches, tiles, histories, spill, ids, authors, hashes, state *bbolt.Bucket
}

func (b *buckets) each(fn func(name string, bucket **bbolt.Bucket, fill float64) error) error {
	for _, e := range []struct {
		name   string
		bucket **bbolt.Bucket
		fill   float64 // how full bbolt leaves a page that it splits; 0 for its default
	}{
		{"meta", &b.meta, 0},
		{"batches", &b.batches, 1},
		{"tiles", &b.tiles, 1},
		{"histories", &b.histories, 0},
		{"spill", &b.spill, 0},
		{"ids", &b.ids, 0.9}, // UUIDv7 is nearly sequential, authors' clocks being what they are
		{"authors", &b.authors, 0},
		{"hashes", &b.hashes, 1},
		{"state", &b.state, 0},
	} {
		if err := fn(e.name, e.bucket, e.fill); err != nil {
			return err
		}
	}
	return nil
}

// openBuckets looks all buckets up at once: bbolt's lookup writes to the
// transaction, its reads from a bucket do not, so that after this several
// goroutines may share a read transaction.
func openBuckets(tx *bbolt.Tx) (b buckets, err error) {
	err = b.each(func(name string, bucket **bbolt.Bucket, fill float64) error {
		if *bucket = tx.Bucket([]byte(name)); *bucket == nil {
			return corrupt("it has no bucket %q", name)
		}
		if fill > 0 {
			(*bucket).FillPercent = fill
		}
		return nil
	})
	return b, err
}

func createBuckets(tx *bbolt.Tx) (b buckets, err error) {
	err = b.each(func(name string, bucket **bbolt.Bucket, _ float64) error {
		*bucket, err = tx.CreateBucket([]byte(name))
		return err
	})
	return b, err
}

// mapSize is how much of the address space the file is mapped into at first.
// bbolt can only map a file anew while no transaction reads it, and this room
// always holds one: growing past the mapping would block for ever. So the
// mapping is far larger than the file (it costs no memory), and MaxSize ends
// the file below it, with an error; the next start maps four times the file.
func mapSize(fileSize int64) int64 {
	switch {
	case math.MaxInt == math.MaxInt32:
		return 1 << 30
	case runtime.GOOS == "windows": // where the file becomes as large as its mapping
		return max(1<<30, 2*fileSize)
	default:
		return max(1<<38, 4*fileSize)
	}
}

// openFile opens tree.db, with the options that DESIGN's trials settled on.
func openFile(path string, cfg *Config) (*bbolt.DB, error) {
	var size int64
	switch info, err := os.Stat(path); {
	case err == nil:
		size = info.Size()
	case cfg.ReadOnly || !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("opening the tree: %w", err)
	}
	for mapped := mapSize(size); ; mapped /= 2 {
		opt := bbolt.Options{
			Timeout:         time.Second, // for the lock, if another process has the file open
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: int(mapped),
			MaxSize:         int(mapped - 1<<26), // bbolt grows a file by 16 MiB
			ReadOnly:        cfg.ReadOnly,
			NoStatistics:    true,
			NoSync:          cfg.noSync,
			NoGrowSync:      cfg.noSync,
		}
		if cfg.MaxSize > 0 && cfg.MaxSize < opt.MaxSize {
			opt.MaxSize = cfg.MaxSize
		}
		db, err := bbolt.Open(path, 0o600, &opt)
		if errors.Is(err, syscall.ENOMEM) && mapped/4 > size+1<<28 {
			continue // a limit on the address space; half the size may do
		}
		if err != nil {
			return nil, fmt.Errorf("opening the tree %s: %w", path, err)
		}
		return db, nil
	}
}

// guarded runs fn and turns a panic, or a fault on a page that the file no
// longer has, into an error: bbolt trusts the file it maps, and a copied file
// may be damaged.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = corrupt("it can't be read: %v", r)
		}
	}()
	return fn()
}

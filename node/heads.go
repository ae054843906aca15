package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/verify"
)

// head is a tree head that satisfies the policy, as this node publishes it.
type head struct {
	size uint64
	note []byte // the checkpoint with its signatures
	time time.Time
	view *log.View // the tree at this head
}

// heads keeps the tree heads of this node: on disk every one that it
// cosigned and the newest that it knows to satisfy the policy, in memory the
// views of recent seals until a head settles on one of them.
type heads struct {
	db     *bolt.DB
	writes func() func() // told when a write begins; what it returns, when it is over

	mu        sync.Mutex
	recent    []*log.View              // ascending; the newest maxRecent seals
	published *head                    // nil until there is one
	moved     chan struct{}            // closed and replaced when published or recent change
	cosigned  uint64                   // size of the newest head cosigned
	onDisk    uint64                   // size of the published head last saved
	awaited   map[uint64]chan struct{} // tree size -> closed once the published head covers it
	hasBridge map[uint64]bool          // log indices of the policy records with a bridge on disk
}

// maxRecent bounds the read transactions that are held open. A head settles
// within a few batches; where none does, older views are of no more use.
const maxRecent = 64

// headsMap is how much address space heads.db maps at first, in bytes.
var headsMap int64 = 64 << 30

var (
	cosignedBucket  = []byte("cosigned") // size -> root || timestamp || log key's signature line
	publishedBucket = []byte("published")
)

// openHeads opens heads.db, or makes it. Code heads_corrupt if its pages make
// no sense: bbolt panics on them.
func openHeads(dir string) (h *heads, err error) {
	var db *bolt.DB
	defer func() {
		if r := recover(); r != nil {
			h, err = nil, headsCorrupt(fmt.Errorf("%v", r))
		}
		if err != nil && db != nil {
			db.Close()
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if db, err = openHeadsFile(dir); err != nil {
		return nil, err
	}
	return loadHeads(db)
}

func headsCorrupt(err error) error {
	return fault.New("heads_corrupt", headsFile, "it cannot be read").Because(err).WithHint(damageHint(headsFile))
}

func openHeadsFile(dir string) (*bolt.DB, error) {
	options := &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType}
	// A file that outgrows its mapping waits for all readers, and a backup is
	// one for hours: cosigning would stop. Address space costs nothing.
	if bits.UintSize == 64 && runtime.GOOS != "windows" {
		options.InitialMmapSize = int(headsMap)
	}
	db, err := bolt.Open(filepath.Join(dir, headsFile), 0o600, options)
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
		return nil, headsCorrupt(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open heads.db: %w", err)
	}
	return db, nil
}

func loadHeads(db *bolt.DB) (*heads, error) {
	h := &heads{db: db, writes: func() func() { return func() {} }, moved: make(chan struct{}), awaited: map[uint64]chan struct{}{}, hasBridge: map[uint64]bool{}}
	err := db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(cosignedBucket)
		if err != nil {
			return err
		}
		b.FillPercent = 1
		if k, _ := b.Cursor().Last(); k != nil {
			h.cosigned = binary.BigEndian.Uint64(k)
		}
		if _, err = tx.CreateBucketIfNotExists(publishedBucket); err != nil {
			return err
		}
		if b, err = tx.CreateBucketIfNotExists(bridgesBucket); err != nil {
			return err
		}
		return b.ForEach(func(k, _ []byte) error {
			h.hasBridge[binary.BigEndian.Uint64(k)] = true
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("open heads.db: %w", err)
	}
	return h, nil
}

func (h *heads) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.recent {
		v.Release()
	}
	h.recent = nil
	if h.published != nil {
		h.published.view.Release()
		h.published = nil
	}
	h.db.Close()
}

func (h *heads) update(fn func(*bolt.Tx) error) error {
	defer h.writes()()
	return h.db.Update(fn)
}

// keep records, on disk, that this node cosigns a head, before anybody sees
// the cosignature. At one size there is never a second root. One call at a
// time; readers of heads do not wait for the disk.
func (h *heads) keep(c *verify.Checkpoint, logLine string, stamp uint64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = headsCorrupt(fmt.Errorf("%v", r))
		}
	}()
	err = h.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(cosignedBucket)
		b.FillPercent = 1
		key := binary.BigEndian.AppendUint64(nil, c.Size)
		if old := b.Get(key); old != nil && string(old[:32]) != string(c.Root[:]) {
			return fmt.Errorf("another root was cosigned at size %d", c.Size)
		}
		val := append(binary.BigEndian.AppendUint64(append([]byte(nil), c.Root[:]...), stamp), logLine...)
		return b.Put(key, val)
	})
	if err != nil {
		return store.WriteError(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cosigned = max(h.cosigned, c.Size)
	return nil
}

// cosignedAt returns what this node cosigned at a size: the root, the
// cosignature's timestamp and the log key's signature line.
func (h *heads) cosignedAt(size uint64) (root [32]byte, stamp uint64, line string, ok bool) {
	h.db.View(func(tx *bolt.Tx) error {
		if v := tx.Bucket(cosignedBucket).Get(binary.BigEndian.AppendUint64(nil, size)); len(v) >= 40 {
			root, stamp, line, ok = [32]byte(v[:32]), binary.BigEndian.Uint64(v[32:]), string(v[40:]), true
		}
		return nil
	})
	return root, stamp, line, ok
}

func (h *heads) lastCosigned() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cosigned
}

// add takes a new view of the tree; it owns the hold.
func (h *heads) add(v *log.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = append(h.recent, v)
	if len(h.recent) > maxRecent {
		// Drop every other one of the older half: whichever head settles
		// next is likely to be among the newest.
		kept := h.recent[:0]
		for i, v := range h.recent {
			if i < maxRecent/2 && i%2 == 0 {
				v.Release()
			} else {
				kept = append(kept, v)
			}
		}
		h.recent = kept
	}
	h.wake()
}

func (h *heads) wake() {
	close(h.moved)
	h.moved = make(chan struct{})
}

// covered returns a channel that is closed once the published head covers a
// tree size. A thousand requests may wait, each for the size of its batch:
// every head wakes only those that it serves.
func (h *heads) covered(size uint64) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.awaited[size]
	if c == nil {
		c = make(chan struct{})
		if size == 0 || h.published != nil && h.published.size >= size {
			close(c)
		} else {
			h.awaited[size] = c
		}
	}
	return c
}

// newest returns the newest view with a hold, or nil.
func (h *heads) newest() *log.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.recent); n > 0 {
		return h.recent[n-1].Hold()
	}
	return nil
}

// publish makes a head that satisfies the policy the published one, if it is
// newer and the tree at its size is at hand.
func (h *heads) publish(size uint64, note []byte, asOf time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.published; p != nil && (size < p.size || size == p.size && !asOf.After(p.time)) {
		return false
	}
	var view *log.View
	if p := h.published; p != nil && p.size == size {
		view = p.view.Hold()
	}
	for _, v := range h.recent {
		if view == nil && v.Size == size {
			view = v.Hold()
		}
	}
	if view == nil {
		return false
	}
	if h.published != nil {
		h.published.view.Release()
	}
	h.published = &head{size, note, asOf, view}
	for len(h.recent) > 1 && h.recent[0].Size < size {
		h.recent[0].Release()
		h.recent = h.recent[1:]
	}
	for awaited, c := range h.awaited {
		if awaited <= size {
			close(c)
			delete(h.awaited, awaited)
		}
	}
	h.wake()
	return true
}

// save keeps the newest published head over a restart.
func (h *heads) save() error {
	h.mu.Lock()
	p := h.published
	if p == nil || p.size == h.onDisk {
		h.mu.Unlock()
		return nil
	}
	h.onDisk = p.size
	h.mu.Unlock()
	return store.WriteError(h.update(func(tx *bolt.Tx) error { return tx.Bucket(publishedBucket).Put([]byte("newest"), p.note) }))
}

// saved returns the published head of before a restart, or nil.
func (h *heads) saved() (note []byte) { return savedHead(h.db) }

// current returns the published head with a hold on its view, or nil.
func (h *heads) current() *head {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.published == nil {
		return nil
	}
	c := *h.published
	c.view.Hold()
	return &c
}

// state returns the sizes of the newest view and of the published head, and
// a channel that is closed when either changes.
func (h *heads) state() (newest, published uint64, moved <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.recent); n > 0 {
		newest = h.recent[n-1].Size
	}
	if h.published != nil {
		published = h.published.size
	}
	return newest, published, h.moved
}

// assemble writes a checkpoint with signatures.
func assemble(text string, sigs ...certs.Sig) []byte {
	return (&certs.Note{Text: text, Sigs: sigs}).Bytes()
}

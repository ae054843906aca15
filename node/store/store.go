package store

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/milepost-log/milepost/certs/fault"
)

// Defaults of Config.
const (
	DefaultMaxUnapplied = 32 << 20
	DefaultMaxWait      = 5 * time.Second
)

// Config is how a ledger is opened. The zero value is usable.
type Config struct {
	// Applied returns the index of the last entry that the tree has on disk.
	// Nil: only what NoteApplied was told counts.
	Applied func() uint64
	// Committed returns Raft's commit index (raft.CommitIndex; 0 while there
	// is no Raft). Nil: StoreLogs never waits. Both may be called at any
	// time, from Raft's main loop, and must not wait for Raft.
	Committed func() uint64

	// Check is asked about every entry before it is stored. Its error
	// refuses the whole call. It must neither keep nor change the entry.
	Check func(*raft.Log) error
	// Failed is told of each error of StoreLogs, DeleteRange, Set and
	// SetUint64, before that call returns it: Raft merely logs most of them,
	// and after a refusal in the middle of a truncation goes on with a wrong
	// idea of its last index. It runs in Raft's main loop: start the ending
	// or the restart of Raft elsewhere.
	Failed func(error)

	// Damaged is told of each entry that was asked for and can't be read. It
	// may be called at any time, from any goroutine, and must not wait.
	Damaged func(index uint64)

	// Begin is told when a write begins, and what it returns when that write
	// is on disk or has failed. It may be called from any goroutine.
	Begin func() (end func())

	MaxUnapplied int           // bytes, 0 means DefaultMaxUnapplied
	MaxWait      time.Duration // longest single wait, 0 means DefaultMaxWait

	// ReadOnly opens the file, for instance of a copied directory, without
	// writing to it; several processes may.
	ReadOnly bool
	// Lenient, of a ledger that is opened for reading only, has it open though
	// its last entry is damaged, for a check that names the damage.
	Lenient bool
	// MaxSize bounds the file in bytes, so that a test can fill a disk. 0
	// means no limit.
	MaxSize int
}

// Counters count since Open. They only rise.
type Counters struct {
	Entries   atomic.Uint64 // entries stored
	Bytes     atomic.Uint64 // bytes of these entries, encoded
	Truncated atomic.Uint64 // entries deleted from the end
	Syncs     atomic.Uint64 // write transactions, each synced
	Refused   atomic.Uint64 // calls refused by order, shape or Check
	Waits     atomic.Uint64 // calls of StoreLogs that waited
	Overdue   atomic.Uint64 // waits that MaxWait ended
}

// Store is a ledger: a raft.LogStore and raft.StableStore on one file. It is
// safe for concurrent use.
type Store struct {
	Counters Counters

	db  *bolt.DB
	cfg Config

	writing sync.Mutex // held over a whole write; Raft writes from two goroutines

	mu       sync.RWMutex // guards what follows
	last     uint64       // index of the last entry, 0 for none
	lastTerm uint64
	floor    uint64 // no entry at or below was uncommitted when it was written
	broken   error  // why no further write is accepted

	unapplied throttle
}

// mapSize is how much address space a ledger maps at first, in bytes.
var mapSize int64 = 64 << 30

var (
	logBucket    = []byte("log")
	stableBucket = []byte("stable")
	metaBucket   = []byte("meta")
	formatKey    = []byte("format")
	floorKey     = []byte("floor")
	format       = []byte("milepost/ledger@v1")
)

// Open opens the ledger at path, and makes it if there is none. Codes:
// data_in_use, ledger_corrupt, disk_full.
func Open(path string, cfg Config) (*Store, error) {
	if cfg.MaxUnapplied <= 0 {
		cfg.MaxUnapplied = DefaultMaxUnapplied
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = DefaultMaxWait
	}
	if cfg.Begin == nil {
		cfg.Begin = func() func() { return func() {} }
	}
	// Look first without writing: a file that was cut short must be refused
	// before BoltDB follows a page number past its end.
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 {
		if err := checkWhole(path); err != nil {
			return nil, err
		}
	} else if cfg.ReadOnly || err != nil && !errors.Is(err, os.ErrNotExist) {
		if err == nil {
			return nil, corrupt("the file is empty")
		}
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	db, err := openBolt(path, cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, cfg: cfg}
	s.unapplied.limit = cfg.MaxUnapplied
	if err := s.load(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.NoteApplied(s.applied())
	return s, nil
}

func openBolt(path string, cfg Config) (db *bolt.DB, err error) {
	defer recoverPanic(&err)
	options := &bolt.Options{
		Timeout:      time.Second,
		FreelistType: bolt.FreelistMapType,
		ReadOnly:     cfg.ReadOnly,
		MaxSize:      cfg.MaxSize,
	}
	// A large mapping is mere address space, and spares the remapping that
	// would wait for every reader. Windows would make the file that large.
	if !cfg.ReadOnly && cfg.MaxSize == 0 && bits.UintSize == 64 && runtime.GOOS != "windows" {
		options.InitialMmapSize = int(mapSize)
	}
	db, err = bolt.Open(path, 0o600, options)
	if err != nil {
		return nil, openError(err)
	}
	return db, nil
}

func openError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fault.New("data_in_use", "", "data directory is in use by another process").
			WithHint("stop the other node, or give this one a directory of its own")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch),
		strings.Contains(err.Error(), "file size too small"):
		return corrupt("it is not a BoltDB file").Because(err)
	}
	return fmt.Errorf("open the ledger: %w", WriteError(err))
}

// checkWhole refuses a file that ends before its last page.
func checkWhole(path string) (err error) {
	defer recoverPanic(&err)
	db, err := openBolt(path, Config{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		info, err := os.Stat(path)
		if err == nil && info.Size() < tx.Size() {
			return corrupt(fmt.Sprintf("the file has %d bytes and should have %d or more", info.Size(), tx.Size()))
		}
		return err
	})
}

// load makes the buckets of a new file, or reads where an old one ends.
func (s *Store) load() error {
	empty := false
	err := s.view(func(tx *bolt.Tx) error {
		meta, log := tx.Bucket(metaBucket), tx.Bucket(logBucket)
		if meta == nil && log == nil && !s.cfg.ReadOnly {
			empty = true
			return nil
		}
		if meta == nil || log == nil || tx.Bucket(stableBucket) == nil {
			return corrupt("it is not a ledger")
		}
		if f := meta.Get(formatKey); string(f) != string(format) {
			return fault.New("ledger_version", "", fmt.Sprintf("the ledger has format %q; this program reads %q", f, format))
		}
		if f := meta.Get(floorKey); len(f) == 8 {
			s.floor = number(f)
		} else if f != nil {
			return corrupt("the mark of what was applied")
		}
		first, _ := log.Cursor().First()
		k, v := log.Cursor().Last()
		if first == nil {
			return s.checkFloor()
		}
		if len(first) != 8 || len(k) != 8 || number(first) != 1 {
			return corrupt("its first entry is not entry 1")
		}
		l, err := decode(number(k), v)
		if err != nil {
			if s.cfg.ReadOnly && s.cfg.Lenient {
				s.last = number(k)
				return nil
			}
			return err
		}
		s.last, s.lastTerm = l.Index, l.Term
		return s.checkFloor()
	})
	if err != nil || !empty {
		return err
	}
	return s.update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{logBucket, stableBucket, metaBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(formatKey, format)
	})
}

func (s *Store) checkFloor() error {
	if s.floor > s.last {
		return corrupt(fmt.Sprintf("entry %d was applied once and entry %d is the last", s.floor, s.last))
	}
	return nil
}

// Close ends all waits and closes the file.
func (s *Store) Close() error {
	s.unapplied.set(false)
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}

// view reads. Pages that can't be read or make no sense end in an error:
// BoltDB panics on them, and a mapped page that the disk fails to deliver
// raises a fault.
func (s *Store) view(fn func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverPanic(&err)
	return s.db.View(fn)
}

func recoverPanic(err *error) {
	if r := recover(); r != nil {
		*err = corrupt(fmt.Sprint(r))
	}
}

// update writes in one transaction and syncs. The caller holds writing,
// except while the store is being opened.
func (s *Store) update(fn func(*bolt.Tx) error) error {
	s.mu.RLock()
	err := s.broken
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	defer s.cfg.Begin()()
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	// A commit that fails may have reached the disk or not, and BoltDB may
	// show it to readers in either case. So this was the last write.
	if err := tx.Commit(); err != nil {
		err = fmt.Errorf("write to the ledger: %w", WriteError(err))
		s.mu.Lock()
		s.broken = err
		s.mu.Unlock()
		return err
	}
	s.Counters.Syncs.Add(1)
	return nil
}

// WriteError gives a full disk its code, disk_full, and returns any other error
// of BoltDB as it is. BoltDB hides some causes in text.
func WriteError(err error) error {
	if err == nil {
		return nil
	}
	for _, full := range []error{berrors.ErrMaxSizeReached, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return fault.New("disk_full", "", "the disk is full").Because(err).
				WithHint("free space on the disk of the data directory, then start the node again")
		}
	}
	return err
}

// failed reports an error of a write to Config.Failed and returns it.
func (s *Store) failed(err error) error {
	if err != nil && s.cfg.Failed != nil {
		s.cfg.Failed(err)
	}
	return err
}

package log

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/verify"
)

// Ledger holds the bytes of the records; tree.db holds none.
type Ledger interface {
	// Notes returns the notes of the ledger entry at an index, in their
	// order, those that the state machine passed over included. It must know
	// every entry whose records were added, must always give the same, and
	// must be safe for concurrent use. The log does not change what it
	// returns.
	Notes(index uint64) ([][]byte, error)
}

// Config says how to open a log.
type Config struct {
	// Origin of the log, as its seals name it. It is kept in the file: a file
	// of another origin is refused. Empty takes what an existing file says.
	Origin string
	// Ledger gives Leaf and Entries the bytes of records. Without it those
	// fail and all else works.
	Ledger Ledger
	// MaxSize ends the file at about so many bytes, with an error from
	// Commit, as a full disk would. 0 is no limit beyond the address space.
	MaxSize int
	// ReadOnly opens an existing file without writing to it, for an audit of
	// a copy. It fails if a process has the file open for writing.
	ReadOnly bool

	noSync bool // tests only: a crash may destroy the file
}

// closeWait is how long Close waits for views to be released.
const closeWait = 10 * time.Second

// Log is the Merkle log and its index, in one file. One goroutine writes;
// any number read, through views.
type Log struct {
	origin   string
	ledger   Ledger
	db       *bbolt.DB
	readOnly bool
	wait     time.Duration // closeWait but for tests

	mu     sync.Mutex
	state  state         // of the newest commit
	view   *View         // of the newest commit; nil while there is no seal
	tx     *Tx           // the open transaction, if any
	broken error         // why no more transaction is begun
	closed bool          // Close was called
	views  int           // views whose read transaction is open
	idle   chan struct{} // closed when closed is set and views falls to 0
}

// state is what the writer keeps in memory of the newest commit. Begin hands
// a copy to the transaction; Commit puts the transaction's in its place.
type state struct {
	meta
	edge edge
	trie *node // its nodes are shared with views and never change
	seal verify.Seal
}

// Open opens the log kept in the file at path, or makes an empty one. It
// checks that the file's tree head, its newest seal, the right edge of its
// tree and its histories fit together, and reads all histories once for it,
// but not the leaves: reading everything is an audit's work.
func Open(path string, cfg Config) (*Log, error) {
	l := &Log{ledger: cfg.Ledger, readOnly: cfg.ReadOnly, wait: closeWait, idle: make(chan struct{})}
	err := guarded(func() (err error) {
		if l.db, err = openFile(path, &cfg); err != nil {
			return err
		}
		if err := l.prepare(&cfg); err != nil {
			return err
		}
		l.origin = cfg.Origin
		return l.load()
	})
	if err != nil && l.db != nil {
		err = errors.Join(err, l.Close())
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// prepare makes the buckets of a new file, or reads the meta bucket.
func (l *Log) prepare(cfg *Config) error {
	fresh := false
	err := l.db.View(func(tx *bbolt.Tx) error {
		if k, _ := tx.Cursor().First(); k == nil {
			fresh = true
			return nil
		}
		b, err := openBuckets(tx)
		if err != nil {
			return err
		}
		l.state.meta, err = b.loadMeta(cfg)
		return err
	})
	switch {
	case err != nil || !fresh:
		return err
	case cfg.ReadOnly:
		return corrupt("it is empty")
	case cfg.Origin == "":
		return misused("a new log needs its origin")
	}
	err = l.db.Update(func(tx *bbolt.Tx) error {
		b, err := createBuckets(tx)
		if err != nil {
			return err
		}
		if err := b.meta.Put(metaFormat, []byte(formatVersion)); err != nil {
			return err
		}
		return b.meta.Put(metaOrigin, []byte(cfg.Origin))
	})
	if err != nil {
		return fmt.Errorf("making a new tree: %w", err)
	}
	return nil
}

// load rebuilds what is kept in memory and checks it against the tree head.
func (l *Log) load() error {
	if l.state.size == 0 {
		return nil
	}
	v, err := l.newView(&l.state)
	if err != nil {
		return err
	}
	l.view = v
	b, s := &v.b, &l.state
	if s.edge, err = b.loadEdge(s.size); err != nil {
		return err
	}
	if got := s.edge.root(); got != s.root {
		return corrupt("its tiles give the root %x, its tree head says %x", got, s.root)
	}
	last, err := b.batchOf(s.size - 1)
	if err != nil {
		return err
	}
	s.seal = *last.seal(originAt(s.origins, last.first, l.origin))
	switch h, err := b.leafHash(s.size - 1); {
	case err != nil:
		return err
	case s.seal.Index != s.size-1 || h != verify.LeafHash(s.seal.Bytes()):
		return corrupt("its last leaf is not the seal of its last batch")
	}
	if s.trie, err = b.buildTrie(); err != nil {
		return err
	}
	if got := s.trie.root(); got != s.seal.IndexRoot {
		return corrupt("its histories give the index root %x, its newest seal says %x", got, s.seal.IndexRoot)
	}
	v.fill(s)
	return nil
}

// Origin returns the log's origin.
func (l *Log) Origin() string { return l.origin }

// Applied returns the index and term of the newest ledger entry that the log
// has taken in; 0 and 0 for none.
func (l *Log) Applied() (index, term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.index, l.state.term
}

// Configuration returns the opaque bytes last given to Tx.SetConfiguration,
// or nil.
func (l *Log) Configuration() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.state.configuration)
}

// States calls fn for every state of the newest commit whose key begins with
// prefix, in the order of the keys, until fn returns an error. The values are
// fn's to keep.
func (l *Log) States(prefix string, fn func(key string, value []byte) error) error {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return guarded(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			b, err := openBuckets(tx)
			if err != nil {
				return err
			}
			c := b.state.Cursor()
			for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
				if err := fn(string(k), bytes.Clone(v)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Close ends the log. From then on View returns nil and Begin fails. It waits
// up to ten seconds for the views that are held; if some still are, or a
// transaction is open, it returns ErrBusy and the file stays open: release
// them and call it again.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.tx != nil {
		l.mu.Unlock()
		return fmt.Errorf("closing: %w: a transaction is open", ErrBusy)
	}
	if !l.closed {
		l.closed = true
		if l.views == 0 {
			close(l.idle)
		}
	}
	view := l.view
	l.view = nil
	l.mu.Unlock()

	if view != nil {
		view.Release()
	}
	timeout := time.NewTimer(l.wait)
	defer timeout.Stop()
	select {
	case <-l.idle:
	case <-timeout.C:
		return fmt.Errorf("closing: %w: views are held", ErrBusy)
	}
	if err := l.db.Close(); err != nil {
		return fmt.Errorf("closing the tree: %w", err)
	}
	return nil
}

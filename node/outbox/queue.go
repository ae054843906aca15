package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

const (
	pendingDir  = "pending"
	sentDir     = "sent"
	refusedDir  = "refused"
	requestsDir = "requests"

	headFile   = "outbox.json"
	lockFile   = "lock"
	headFormat = "milepost/outbox@v1"
	queuedForm = "20060102T150405.000Z" // in the names of pending files, which so have the order of queueing

	recordEnd, answerEnd, receiptEnd = ".record", ".json", ".receipt"

	maxAnswerFile = 64 << 10
	maxRecordFile = 1 << 20 // more than a record has: also what was damaged is kept
)

// Queue is an outbox: the records of one member for one log. It is safe for
// concurrent use, and several processes may use one directory.
type Queue struct {
	cfg  Config
	disk disk

	mu   sync.Mutex
	last string // newest time in a name; owned by Add
}

// head is outbox.json.
type head struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	Member string `json:"member"`
}

// Config is which queue to open.
type Config struct {
	Dir    string
	Origin string // of the log
	Member string // whose records it holds
	Now    func() time.Time

	disk disk // nil is osDisk; tests put crashes into it
}

// Create opens a queue, and begins one where there is none. Code
// outbox_other: it is another log's or member's. Codes file, disk_full.
func Create(cfg Config) (*Queue, error) {
	q, err := Open(cfg)
	if !errors.Is(err, fs.ErrNotExist) {
		return q, err
	}
	q = newQueue(cfg)
	for _, dir := range []string{"", pendingDir, sentDir, refusedDir, requestsDir} {
		if err := q.disk.mkdir(q.path(dir)); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(q.head())
	if err != nil {
		return nil, err
	}
	if err := put(q.disk, q.path(headFile), append(text, '\n')); err != nil {
		return nil, err
	}
	// The entry of the directory itself, too: it may be as new as what is in it.
	return q, errors.Join(q.disk.syncDir(q.path()), q.disk.syncDir(filepath.Dir(q.path())))
}

// Open opens a queue that is there and writes nothing: it may be on a medium
// that can only be read. If there is none, the error is fs.ErrNotExist.
func Open(cfg Config) (*Queue, error) {
	q := newQueue(cfg)
	text, err := q.disk.read(q.path(headFile), 4096)
	if err != nil {
		return nil, err
	}
	var have head
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&have); err != nil || have.Format != headFormat {
		return nil, fault.New("outbox_other", q.path(headFile), "this is not the head of an outbox").WithHint("name another directory")
	}
	if have != q.head() {
		return nil, fault.New("outbox_other", cfg.Dir, fmt.Sprintf("this outbox is of %.100q for the log %.200q", have.Member, have.Origin)).
			WithHint("name another directory, or the member with --as")
	}
	return q, nil
}

func newQueue(cfg Config) *Queue {
	q := &Queue{cfg: cfg, disk: cfg.disk}
	if q.cfg.Now == nil {
		q.cfg.Now = time.Now
	}
	if q.disk == nil {
		q.disk = osDisk{}
	}
	return q
}

func (q *Queue) head() head { return head{headFormat, q.cfg.Origin, q.cfg.Member} }

// Dir is the queue's directory.
func (q *Queue) Dir() string { return q.cfg.Dir }

func (q *Queue) path(elem ...string) string {
	return filepath.Join(append([]string{q.cfg.Dir}, elem...)...)
}

// Check says why a record does not belong into this outbox: codes of
// record.Open, unknown_type, origin, author.
func (cfg Config) Check(note []byte) (*record.Record, error) {
	r, err := record.Open(note)
	switch {
	case err != nil:
		return nil, err
	case r.Def == nil:
		return nil, record.ErrUnknownType(r.Type)
	case r.Origin != cfg.Origin:
		return nil, fault.New("origin", "", fmt.Sprintf("the record is for the log %s, the outbox for %s", r.Origin, cfg.Origin))
	case r.Author != cfg.Member:
		return nil, fault.New("author", "", fmt.Sprintf("the record is by %s, the outbox of %s", r.Author, cfg.Member)).
			WithHint("each member has an outbox of its own")
	}
	return r, nil
}

// Add queues signed records and returns their leaf hashes, once they are on
// the disk. All of them are checked before the first is written. One that is
// pending or sent already is not queued again; one that was refused is to be
// sent once more. After an error some may be queued: adding the same bytes
// again is always safe.
func (q *Queue) Add(notes ...[]byte) (hashes []string, err error) {
	for _, note := range notes {
		r, err := q.cfg.Check(note)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, verify.Hex(r.Hash))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	names, err := q.pendingNames()
	if err != nil {
		return nil, err
	}
	queued := hashesOf(names)
	if len(names) > 0 {
		at, _, _ := splitName(names[len(names)-1])
		q.last = max(q.last, at.Format(queuedForm))
	}
	for i, h := range hashes {
		if queued[h] || q.has(sentDir, h+recordEnd) {
			continue
		}
		queued[h] = true
		if err := put(q.disk, q.path(pendingDir, q.newName(h)), notes[i]); err != nil {
			return nil, err
		}
	}
	// Also when nothing is new: an earlier Add may have ended before this.
	return hashes, q.disk.syncDir(q.path(pendingDir))
}

// newName names a pending file, later than all before it though the clock may
// have been set back: what refers to another record is to come after it.
func (q *Queue) newName(hash string) string {
	at := q.cfg.Now().UTC().Format(queuedForm)
	if at <= q.last {
		last, _ := time.Parse(queuedForm, q.last)
		at = last.Add(time.Millisecond).Format(queuedForm)
	}
	q.last = at
	return at + "-" + hash + recordEnd
}

// hashesOf are the leaf hashes in names of pending files.
func hashesOf(names []string) map[string]bool {
	hashes := map[string]bool{}
	for _, n := range names {
		_, h, _ := splitName(n)
		hashes[h] = true
	}
	return hashes
}

// pendingNames lists the files of pending records, oldest first. Others are
// none of ours.
func (q *Queue) pendingNames() ([]string, error) {
	names, err := q.disk.list(q.path(pendingDir))
	return slices.DeleteFunc(names, func(n string) bool { _, _, ok := splitName(n); return !ok }), err
}

// splitName takes the name of a pending file apart.
func splitName(name string) (queued time.Time, hash string, ok bool) {
	at, rest, _ := strings.Cut(name, "-")
	hash, ok = strings.CutSuffix(rest, recordEnd)
	queued, err := time.Parse(queuedForm, at)
	return queued, hash, ok && err == nil && queued.Format(queuedForm) == at && isHash(hash)
}

// isHash tells a leaf hash in its one form: 64 hex digits.
func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func (q *Queue) has(dir, name string) bool {
	_, err := q.disk.stat(q.path(dir, name))
	return err == nil
}

// hashOf is the hash that a record's file is named by.
func hashOf(note []byte) string { return fmt.Sprintf("%x", rfc6962.DefaultHasher.HashLeaf(note)) }

package outbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// States of a record.
const (
	Pending      = "pending"      // on this disk only: not acknowledged
	Acknowledged = "acknowledged" // on the log, under a head that the quorum signed
	Refused      = "refused"      // the log said no
)

// Item is one record of a queue.
type Item struct {
	State    string          `json:"status"`
	LeafHash string          `json:"leaf_hash"`
	Queued   time.Time       `json:"queued"`
	Index    *uint64         `json:"index,omitempty"` // on the log, if acknowledged
	Error    *node.ErrorBody `json:"error,omitempty"` // why, if refused

	EventTime string   `json:"event_time,omitempty"`
	Type      string   `json:"type,omitempty"`
	Subjects  []string `json:"subjects,omitempty"`
}

// answerText is what stands beside the record once there is an answer.
func (it Item) answerText() ([]byte, error) {
	text, err := json.MarshalIndent(it, "", "  ")
	return append(text, '\n'), err
}

// describe fills in what the record says. One that can't be opened keeps
// these fields empty.
func (it *Item) describe(note []byte) {
	if r, err := record.Open(note); err == nil {
		it.EventTime, it.Type, it.Subjects = record.FormatTime(r.EventTime), r.Type, r.Subjects
	}
}

// Find tells what became of a record. Code no_record: it was never here.
func (q *Queue) Find(leafHash string) (Item, error) {
	if !isHash(leafHash) {
		return Item{}, fault.New("no_record", "", "a leaf hash has 64 hex digits")
	}
	if q.has(sentDir, leafHash+recordEnd) {
		return q.answered(sentDir, leafHash)
	}
	names, err := q.pendingNames()
	if err != nil {
		return Item{}, err
	}
	for _, n := range names {
		if _, h, _ := splitName(n); h == leafHash {
			return q.waiting(n)
		}
	}
	// Looked at last: what was refused may be waiting once more.
	for _, dir := range []string{sentDir, refusedDir} {
		if q.has(dir, leafHash+recordEnd) {
			return q.answered(dir, leafHash)
		}
	}
	return Item{}, fault.New("no_record", "", "the outbox has no record with this leaf hash")
}

func (q *Queue) waiting(name string) (Item, error) {
	queued, h, _ := splitName(name)
	it := Item{State: Pending, LeafHash: h, Queued: queued}
	note, err := q.disk.read(q.path(pendingDir, name), maxRecordFile)
	it.describe(note)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // answered this very moment
	}
	return it, err
}

// answered reads what stands beside a record of sent or refused.
func (q *Queue) answered(dir, hash string) (it Item, err error) {
	path := q.path(dir, hash+answerEnd)
	text, err := q.disk.read(path, maxAnswerFile)
	if err == nil {
		err = json.Unmarshal(text, &it)
	}
	want := map[string]string{sentDir: Acknowledged, refusedDir: Refused}[dir]
	if err != nil || it.State != want || it.LeafHash != hash || (want == Acknowledged) != (it.Index != nil) || (want == Refused) != (it.Error != nil) {
		return it, damaged(path).Because(err)
	}
	return it, nil
}

func damaged(path string) *fault.Error {
	return fault.New("outbox_damaged", path, "this file of the outbox is not what was written").
		WithHint("keep a copy and look at the disk; a record that is signed can be sent again: `milepost record submit FILE.record`")
}

// Pending lists what waits, oldest first.
func (q *Queue) Pending() ([]Item, error) {
	names, err := q.pendingNames()
	items := make([]Item, 0, len(names))
	for _, n := range names {
		_, h, _ := splitName(n)
		if q.has(sentDir, h+recordEnd) {
			continue // a crash came before it was taken out
		}
		it, ierr := q.waiting(n)
		items, err = append(items, it), errors.Join(err, ierr)
	}
	return items, err
}

// Refused lists what the log refused and nobody has queued again.
func (q *Queue) Refused() ([]Item, error) { return q.all(refusedDir) }

// Sent lists what is acknowledged.
func (q *Queue) Sent() ([]Item, error) { return q.all(sentDir) }

func (q *Queue) all(dir string) (items []Item, err error) {
	hashes, err := q.hashes(dir)
	if err != nil {
		return nil, err
	}
	names, err := q.pendingNames()
	queued := hashesOf(names)
	for _, h := range hashes {
		if dir == refusedDir && (queued[h] || q.has(sentDir, h+recordEnd)) {
			continue
		}
		it, ierr := q.answered(dir, h)
		items, err = append(items, it), errors.Join(err, ierr)
	}
	return items, err
}

// Acknowledged counts what is in sent.
func (q *Queue) Acknowledged() (int, error) {
	hashes, err := q.hashes(sentDir)
	return len(hashes), err
}

func (q *Queue) hashes(dir string) (hashes []string, err error) {
	names, err := q.disk.list(q.path(dir))
	for _, n := range names {
		if h, ok := strings.CutSuffix(n, recordEnd); ok && isHash(h) {
			hashes = append(hashes, h)
		}
	}
	return hashes, err
}

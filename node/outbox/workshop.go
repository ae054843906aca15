package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// WorkshopConfig is what signs and sends for a dealer's workshop systems.
type WorkshopConfig struct {
	Queue  *Queue
	Log    Log
	Signer func() (certs.Signer, error) // the member's record key, as it is now
	Origin string
	Member string
	Zone   *time.Location // of dates without a time
	Now    func() time.Time
	Logger *slog.Logger

	Listener net.Listener  // of the endpoint, see Listen; nil for none
	Token    string        // that callers of the endpoint show, see ReadToken
	Wait     time.Duration // that a POST waits for the log; 0 is DefaultWait
	Folder   string        // to be watched; "" for none
	Poll     time.Duration // of the folder; 0 is DefaultPoll
}

// Defaults of WorkshopConfig.
const (
	DefaultWait = 5 * time.Second
	DefaultPoll = 2 * time.Second
)

const (
	retryFirst = time.Second // after a flush that failed, doubling
	retryLast  = 30 * time.Second
	lookEvery  = 5 * time.Second // for what others put into the queue
)

// Workshop signs what workshop systems that can't sign ask for, queues it and
// sends it.
type Workshop struct {
	cfg    WorkshopConfig
	wake   chan struct{} // something was queued
	takeMu sync.Mutex    // one request at a time is looked up and signed

	mu      sync.Mutex
	settled chan struct{} // closed when there are answers, and made anew

	folder folder
}

// NewWorkshop makes a workshop; Run runs it.
func NewWorkshop(cfg WorkshopConfig) (*Workshop, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Wait == 0 {
		cfg.Wait = DefaultWait
	}
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	w := &Workshop{cfg: cfg, wake: make(chan struct{}, 1), settled: make(chan struct{})}
	return w, w.openFolder()
}

// Run serves, watches and sends until ctx ends, or the endpoint fails.
func (w *Workshop) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { w.sendAll(ctx); return nil })
	if w.cfg.Folder != "" {
		g.Go(func() error { w.watch(ctx); return nil })
	}
	if w.cfg.Listener != nil {
		g.Go(func() error { return w.serve(ctx) })
	}
	return g.Wait()
}

// sendAll flushes the queue whenever there may be something in it.
func (w *Workshop) sendAll(ctx context.Context) {
	retry, said := retryFirst, ""
	for ctx.Err() == nil {
		next := lookEvery
		_, err := w.cfg.Queue.Flush(ctx, w.cfg.Log, FlushOptions{Settled: w.onSettled})
		switch code := fault.Code(err); {
		case ctx.Err() != nil:
			return
		case err == nil:
			retry = retryFirst
			if said != "" {
				w.cfg.Logger.Info("the outbox is empty again")
			}
			said = ""
		default:
			if code != said {
				w.cfg.Logger.Warn("records wait in the outbox", "dir", w.cfg.Queue.Dir(), "err", err)
			}
			said, next, retry = code, retry, min(2*retry, retryLast)
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-time.After(next):
		}
	}
}

func (w *Workshop) onSettled(items []Item) {
	for _, it := range items {
		if it.State == Refused {
			w.cfg.Logger.Warn("a record of the outbox is refused", "leaf_hash", it.LeafHash, "code", it.Error.Code, "reason", it.Error.Error)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.settled)
	w.settled = make(chan struct{})
}

// answers is closed when there are answers to records.
func (w *Workshop) answers() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settled
}

// unfit marks an error as one of what was asked for. Any other says nothing
// about it: the same may be asked again.
type unfit struct{ error }

func (u unfit) Unwrap() error { return u.error }

// request is a file of requests: what was signed for a token. It is on the
// disk before the record is queued, so that whoever asks again, after
// whatever crash, gets the record that was signed then.
type request struct {
	Asked string `json:"asked"` // SHA-256 of the unsigned record
	Note  string `json:"note"`
}

// take signs an unsigned record, once for each token, and returns its leaf
// hash when it is queued. Codes beside those of a record's form:
// idempotency_key if another record was asked for with this token.
func (w *Workshop) take(token string, data []byte) (leafHash string, err error) {
	w.takeMu.Lock()
	defer w.takeMu.Unlock()
	q := w.cfg.Queue
	asked := fmt.Sprintf("%x", sha256.Sum256(data))
	path := q.path(requestsDir, fmt.Sprintf("%x", sha256.Sum256([]byte(token)))+answerEnd)
	note, err := q.signed(path, asked)
	if errors.Is(err, fs.ErrNotExist) {
		note, err = w.sign(path, asked, data)
	}
	if err != nil {
		return "", err
	}
	// Its entry may not be on the disk yet, whoever wrote it.
	if err := q.disk.syncDir(q.path(requestsDir)); err != nil {
		return "", err
	}
	leafHash = hashOf(note)
	if q.has(refusedDir, leafHash+recordEnd) {
		return leafHash, nil // it stays so until a person has it sent again
	}
	if _, err := q.Add(note); err != nil {
		return "", err
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return leafHash, nil
}

// signed reads what was signed for a token; fs.ErrNotExist if nothing was.
func (q *Queue) signed(path, asked string) ([]byte, error) {
	text, err := q.disk.read(path, maxRecordFile)
	if err != nil {
		return nil, err
	}
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, damaged(path).Because(err)
	}
	if r.Asked != asked {
		return nil, unfit{fault.New("idempotency_key", "", "another record was asked for with this key").
			WithHint("each record gets a key of its own; the same key is for asking again for the same record")}
	}
	if _, err := q.cfg.Check([]byte(r.Note)); err != nil {
		return nil, damaged(path).Because(err)
	}
	return []byte(r.Note), nil
}

// sign signs an unsigned record for a token that has none yet.
func (w *Workshop) sign(path, asked string, data []byte) ([]byte, error) {
	text, err := w.draft(data)
	if err != nil {
		return nil, unfit{err}
	}
	signer, err := w.cfg.Signer()
	if err != nil {
		return nil, err
	}
	note, err := record.Sign(text, signer)
	if err != nil {
		return nil, unfit{err}
	}
	if _, err := w.cfg.Queue.cfg.Check(note); err != nil {
		return nil, err
	}
	kept, err := json.Marshal(request{asked, string(note)})
	if err != nil {
		return nil, err
	}
	return note, put(w.cfg.Queue.disk, path, kept)
}

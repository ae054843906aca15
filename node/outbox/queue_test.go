package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

const (
	member = "dealer.example/lyon"
	other  = "dealer.example/turin"
)

var origin = record.Origin("milepost.example/outbox", jcs.Make())

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (%s)", err, fault.Code(err))
	}
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if err == nil || fault.Code(err) != code {
		t.Fatalf("%v (%s), want %s", err, fault.Code(err), code)
	}
}

func signerOf(name string) certs.Signer {
	s, err := certs.NewEd25519Signer(name, make([]byte, 32))
	if err != nil {
		panic(err)
	}
	return s
}

// reading is a signed reading of so many kilometres, the same each time.
func reading(author string, km int) []byte {
	made.Lock()
	defer made.Unlock()
	key := fmt.Sprint(author, km)
	if made.notes[key] == nil {
		made.notes[key] = newReading(author, km)
	}
	return made.notes[key]
}

// made keeps what is signed: crashes at every step ask for the same again.
var made = struct {
	sync.Mutex
	notes map[string][]byte
}{notes: map[string][]byte{}}

func newReading(author string, km int) []byte {
	rest := [16]byte{15: byte(km), 14: byte(km >> 8)}
	text, err := record.Draft{
		Author: author, Origin: origin, ID: record.FormatUUID(record.UUIDv7(1_777_000_000_000, rest)), Type: "odometer.reading/1",
		Subjects: []string{"vehicle/VF1AAAA0000000001"}, Captured: "2026-05-04T10:00:00Z", EventTime: "2026-05-01T08:00:00Z", Precision: "minute",
		Body: readingBody(km),
	}.Text()
	if err != nil {
		panic(err)
	}
	note, err := record.Sign(text, signerOf(author))
	if err != nil {
		panic(err)
	}
	return note
}

func readingBody(km int) jcs.Value {
	return jcs.Make(
		jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
		jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
		jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(int64(10_000 + km))})
}

// fakeLog takes each record once, as a log does. Its line can be down, and
// lose the answer to what it took.
type fakeLog struct {
	mu      sync.Mutex
	index   map[string]uint64
	notes   [][]byte          // in the order of the log
	refuses map[string]string // leaf hash -> code
	calls   int
	down    error                // of each call
	loses   bool                 // the answers, not the records
	during  func(notes [][]byte) // of a call; may be nil
}

func newLog() *fakeLog { return &fakeLog{index: map[string]uint64{}, refuses: map[string]string{}} }

var errLine = fault.New("unreachable", "", "the line is down")

func (l *fakeLog) SubmitEach(ctx context.Context, notes ...[]byte) (*node.SubmitAnswer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if l.during != nil {
		l.during(notes)
	}
	if l.down != nil {
		return nil, l.down
	}
	out := &node.SubmitAnswer{}
	for _, n := range notes {
		h := hashOf(n)
		if code := l.refuses[h]; code != "" {
			out.Records = append(out.Records, node.RecordAnswer{Status: "refused", Error: &node.ErrorBody{Code: code, Error: "it may not stand", Hint: "ask"}})
			continue
		}
		status := "present"
		if _, ok := l.index[h]; !ok {
			status, l.index[h] = "accepted", uint64(100+len(l.notes))
			l.notes = append(l.notes, n)
		}
		i := l.index[h]
		out.Records = append(out.Records, node.RecordAnswer{Status: status, Index: &i, LeafHash: h})
	}
	if l.loses {
		return nil, fault.New("unknown", "", "no answer came")
	}
	return out, nil
}

func (l *fakeLog) Receipt(ctx context.Context, leafHash string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.index[leafHash]; !ok {
		return nil, fault.New("no_record", "", "no record")
	}
	return []byte("receipt of " + leafHash + "\n"), nil
}

// set changes how the log behaves.
func (l *fakeLog) set(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
}

func (l *fakeLog) kept() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.notes)
}

func newTestQueue(t *testing.T, d disk) *Queue {
	t.Helper()
	dir := "q"
	if d == nil {
		dir = filepath.Join(t.TempDir(), "q")
	}
	q, err := Create(Config{Dir: dir, Origin: origin, Member: member, disk: d})
	must(t, err)
	return q
}

func count(t *testing.T, q *Queue, pending, refused, sent int) {
	t.Helper()
	p, err := q.Pending()
	must(t, err)
	r, err := q.Refused()
	must(t, err)
	s, err := q.Sent()
	must(t, err)
	if len(p) != pending || len(r) != refused || len(s) != sent {
		t.Fatalf("%d pending, %d refused, %d sent; want %d, %d, %d", len(p), len(r), len(s), pending, refused, sent)
	}
}

// The line is down, the records wait; it is up again, and each is on the log
// once, in the order of queueing. Flushed again, nothing is sent.
func TestQueueAndFlush(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	a, b, c := reading(member, 1), reading(member, 2), reading(member, 3)
	_, err := q.Add(c)
	must(t, err)
	hashes, err := q.Add(a, b, a)
	must(t, err)
	if hashes[0] != hashOf(a) || hashes[2] != hashOf(a) {
		t.Fatal("other hashes than those of the records")
	}
	count(t, q, 3, 0, 0)
	log.down = errLine
	_, err = q.Flush(t.Context(), log, FlushOptions{})
	wantCode(t, err, "unreachable")
	count(t, q, 3, 0, 0)
	it, err := q.Find(hashOf(c))
	must(t, err)
	if it.State != Pending || it.Index != nil || it.EventTime != "2026-05-01T08:00:00Z" || it.Type != "odometer.reading/1" || it.Subjects[0] != "vehicle/VF1AAAA0000000001" {
		t.Fatalf("%+v", it)
	}

	// The log takes them, but its answer is lost.
	log.down, log.loses = nil, true
	_, err = q.Flush(t.Context(), log, FlushOptions{})
	wantCode(t, err, "unknown")
	count(t, q, 3, 0, 0)
	log.loses = false
	d := reading(member, 4)
	_, err = q.Add(d)
	must(t, err)
	got, err := q.Flush(t.Context(), log, FlushOptions{Receipts: true})
	must(t, err)
	if got.Accepted != 1 || got.Present != 3 || len(got.Refused) != 0 {
		t.Fatalf("%+v", got)
	}
	count(t, q, 0, 0, 4)
	if notes := log.kept(); !slices.EqualFunc(notes, [][]byte{c, a, b, d}, slices.Equal) {
		t.Fatal("another order than that of queueing, or other bytes")
	}
	it, err = q.Find(hashOf(b))
	must(t, err)
	if it.State != Acknowledged || *it.Index != 102 {
		t.Fatalf("%+v", it)
	}
	for end, want := range map[string]string{recordEnd: string(b), receiptEnd: "receipt of " + hashOf(b) + "\n"} {
		if text, err := os.ReadFile(q.path(sentDir, hashOf(b)+end)); err != nil || string(text) != want {
			t.Fatalf("%s: %v", end, err)
		}
	}
	calls := log.calls
	_, err = q.Add(a)
	must(t, err)
	got, err = q.Flush(t.Context(), log, FlushOptions{})
	if must(t, err); got.Accepted+got.Present != 0 || log.calls != calls {
		t.Fatal("what is acknowledged was sent again")
	}
}

// What the log refuses is set aside with the reason and holds up nothing; it
// can be sent once more, as the same bytes and in its old place.
func TestRefusedIsSetAside(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	a, b := reading(member, 1), reading(member, 2)
	_, err := q.Add(a, b)
	must(t, err)
	log.refuses[hashOf(a)] = "suspended"
	got, err := q.Flush(t.Context(), log, FlushOptions{})
	must(t, err)
	if got.Accepted != 1 || len(got.Refused) != 1 || got.Refused[0].Error.Code != "suspended" || got.Refused[0].Error.Hint != "ask" {
		t.Fatalf("%+v", got)
	}
	count(t, q, 0, 1, 1)
	calls := log.calls
	if _, err = q.Flush(t.Context(), log, FlushOptions{}); err != nil || log.calls != calls {
		t.Fatalf("%v, or what is refused was sent again unasked", err)
	}
	got, err = q.Flush(t.Context(), log, FlushOptions{Again: true})
	if must(t, err); len(got.Refused) != 1 {
		t.Fatalf("%+v", got)
	}
	delete(log.refuses, hashOf(a))
	_, err = q.Add(a) // as good as Again
	must(t, err)
	count(t, q, 1, 0, 1)
	got, err = q.Flush(t.Context(), log, FlushOptions{})
	if must(t, err); got.Accepted != 1 {
		t.Fatalf("%+v", got)
	}
	count(t, q, 0, 0, 2)
	if it, err := q.Find(hashOf(a)); err != nil || it.State != Acknowledged {
		t.Fatalf("%+v, %v", it, err)
	}
}

// What does not belong into an outbox never gets there, nor anything with it.
func TestStrangersAreNotQueued(t *testing.T) {
	t.Parallel()
	q := newTestQueue(t, nil)
	_, err := q.Add(reading(member, 1), reading(other, 1))
	wantCode(t, err, "author")
	_, err = q.Add(reading(member, 1), []byte("no record"))
	wantCode(t, err, "note_form")
	count(t, q, 0, 0, 0)
	for _, cfg := range []Config{{Origin: origin, Member: other}, {Origin: "another.example/log/" + origin[len(origin)-40:], Member: member}} {
		cfg.Dir = q.Dir()
		_, err = Create(cfg)
		wantCode(t, err, "outbox_other")
	}
	must(t, os.WriteFile(q.path(headFile), []byte("{}"), 0o600))
	_, err = Open(Config{Dir: q.Dir(), Origin: origin, Member: member})
	wantCode(t, err, "outbox_other")
	_, err = Open(Config{Dir: filepath.Join(q.Dir(), "nowhere"), Origin: origin, Member: member})
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	_, err = q.Find("../../etc/passwd")
	wantCode(t, err, "no_record")
}

// A flipped bit on a stick: the record is not sent, its bytes are kept, and
// the others go their way.
func TestDamagedRecordIsSetAside(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	a, b := reading(member, 1), reading(member, 2)
	_, err := q.Add(a, b)
	must(t, err)
	names, err := q.pendingNames()
	must(t, err)
	bad := slices.Clone(a)
	bad[40] ^= 1
	must(t, os.WriteFile(q.path(pendingDir, names[0]), bad, 0o600))
	must(t, os.WriteFile(q.path(pendingDir, "notes.txt"), []byte("not ours"), 0o600))
	got, err := q.Flush(t.Context(), log, FlushOptions{})
	must(t, err)
	if got.Accepted != 1 || len(got.Refused) != 1 || got.Refused[0].Error.Code != "outbox_damaged" {
		t.Fatalf("%+v", got)
	}
	if kept, err := os.ReadFile(q.path(refusedDir, hashOf(a)+recordEnd)); err != nil || !slices.Equal(kept, bad) {
		t.Fatalf("the damaged bytes are gone: %v", err)
	}
	// The undamaged ones from elsewhere heal it.
	_, err = q.Add(a)
	must(t, err)
	if got, err = q.Flush(t.Context(), log, FlushOptions{}); err != nil || got.Accepted != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	must(t, os.WriteFile(q.path(sentDir, hashOf(b)+answerEnd), []byte("{}"), 0o600))
	_, err = q.Find(hashOf(b))
	wantCode(t, err, "outbox_damaged")
}

// Nobody is believed who answers about other records, or fewer.
func TestOddAnswersLeaveRecordsPending(t *testing.T) {
	t.Parallel()
	q := newTestQueue(t, nil)
	a := reading(member, 1)
	_, err := q.Add(a)
	must(t, err)
	one := uint64(1)
	for _, ans := range []*node.SubmitAnswer{
		{},
		{Records: []node.RecordAnswer{{Status: "accepted", LeafHash: hashOf(a)}}},
		{Records: []node.RecordAnswer{{Status: "accepted", Index: &one, LeafHash: hashOf([]byte("another"))}}},
		{Records: []node.RecordAnswer{{Status: "refused"}}},
		{Records: []node.RecordAnswer{{Status: "maybe", Index: &one, LeafHash: hashOf(a)}}},
	} {
		_, err := q.Flush(t.Context(), oddLog{ans}, FlushOptions{})
		wantCode(t, err, "unexpected")
		count(t, q, 1, 0, 0)
	}
}

type oddLog struct{ ans *node.SubmitAnswer }

func (l oddLog) SubmitEach(context.Context, ...[]byte) (*node.SubmitAnswer, error) { return l.ans, nil }
func (l oddLog) Receipt(context.Context, string) ([]byte, error)                   { return nil, errLine }

// Two flushes at once: one is told so, or both send, and nothing is there
// twice. Records are queued all the while.
func TestFlushesAtOnce(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	var all [][]byte
	for i := range batchRecords + 6 {
		all = append(all, reading(member, i))
	}
	_, err := q.Add(all[:batchRecords+3]...)
	must(t, err)
	busy := 0
	log.during = func([][]byte) {
		// While this one sends: another process.
		again, err := Open(Config{Dir: q.Dir(), Origin: origin, Member: member})
		must(t, err)
		if _, err := again.Flush(t.Context(), newLog(), FlushOptions{}); fault.Code(err) == "outbox_busy" {
			busy++
		}
		_, err = again.Add(all[batchRecords+3:]...)
		must(t, err)
	}
	got, err := q.Flush(t.Context(), log, FlushOptions{})
	must(t, err)
	if got.Accepted != len(all) || busy == 0 {
		t.Fatalf("%+v; told busy %d times", got, busy)
	}
	// Without the lock, as on a system that has none.
	log, q = newLog(), newTestQueue(t, newMemDisk(1))
	_, err = q.Add(all...)
	must(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				b, err := q.nextBatch()
				if err == nil && len(b.items) == 0 {
					return
				}
				if err == nil {
					if err = q.send(t.Context(), log, b); err == nil {
						err = q.settle(b)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	count(t, q, 0, 0, len(all))
	if len(log.kept()) != len(all) {
		t.Fatalf("%d records on the log, not %d", len(log.kept()), len(all))
	}
}

// A clock that is set back does not turn the order around.
func TestOrderOutlivesTheClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "q"), Origin: origin, Member: member, Now: func() time.Time { at = at.Add(-time.Hour); return at }}
	var all [][]byte
	for i := range 5 {
		q, err := Create(cfg)
		must(t, err)
		all = append(all, reading(member, i))
		_, err = q.Add(all[i])
		must(t, err)
	}
	q, err := Open(cfg)
	must(t, err)
	log := newLog()
	_, err = q.Flush(t.Context(), log, FlushOptions{})
	must(t, err)
	if !slices.EqualFunc(log.kept(), all, slices.Equal) {
		t.Fatal("another order than that of queueing")
	}
}

// stages of the story that TestCrashAtEveryStep tells; added is told of each
// record whose Add has returned.
func story(t *testing.T, d disk, log *fakeLog, ctx context.Context, added func(notes ...[]byte)) error {
	q, err := Create(Config{Dir: "q", Origin: origin, Member: member, disk: d})
	if err != nil {
		return err
	}
	add := func(notes ...[]byte) error {
		_, err := q.Add(notes...)
		if err == nil {
			added(notes...)
		}
		return err
	}
	flush := func(opt FlushOptions, how func()) error {
		log.set(how)
		_, err := q.Flush(ctx, log, opt)
		log.set(func() { log.down, log.loses = nil, false; clear(log.refuses) })
		if fault.Code(err) == "unknown" || fault.Code(err) == "unreachable" {
			err = nil
		}
		return err
	}
	for _, err := range []func() error{
		func() error { return add(reading(member, 1), reading(member, 2)) },
		func() error { return flush(FlushOptions{}, func() { log.down = errLine }) },
		func() error { return flush(FlushOptions{}, func() { log.loses = true }) },
		func() error { return add(reading(member, 3)) },
		func() error {
			return flush(FlushOptions{}, func() { log.refuses[hashOf(reading(member, 3))] = "suspended" })
		},
		func() error { return add(reading(member, 4), reading(member, 1)) },
		func() error { return flush(FlushOptions{Again: true, Receipts: true}, func() {}) },
	} {
		if err := err(); err != nil {
			return err
		}
	}
	return nil
}

// The power fails at every single step, with any part of what was not synced
// lost: what was queued is on the log once, whoever looks.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	const losses = 4 // different parts lost
	crashes := 0
	for step := 1; ; step++ {
		ended := true
		for seed := range uint64(losses) {
			d, log := newMemDisk(seed<<32|uint64(step)), newLog()
			d.crashAt = step
			queued := map[string]bool{}
			crashed := crashing(func() {
				must(t, story(t, d, log, t.Context(), func(notes ...[]byte) {
					for _, n := range notes {
						queued[hashOf(n)] = true
					}
				}))
			})
			if !crashed {
				continue
			}
			ended = false
			crashes++
			log.set(func() { log.down, log.loses = nil, false; clear(log.refuses) })
			at := fmt.Sprintf("step %d, loss %d", step, seed)
			if seed%2 == 1 { // it was killed only; the power fails while that is put right
				d.crashAt = d.steps + 1 + int(seed)/2 + step%9
				crashing(func() { checkAfter(t, at, d, log, queued) })
			}
			d.restart()
			checkAfter(t, at, d, log, queued)
		}
		if ended {
			break
		}
	}
	if crashes < 50*losses {
		t.Fatalf("only %d crashes", crashes)
	}
	t.Logf("%d crashes", crashes)
}

// crashing reports whether the power failed while fn ran.
func crashing(fn func()) (crashed bool) {
	defer func() {
		if p := recover(); p == (powerLoss{}) {
			crashed = true
		} else if p != nil {
			panic(p)
		}
	}()
	fn()
	return false
}

// checkAfter opens the queue anew, flushes it and looks for what was queued.
func checkAfter(t *testing.T, at string, d *memDisk, log *fakeLog, queued map[string]bool) {
	t.Helper()
	q, err := Create(Config{Dir: "q", Origin: origin, Member: member, disk: d})
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	if _, err := q.Flush(t.Context(), log, FlushOptions{Again: true}); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	seen := map[string]int{}
	for _, n := range log.kept() {
		seen[hashOf(n)]++
	}
	for h := range queued {
		it, err := q.Find(h)
		if err != nil || it.State != Acknowledged || seen[h] != 1 || *it.Index != log.index[h] {
			t.Fatalf("%s: %s was queued; it is %+v (%v), %d times on the log", at, h, it, err, seen[h])
		}
	}
	p, err := q.Pending()
	r, rerr := q.Refused()
	if err := errors.Join(err, rerr); err != nil || len(p)+len(r) > 0 {
		t.Fatalf("%s: %d pending, %d refused, %v", at, len(p), len(r), err)
	}
	calls := log.calls
	if _, err := q.Flush(t.Context(), log, FlushOptions{}); err != nil || log.calls != calls {
		t.Fatalf("%s: flushed again: %v, %d calls", at, err, log.calls-calls)
	}
}

// The disk is full at every single step, and has room again later: what was
// queued is on the log once, and what could not be queued was said.
func TestFullDiskAtEveryStep(t *testing.T) {
	t.Parallel()
	failed := 0
	for step := 1; ; step++ {
		d, log := newMemDisk(uint64(step)), newLog()
		d.fullAt = step
		queued := map[string]bool{}
		err := story(t, d, log, t.Context(), func(notes ...[]byte) {
			for _, n := range notes {
				queued[hashOf(n)] = true
			}
		})
		if d.steps < step {
			break
		}
		if err != nil {
			wantCode(t, err, "disk_full")
			failed++
		}
		d.fullAt = 0
		checkAfter(t, fmt.Sprintf("full at step %d", step), d, log, queued)
	}
	if failed < 20 {
		t.Fatalf("the disk was full %d times only", failed)
	}
}

// A file that a crash left half written is taken away, one that another
// process may be writing is not.
func TestTidy(t *testing.T) {
	t.Parallel()
	q := newTestQueue(t, nil)
	old, young := q.path(pendingDir, partial+"old"), q.path(pendingDir, partial+"young")
	for _, p := range []string{old, young} {
		must(t, os.WriteFile(p, nil, 0o600))
	}
	must(t, os.Chtimes(old, time.Now(), time.Now().Add(-2*staleAfter)))
	_, err := q.Flush(t.Context(), newLog(), FlushOptions{})
	must(t, err)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Error("what a crash left is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

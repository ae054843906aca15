package verify_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// The cast. One member bears the name of a governor, as happens.
const (
	dealer    = "dealer.example/lyon"
	inspector = "inspect.example"
	maker     = "maker.example"

	vinA      = "1N4AZ0CP1DC900001" // has a history of several authors
	vinB      = "1N4AZ0CP1DC900007" // one reading; looks like the first
	vinAbsent = "1N4AZ0CP1DC90000L" // none; looks like the first even more
)

// start is the log time of the first batch; every batch is an hour later.
var start = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

func seed(label string) []byte {
	h := sha256.Sum256([]byte("milepost fixture: " + label))
	return h[:]
}

// host is a node: what it signs with.
type host struct {
	id       string
	log      certs.Signer
	cosigner certs.Signer
	tls      *certs.TLSIdentity
}

// world is a log, kept as the plain list of its leaves. It believes whatever
// it is told and its nodes sign whatever it holds: with it a test can tell
// lies under a real quorum, so that only the verifier stands in their way.
type world struct {
	t      testing.TB
	name   string
	origin string
	govs   []certs.Signer // sorted by name
	need   int            // threshold
	hosts  []host
	policy string

	appointed string // hash of the governors.changed that put govs in office; "" for the founders

	leaves   [][]byte
	times    []int64    // log time of each leaf; 0 while unsealed
	subjects [][]string // of each leaf, nil for a seal
	lastSeal uint64
	clock    int64 // log time of the next batch, ms
	ids      int
	places   map[string]uint64 // of records that tests speak of
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func ed25519Key(t testing.TB, name, label string) certs.Signer {
	s, err := certs.NewEd25519Signer(name, seed(name+" "+label))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// size of a world.
type cast struct {
	name      string
	governors []string
	need      int
	hosts     []string
}

var fullCast = cast{"milepost.example/demo", []string{"assoc.example", "insurer.example", maker}, 2, []string{"insurer", "lyon", "maker", "ulm"}}

// emptyWorld has its keys and its origin, and no leaf yet.
func emptyWorld(t testing.TB, c cast) *world {
	w := &world{t: t, name: c.name, need: c.need, clock: start.UnixMilli(), places: map[string]uint64{}}
	var governors []jcs.Value
	for _, g := range c.governors {
		s := ed25519Key(t, g, c.name+" governor")
		w.govs = append(w.govs, s)
		governors = append(governors, obj("key", s.VKey(), "name", g))
	}
	w.origin = c.name + "/" + fingerprint(obj("governors", governors, "nonce", b64(seed(c.name)[:16]), "threshold", c.need))
	for _, id := range c.hosts {
		w.hosts = append(w.hosts, w.newHost(id))
	}
	w.policy = w.policyOf(w.hosts)
	return w
}

func fingerprint(founding jcs.Value) string {
	h := sha256.Sum256(append([]byte("milepost/origin@v1\n"), founding.Bytes()...))
	return hex.EncodeToString(h[:20])
}

func (w *world) policyOf(hosts []host) string {
	var logs, cosigners []string
	for _, h := range hosts {
		logs, cosigners = append(logs, h.log.VKey()), append(cosigners, h.cosigner.VKey())
	}
	return verify.NewPolicy(logs, cosigners...)
}

// envelope are the fields of a record; a test changes what it wants to lie about.
type envelope struct {
	typ, author string
	subjects    []string
	body        jcs.Value
	more        []jcs.Field
}

// text writes an envelope as a record text, unchecked.
func (w *world) text(e envelope) string {
	w.ids++
	var rest [16]byte
	copy(rest[6:], seed(fmt.Sprint(w.name, " id ", w.ids)))
	when := time.UnixMilli(w.clock).UTC().Format(time.RFC3339)
	v := obj("author", e.author, "body", e.body, "captured_time", when, "event_precision", "minute",
		"event_time", when[:17]+"00Z", "id", record.FormatUUID(record.UUIDv7(w.clock, rest)), "origin", w.origin,
		"subjects", e.subjects, "type", e.typ)
	for _, f := range e.more {
		v = v.With(f.Name, f.Value)
	}
	return "milepost/record@v1\n" + string(v.Bytes()) + "\n"
}

// signed writes a note, whatever the text and whoever signs.
func (w *world) signed(text string, signers ...certs.Signer) []byte {
	n := certs.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		w.must(err)
		n.Sigs = append(n.Sigs, sig)
	}
	sort.SliceStable(n.Sigs, func(i, j int) bool { return n.Sigs[i].Name < n.Sigs[j].Name })
	return n.Bytes()
}

// put appends a leaf to the open batch and files it under the subjects.
func (w *world) put(note []byte, subjects ...string) uint64 {
	w.leaves, w.times, w.subjects = append(w.leaves, note), append(w.times, 0), append(w.subjects, subjects)
	return uint64(len(w.leaves) - 1)
}

// add signs a record as its author would and puts it where it says.
func (w *world) add(e envelope, signers ...certs.Signer) uint64 {
	return w.put(w.signed(w.text(e), signers...), e.subjects...)
}

// sealAs ends the batch, with a seal that may say what is not so.
func (w *world) sealAs(change func(origin *string, index *uint64, ms *int64, prev *uint64, root *hash)) {
	index := uint64(len(w.leaves))
	for i := range w.leaves {
		if w.times[i] == 0 {
			w.times[i] = w.clock
		}
	}
	origin, ms, prev, root := w.origin, w.clock, w.lastSeal, indexRoot(w.pairs(int(index)))
	if change != nil {
		change(&origin, &index, &ms, &prev, &root)
	}
	w.lastSeal = uint64(len(w.leaves))
	w.leaves, w.times, w.subjects = append(w.leaves, sealText(origin, index, ms, prev, root)), append(w.times, w.clock), append(w.subjects, nil)
	w.clock += time.Hour.Milliseconds()
}

func (w *world) seal() { w.sealAs(nil) }

// history lists the records of a subject among the first n leaves.
func (w *world) history(subject string, n int) (entries []placed) {
	for i := range n {
		for _, s := range w.subjects[i] {
			if s == subject {
				entries = append(entries, placed{uint64(i), w.times[i], w.leaves[i]})
			}
		}
	}
	return entries
}

// pairs are the leaves of the index over the first n leaves, sorted.
func (w *world) pairs(n int) (pairs []pair) {
	seen := map[string]bool{}
	for i := range n {
		for _, s := range w.subjects[i] {
			if !seen[s] {
				seen[s] = true
				pairs = append(pairs, pair{historyKey(s), historyValue(w.history(s, n))})
			}
		}
	}
	return sorted(pairs)
}

func (w *world) leafHashes(n int) (hs []hash) {
	for _, l := range w.leaves[:n] {
		hs = append(hs, leafHash(l))
	}
	return hs
}

// headText is the text of the tree head after n leaves.
func (w *world) headText(n int) string {
	return checkpointText(w.origin, n, treeHash(w.leafHashes(n)))
}

// signers are a log key and the cosigners of all hosts.
func (w *world) signers() []certs.Signer {
	s := []certs.Signer{w.hosts[0].log}
	for _, h := range w.hosts {
		s = append(s, h.cosigner)
	}
	return s
}

// note signs a checkpoint text, line by line in the given order.
func (w *world) note(text string, signers ...certs.Signer) []byte {
	n := certs.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		w.must(err)
		n.Sigs = append(n.Sigs, sig)
	}
	return n.Bytes()
}

// receipt is the tlog-proof of leaf i under the head after n leaves.
func (w *world) receipt(i uint64, n int, signers ...certs.Signer) []byte {
	return tlogProof(i, auditPath(int(i), w.leafHashes(n)), w.note(w.headText(n), signers...))
}

// fileHistory is one history of a file, as of the seal at leaf n-1.
func (w *world) fileHistory(subject string, n int) verify.FileHistory {
	h := verify.FileHistory{Subject: subject, IndexProof: indexProof(historyKey(subject), w.pairs(n-1))}
	for _, e := range w.history(subject, n-1) {
		h.Entries = append(h.Entries, verify.FileEntry{Index: e.index, Time: e.time, Note: e.note, Hash: leafHash(e.note)})
	}
	return h
}

// fileAt is the true proof file of a subject as of the head after n leaves.
func (w *world) fileAt(subject string, n int, signers ...certs.Signer) *verify.File {
	names := map[string]bool{subject: true, "governance": true}
	for _, e := range w.history(subject, n-1) {
		if s, _, _ := strings.Cut(subject, "/"); s == "member" || s == "governance" {
			break
		}
		for _, author := range writers(e.note) {
			names["member/"+author] = true
		}
	}
	f := &verify.File{Subject: subject, Seal: w.leaves[n-1], TLogProof: w.receipt(uint64(n-1), n, signers...)}
	for s := range names {
		f.Histories = append(f.Histories, w.fileHistory(s, n))
	}
	sort.Slice(f.Histories, func(i, j int) bool { return f.Histories[i].Subject < f.Histories[j].Subject })
	return f
}

// writers are the author of a record and that of the one that it carries.
func writers(note []byte) []string {
	author, _, _ := strings.Cut(strings.SplitAfter(string(note), `"author":"`)[1], `"`)
	if !strings.Contains(string(note), `"type":"record.reattributed/1"`) {
		return []string{author}
	}
	text, _, _ := strings.Cut(strings.SplitAfter(string(note), `"note":"`)[1], `"`)
	carried, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return append(writers(carried), author)
}

// file is the true proof file of a vehicle under the newest head.
func (w *world) file(vin string) *verify.File {
	return w.fileAt("vehicle/"+vin, len(w.leaves), w.signers()...)
}

// clone is a world that a test may go on with or spoil.
func (w *world) clone(t testing.TB) *world {
	c := *w
	c.t = t
	c.leaves, c.times = append([][]byte(nil), w.leaves...), append([]int64(nil), w.times...)
	c.subjects = append([][]string(nil), w.subjects...)
	c.places = map[string]uint64{}
	for k, v := range w.places {
		c.places[k] = v
	}
	c.hosts = append([]host(nil), w.hosts...)
	for i := range c.hosts {
		// The clock that it stamps with is the clone's from here on.
		own := c.origin + "/node/" + c.hosts[i].id
		s, err := certs.NewCosigner(own, seed(own), func() time.Time { return time.UnixMilli(c.clock).Add(2 * time.Second) })
		c.must(err)
		c.hosts[i].cosigner = s
	}
	return &c
}

// prev is the leaf hash of the newest record of a history, hex.
func (w *world) prev(subject string) string {
	h := w.history(subject, len(w.leaves))
	sum := leafHash(h[len(h)-1].note)
	return hex.EncodeToString(sum[:])
}

func (w *world) ref(place string) string {
	h := leafHash(w.leaves[w.places[place]])
	return hex.EncodeToString(h[:])
}

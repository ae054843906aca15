package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/cases"
)

// sizeHeader says at which tree size an answer was made: reads are local.
const sizeHeader = "Milepost-Tree-Size"

// strict makes a read linearizable when the caller asks for it: what was
// acknowledged anywhere before the request is in the answer.
func (n *Node) strict(r *http.Request) error {
	switch c := r.URL.Query().Get("consistency"); c {
	case "":
		return nil
	case "strict":
	default:
		return fault.New("request_form", "consistency", fmt.Sprintf("%q is unknown; strict is what there is", c))
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	if run := n.raftRun.Load(); run != nil && run.raft.State() == raft.Leader {
		done := make(chan error, 1)
		go func() { done <- run.raft.Barrier(answerTimeout).Error() }()
		select {
		case err := <-done:
			if err != nil {
				return errNoLeader
			}
		case <-ctx.Done():
			return errNoLeader
		case <-run.ending:
			return errNoLeader
		}
		size, _, _ := n.heads.state()
		return n.waitPublished(ctx, size, errLate)
	}
	p := n.leaderPeer()
	if p == nil || r.Header.Get(forwardedHeader) != "" {
		return errNoLeader
	}
	data, err := p.client.do(ctx, http.MethodGet, "/v1/status?consistency=strict", http.Header{forwardedHeader: {"1"}}, nil)
	if err != nil {
		if fault.Code(err) == errLate.Code {
			return errLate
		}
		return errNoLeader
	}
	s, err := parseStatus(data)
	if err != nil {
		return errNoLeader
	}
	return n.waitPublished(ctx, s.TreeSize, errLate)
}

func parseHash(text string) (h [32]byte, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 32 || hex.EncodeToString(raw) != text {
		return h, fault.New("request_form", "hash", "a leaf hash of 64 lower-case hexadecimal digits is expected")
	}
	return [32]byte(raw), nil
}

// withLeaf finds a record below the published head.
func (n *Node) withLeaf(r *http.Request, fn func(h *head, index uint64) error) error {
	if err := n.strict(r); err != nil {
		return err
	}
	return n.withLeafOf(r.PathValue("hash"), fn)
}

func (n *Node) withLeafOf(leafHash string, fn func(h *head, index uint64) error) error {
	hash, err := parseHash(leafHash)
	if err != nil {
		return err
	}
	return n.withHead(func(h *head) error {
		index, ok, err := h.view.Find(hash)
		if err != nil {
			return err
		}
		if !ok || h.view.IsSeal(index+1) {
			return fault.New("no_record", "", "no record of this leaf hash is in the tree").
				WithHint("a record that was just sent may not be under a cosigned head yet: try again in a moment")
		}
		return fn(h, index)
	})
}

func (n *Node) getRecord(w http.ResponseWriter, r *http.Request, c caller) error {
	return n.withLeaf(r, func(h *head, index uint64) error {
		note, err := h.view.Leaf(index)
		if err != nil {
			return err
		}
		rec, err := record.Open(note)
		if err != nil {
			return err
		}
		rd, err := n.mayReadRecord(r, c, h, rec)
		if err != nil {
			return err
		}
		if rd != nil {
			if err := rd.close(r.Context()); err != nil {
				return err
			}
		}
		w.Header().Set("Milepost-Index", strconv.FormatUint(index, 10))
		w.Header().Set(sizeHeader, strconv.FormatUint(h.size, 10))
		return writeText(w, plain, note)
	})
}

func (n *Node) getReceipt(w http.ResponseWriter, r *http.Request, c caller) error {
	return n.withLeaf(r, func(h *head, index uint64) error {
		data, err := receipt(h.view, index, h.note)
		if err != nil {
			return err
		}
		return writeText(w, plain, data)
	})
}

// HistoryAnswer is a vehicle's history as a node knows it. It is no proof.
type HistoryAnswer struct {
	Subject string         `json:"subject"`
	Size    uint64         `json:"size"` // tree size that it is complete up to
	Entries []HistoryEntry `json:"entries"`
	// What the meaning of the history follows from beside the records; nil
	// where this reader may not see all of them.
	Known *KnownAnswer `json:"known,omitempty"`
	// With ?with=notices: what the vehicle's makers and the authors of its
	// records announced.
	Makers  []string        `json:"makers,omitempty"`
	Notices []NoticeHistory `json:"notices,omitempty"`
}

// NoticeHistory is all that one member announced.
type NoticeHistory struct {
	Member  string         `json:"member"`
	Entries []HistoryEntry `json:"entries"`
}

// KnownAnswer is what a node adds to a history, so that a reader who holds no
// proof can work out what it means: verify.Mean.
type KnownAnswer struct {
	AsOf      int64            `json:"as_of"` // ms since 1970 UTC
	Rules     int64            `json:"rules_version"`
	Bounds    map[string]int64 `json:"bounds"`    // of cases, in the rules in force now
	Judgement map[string]int64 `json:"judgement"` // parameters
	Cases     []cases.Status   `json:"cases"`
	Effects   []cases.Effect   `json:"effects"`  // of decisions in force
	Disputed  []string         `json:"disputed"` // leaf hashes of readings under an open dispute
}

// knownOf is what this node knows beside a vehicle's records in some of its
// histories.
func (n *Node) knownOf(subject string, histories []string) (*KnownAnswer, error) {
	book := cases.NewMemory()
	if err := casework(n.state.tree, book, histories...); err != nil {
		return nil, err
	}
	now := n.now().UnixMilli()
	k := &KnownAnswer{
		AsOf: now, Cases: append([]cases.Status{}, verify.CasesAbout(book, subject, now)...),
		Effects: append([]cases.Effect{}, cases.Effects(book, subject)...), Disputed: append([]string{}, cases.Disputed(book, subject, now)...),
	}
	n.state.withAuthority(func(a *verify.Authority) {
		rules := &a.Governance.Rules
		k.Rules, k.Bounds, k.Judgement = rules.Version, rules.Cases, rules.Judgement
	})
	return k, nil
}

// HistoryEntry is one record of a history.
type HistoryEntry struct {
	Subject  string `json:"subject,omitempty"` // the history, if it is another than the answer's
	Index    uint64 `json:"index"`
	Time     int64  `json:"time"` // log time, ms since 1970 UTC
	LeafHash string `json:"leaf_hash"`
	Note     string `json:"note,omitempty"` // absent where this reader may not see it
}

func (a *HistoryAnswer) add(subject string, e verify.FileEntry) {
	if subject == a.Subject {
		subject = ""
	}
	a.Entries = append(a.Entries, HistoryEntry{subject, e.Index, e.Time, verify.Hex(e.Hash), string(e.Note)})
}

// vehicleParam reads {vin}: a VIN, or short/<number> with the slash escaped.
func vehicleParam(r *http.Request) (string, error) {
	return record.ParseVehicle(r.PathValue("vin"))
}

func (n *Node) getVehicle(w http.ResponseWriter, r *http.Request, c caller) error {
	subject, err := vehicleParam(r)
	if err != nil {
		return err
	}
	others, notices, err := otherHistories(r, subject)
	if err != nil {
		return err
	}
	if err := n.strict(r); err != nil {
		return err
	}
	return n.withHead(func(h *head) error {
		rd, err := n.openVehicle(r, c, h, subject)
		if err != nil {
			return err
		}
		for _, s := range others {
			if err := rd.open(s); err != nil {
				return err
			}
		}
		out := HistoryAnswer{Subject: subject, Size: h.size, Entries: []HistoryEntry{}}
		whole := true
		for _, s := range append([]string{subject}, others...) {
			f, err := fileHistory(h.view, s, rd.withhold)
			if err != nil {
				return err
			}
			for _, e := range f.Entries {
				out.add(s, e)
				whole = whole && e.Note != nil
			}
		}
		slices.SortStableFunc(out.Entries, func(a, b HistoryEntry) int { return cmp.Compare(a.Index, b.Index) })
		if notices {
			if err := out.addNotices(rd, h); err != nil {
				return err
			}
		}
		if err := rd.close(r.Context()); err != nil {
			return err
		}
		if whole {
			if out.Known, err = n.knownOf(subject, append([]string{subject}, others...)); err != nil {
				return err
			}
		}
		w.Header().Set(sizeHeader, strconv.FormatUint(h.size, 10))
		writeJSON(w, http.StatusOK, out)
		return nil
	})
}

// addNotices adds what the vehicle's makers and authors announced.
func (a *HistoryAnswer) addNotices(rd *reading, h *head) error {
	subjects, makers, err := rd.notices(h, a.Subject)
	if err != nil {
		return err
	}
	a.Makers = makers
	for _, s := range subjects {
		f, err := fileHistory(h.view, s, nil)
		if err != nil {
			return err
		}
		n := NoticeHistory{strings.TrimPrefix(s, "notice/"), []HistoryEntry{}}
		for _, e := range f.Entries {
			n.Entries = append(n.Entries, HistoryEntry{"", e.Index, e.Time, verify.Hex(e.Hash), string(e.Note)})
		}
		a.Notices = append(a.Notices, n)
	}
	return nil
}

func (n *Node) getProof(w http.ResponseWriter, r *http.Request, c caller) error {
	subject, err := vehicleParam(r)
	if err != nil {
		return err
	}
	if err := n.strict(r); err != nil {
		return err
	}
	others, notices, err := otherHistories(r, subject)
	if err != nil {
		return err
	}
	n.refresh(r)
	return n.withHead(func(h *head) error {
		rd, err := n.openVehicle(r, c, h, subject)
		if err != nil {
			return err
		}
		for _, s := range others {
			if err := rd.open(s); err != nil {
				return err
			}
		}
		subjects := append([]string{subject}, others...)
		if notices {
			announced, _, err := rd.notices(h, subject)
			if err != nil {
				return err
			}
			subjects = append(subjects, announced...)
		}
		f, err := proofFile(h.view, subjects, h.note, n.heads.bridges(h.size), rd.withhold)
		if err != nil {
			return err
		}
		if err := rd.close(r.Context()); err != nil {
			return err
		}
		data := f.Bytes()
		if len(data) > verify.MaxFile {
			return fault.New("too_large", "", "the proof would be larger than a proof file may be")
		}
		w.Header().Set(sizeHeader, strconv.FormatUint(h.size, 10))
		return writeText(w, "application/json", data)
	})
}

// otherHistories reads ?with=workshop,access,notices: the vehicle's histories
// that are to come beside its own, and whether what members announced is to.
func otherHistories(r *http.Request, subject string) (others []string, notices bool, err error) {
	with := r.URL.Query().Get("with")
	if with == "" {
		return nil, false, nil
	}
	for _, class := range strings.Split(with, ",") {
		s := class + strings.TrimPrefix(subject, "vehicle")
		switch {
		case class == "notices" && !notices:
			notices = true
		case (class == "workshop" || class == "access") && !slices.Contains(others, s):
			others = append(others, s)
		default:
			return nil, false, fault.New("request_form", "with", fmt.Sprintf("%q is not workshop, access or notices, each once, parted by commas", with))
		}
	}
	return others, notices, nil
}

// refresh has an old head cosigned anew, so that a file is complete as of
// now. It does its best: without a quorum the old head must do.
func (n *Node) refresh(r *http.Request) {
	fresh := func() bool {
		h := n.heads.current()
		if h == nil {
			return true
		}
		h.view.Release()
		return n.now().Sub(h.time) <= freshForFile
	}
	if fresh() {
		return
	}
	if n.leads() {
		n.askFresh()
	} else if p := n.leaderPeer(); p == nil {
		return
	} else if _, err := p.client.do(r.Context(), http.MethodPost, "/v1/heads/fresh", nil, nil); err != nil {
		return
	}
	timer := time.NewTimer(waitForTree)
	defer timer.Stop()
	for {
		_, _, moved := n.heads.state()
		if fresh() {
			return
		}
		select {
		case <-moved:
		case <-timer.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (n *Node) getPolicy(w http.ResponseWriter, r *http.Request, c caller) error {
	return writeText(w, plain, []byte(n.policy().Text()))
}

func (n *Node) getTime(w http.ResponseWriter, r *http.Request, c caller) error {
	return writeText(w, plain, []byte(n.now().UTC().Format(time.RFC3339Nano)+"\n"))
}

func (n *Node) getCheckpoint(w http.ResponseWriter, r *http.Request, c caller) error {
	w.Header().Set("Cache-Control", "no-cache") // C2SP tlog-tiles: not beyond a few seconds
	return n.withHead(func(h *head) error { return writeText(w, plain, h.note) })
}

// getTile serves C2SP tlog-tiles hash tiles: /tile/<L>/<N>[.p/<W>].
func (n *Node) getTile(w http.ResponseWriter, r *http.Request, c caller) error {
	level, rest, ok := strings.Cut(r.PathValue("path"), "/")
	l, err := strconv.Atoi(level)
	if !ok || err != nil || l < 0 || l > 7 || strconv.Itoa(l) != level {
		return fault.New("no_tile", "", "tiles are at /tile/<level 0 to 7>/<number>")
	}
	return n.serveTile(w, "public", rest, 8*l, func(h *head, number uint64, width int) ([]byte, error) {
		return h.view.Tile(l, number, width)
	})
}

// getEntries serves entry bundles: /tile/entries/<N>[.p/<W>]. They are for
// members, so no cache that others share may keep them.
func (n *Node) getEntries(w http.ResponseWriter, r *http.Request, c caller) error {
	reader, err := n.readerOf(r, c)
	if err == nil {
		err = verify.MayReadAll(reader)
	}
	if err != nil {
		return err
	}
	return n.serveTile(w, "private", r.PathValue("path"), 0, func(h *head, number uint64, width int) ([]byte, error) {
		return h.view.Entries(number, width)
	})
}

// serveTile parses a tile's path and serves it when the published head
// covers it; shift is how many leaves, as a power of two, one hash stands
// for. What a path names never changes, so a cache of that kind may keep it.
func (n *Node) serveTile(w http.ResponseWriter, cache, path string, shift int, read func(*head, uint64, int) ([]byte, error)) error {
	number, width, ok := parseTilePath(path)
	if !ok {
		return fault.New("no_tile", "", "not the path of a tile")
	}
	return n.withHead(func(h *head) error {
		have := h.size >> shift
		if first := number * 256; first >= have || first+uint64(width) > have {
			return fault.New("no_tile", "", "the tree does not reach there")
		}
		data, err := read(h, number, width)
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", cache+", max-age=31536000, immutable")
		return writeText(w, "application/octet-stream", data)
	})
}

// parseTilePath reads the <N>[.p/<W>] of C2SP tlog-tiles: N in groups of
// three digits, all but the last with an x before it.
func parseTilePath(path string) (number uint64, width int, ok bool) {
	width = 256
	if base, w, partial := strings.Cut(path, ".p/"); partial {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > 255 || strconv.Itoa(n) != w {
			return 0, 0, false
		}
		path, width = base, n
	}
	parts := strings.Split(path, "/")
	if len(parts) > 6 {
		return 0, 0, false
	}
	for i, p := range parts {
		digits := p
		if i < len(parts)-1 {
			var x bool
			if digits, x = strings.CutPrefix(p, "x"); !x {
				return 0, 0, false
			}
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || len(digits) != 3 || i == 0 && len(parts) > 1 && n == 0 {
			return 0, 0, false
		}
		number = number*1000 + n
	}
	return number, width, true
}

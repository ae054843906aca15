package node

import (
	"fmt"
	"sort"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// receipt writes the C2SP tlog-proof of one leaf under a cosigned head.
func receipt(view *log.View, index uint64, checkpoint []byte) ([]byte, error) {
	hashes, err := view.Inclusion(index)
	if err != nil {
		return nil, err
	}
	return (&verify.TLogProof{Index: index, Hashes: hashes, Checkpoint: checkpoint}).Bytes(), nil
}

// proofFile gathers the proof file of the first subject: its history and
// those of the others, which are of the same vehicle or of what members
// announced, those that say who may write, and the way from them to the cosigned head. withhold leaves out the
// contents that the reader may not see.
func proofFile(view *log.View, subjects []string, checkpoint []byte, bridges [][]byte, withhold func(*verify.FileHistory) error) (f *verify.File, err error) {
	f = &verify.File{Subject: subjects[0], Seal: view.Seal.Bytes(), Bridges: bridges}
	var shown []*record.Record
	for _, s := range subjects {
		own, err := fileHistory(view, s, withhold)
		if err != nil {
			return nil, err
		}
		f.Histories = append(f.Histories, own)
		for _, e := range own.Entries {
			if e.Note != nil {
				r, err := record.Open(e.Note)
				if err != nil {
					return nil, fmt.Errorf("record at log index %d: %w", e.Index, err)
				}
				shown = append(shown, r)
			}
		}
	}
	for _, s := range verify.AuthorityHistories(shown) {
		h, err := fileHistory(view, s, nil)
		if err != nil {
			return nil, err
		}
		f.Histories = append(f.Histories, h)
	}
	sort.Slice(f.Histories, func(i, j int) bool { return f.Histories[i].Subject < f.Histories[j].Subject })
	f.TLogProof, err = receipt(view, view.Size-1, checkpoint)
	return f, err
}

// eachRecord hands fn the records of a history, oldest first.
func eachRecord(view *log.View, subject string, fn func(verify.Entry, *record.Record) error) error {
	entries, err := view.History(subject)
	if err != nil {
		return err
	}
	for _, e := range entries {
		leaf, err := view.Leaf(e.Index)
		if err != nil {
			return err
		}
		r, err := record.Open(leaf)
		if err != nil {
			return fmt.Errorf("record at log index %d: %w", e.Index, err)
		}
		if err := fn(e, r); err != nil {
			return err
		}
	}
	return nil
}

// fileHistory reads one history with its index proof; withhold may be nil.
func fileHistory(view *log.View, subject string, withhold func(*verify.FileHistory) error) (verify.FileHistory, error) {
	h := verify.FileHistory{Subject: subject}
	entries, err := view.History(subject)
	if err != nil {
		return h, fmt.Errorf("history of %s: %w", subject, err)
	}
	for _, e := range entries {
		note, err := view.Leaf(e.Index)
		if err != nil {
			return h, fmt.Errorf("history of %s: %w", subject, err)
		}
		h.Entries = append(h.Entries, verify.FileEntry{Index: e.Index, Time: e.Time, Note: note, Hash: e.Hash})
	}
	if withhold != nil {
		if err := withhold(&h); err != nil {
			return h, fmt.Errorf("history of %s: %w", subject, err)
		}
	}
	h.IndexProof, err = view.IndexProof(subject)
	return h, err
}

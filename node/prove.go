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

// proofFile gathers the proof file of a subject: its history, those that say
// who may write, and the way from them to the cosigned head.
func proofFile(view *log.View, subject string, checkpoint []byte, bridges [][]byte) (*verify.File, error) {
	f := &verify.File{Subject: subject, Seal: view.Seal.Bytes(), Bridges: bridges}
	needed := map[string]bool{subject: true, record.Governance: true}
	done := map[string]bool{}
	for len(done) < len(needed) {
		for s := range needed {
			if done[s] {
				continue
			}
			done[s] = true
			h, err := fileHistory(view, s, func(author string) {
				if s != record.Governance && record.MemberSubject(author) != s {
					if class, _ := record.SubjectClass(s); class != "member" {
						needed[record.MemberSubject(author)] = true
					}
				}
			})
			if err != nil {
				return nil, fmt.Errorf("history of %s: %w", s, err)
			}
			f.Histories = append(f.Histories, h)
		}
	}
	sort.Slice(f.Histories, func(i, j int) bool { return f.Histories[i].Subject < f.Histories[j].Subject })
	var err error
	f.TLogProof, err = receipt(view, view.Size-1, checkpoint)
	return f, err
}

func fileHistory(view *log.View, subject string, author func(string)) (verify.FileHistory, error) {
	h := verify.FileHistory{Subject: subject}
	entries, err := view.History(subject)
	if err != nil {
		return h, err
	}
	for _, e := range entries {
		note, err := view.Leaf(e.Index)
		if err != nil {
			return h, err
		}
		r, err := record.Open(note)
		if err != nil {
			return h, fmt.Errorf("record at log index %d: %w", e.Index, err)
		}
		author(r.Author)
		h.Entries = append(h.Entries, verify.FileEntry{Index: e.Index, Time: e.Time, Note: note, Hash: e.Hash})
	}
	h.IndexProof, err = view.IndexProof(subject)
	return h, err
}

package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Withhold leaves out the contents of the records that selectors name: types,
// with or without version ("odometer.reading"), or leaf hashes of 64 hex
// digits. Their leaf hashes stay, so that the count and the proof stay too.
// It reaches the histories of the file's own vehicle only. Histories of
// members that no shown record needs any more leave the file, for they would
// tell who wrote the others. It returns how many records lost their contents.
//
// Errors: withhold_none for what the file does not show, unknown_type for
// what is no type at all, record for a file that cannot be read.
func (f *File) Withhold(selectors ...string) (int, error) {
	notes, err := f.ownNotes()
	if err != nil {
		return 0, err
	}
	gone := map[*FileEntry]bool{}
	for _, s := range selectors {
		found := 0
		for _, n := range notes {
			if n.answersTo(s) {
				gone[n.entry] = true
				found++
			}
		}
		if found == 0 {
			return 0, notHere(s)
		}
	}
	var shown []*record.Record
	for _, n := range notes {
		if gone[n.entry] {
			n.entry.Note = nil
		} else {
			shown = append(shown, n.rec)
		}
	}
	needed := f.dropNotices(notes, shown)
	f.Histories = slices.DeleteFunc(f.Histories, func(h FileHistory) bool {
		return isAuthority(h.Subject) && h.Subject != f.Subject && !slices.Contains(needed, h.Subject)
	})
	return len(gone), nil
}

// dropNotices takes out what those announced who wrote nothing that is still
// shown, for that would name them, and lists the histories that say who may
// write which the file needs now.
func (f *File) dropNotices(before []ownNote, shown []*record.Record) (needed []string) {
	named := func(rs []*record.Record, notice string) bool {
		return slices.Contains(AuthorityHistories(rs), "member"+strings.TrimPrefix(notice, "notice"))
	}
	var all []*record.Record
	for _, n := range before {
		all = append(all, n.rec)
	}
	f.Histories = slices.DeleteFunc(f.Histories, func(h FileHistory) bool {
		return isNotice(h.Subject) && named(all, h.Subject) && !named(shown, h.Subject)
	})
	needed = AuthorityHistories(shown)
	for _, h := range f.Histories {
		// A notice is of one member, its author.
		if isNotice(h.Subject) && len(h.Entries) > 0 {
			needed = append(needed, "member"+strings.TrimPrefix(h.Subject, "notice"))
		}
	}
	return needed
}

type ownNote struct {
	entry *FileEntry
	rec   *record.Record
}

func (n ownNote) answersTo(selector string) bool {
	bare, _, _ := strings.Cut(n.rec.Type, "/")
	return selector == n.rec.Type || selector == bare || selector == Hex(n.entry.Hash)
}

// ownNotes opens what the file shows of its vehicle.
func (f *File) ownNotes() (notes []ownNote, err error) {
	for i := range f.Histories {
		h := &f.Histories[i]
		if !f.ownVehicle(h.Subject) {
			continue
		}
		for j := range h.Entries {
			e := &h.Entries[j]
			if e.Note == nil {
				continue
			}
			r, err := record.Open(e.Note)
			if err != nil {
				return nil, fault.New("record", fmt.Sprintf("%s, entry %d", h.Subject, j), "the record is malformed").Because(err)
			}
			notes = append(notes, ownNote{e, r})
		}
	}
	return notes, nil
}

// notHere says why a selector names nothing in a file.
func notHere(selector string) error {
	if isHash(selector) {
		return fault.New("withhold_none", selector, "the file shows no record of this leaf hash").
			WithHint("milepost verify --json lists the leaf hashes")
	}
	for _, t := range record.Types() {
		if bare, _, _ := strings.Cut(t.Name, "/"); selector == t.Name || selector == bare {
			return fault.New("withhold_none", selector, "the file shows no record of this type").
				WithHint("milepost history lists what there is")
		}
	}
	return record.ErrUnknownType(selector)
}

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

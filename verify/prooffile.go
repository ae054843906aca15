package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// Caps of a proof file.
const (
	MaxFile      = 64 << 20 // bytes
	MaxHistories = 4096     // governance, the subject's, and one for each author
	MaxEntries   = 1 << 17  // in all histories together; 64 MiB hold no more of the smallest records
	MaxBridges   = 256
)

// maxFileValues is how many JSON values a file within these caps has at most.
const maxFileValues = 7 + 4*MaxHistories + 4*MaxEntries + MaxBridges

// FileFormat names the format of proof files.
const FileFormat = "milepost/proof@v1"

// File is a proof file: everything that a verifier needs beside its policy.
type File struct {
	Subject   string
	Histories []FileHistory // sorted by subject
	Seal      []byte        // the seal that the tree head ends with
	TLogProof []byte        // C2SP tlog-proof of the seal
	Bridges   [][]byte      // C2SP tlog-proofs, ascending by leaf index
}

// FileHistory is one complete history in a proof file.
type FileHistory struct {
	Subject    string
	Entries    []FileEntry
	IndexProof []byte // present, or absent when there are no entries
}

// FileEntry is one record of a history: its note, or its leaf hash alone
// where the holder withholds it.
type FileEntry struct {
	Index uint64
	Time  int64
	Note  []byte   // nil when withheld
	Hash  [32]byte // leaf hash
}

// Bytes writes the file in its one form.
func (f *File) Bytes() []byte {
	var histories []jcs.Value
	for _, h := range f.Histories {
		entries := jcs.Array()
		for _, e := range h.Entries {
			fields := []jcs.Field{{Name: "index", Value: jcs.Number(int64(e.Index))}, {Name: "time", Value: jcs.Number(e.Time)}}
			if e.Note != nil {
				fields = append(fields, jcs.Field{Name: "note", Value: jcs.Text(string(e.Note))})
			} else {
				fields = append(fields, jcs.Field{Name: "leaf_hash", Value: jcs.Text(hex.EncodeToString(e.Hash[:]))})
			}
			entries.List = append(entries.List, jcs.Make(fields...))
		}
		histories = append(histories, jcs.Make(
			jcs.Field{Name: "entries", Value: entries},
			jcs.Field{Name: "index_proof", Value: jcs.Text(base64.StdEncoding.EncodeToString(h.IndexProof))},
			jcs.Field{Name: "subject", Value: jcs.Text(h.Subject)}))
	}
	fields := []jcs.Field{
		{Name: "format", Value: jcs.Text(FileFormat)}, {Name: "histories", Value: jcs.Array(histories...)},
		{Name: "seal", Value: jcs.Text(string(f.Seal))}, {Name: "subject", Value: jcs.Text(f.Subject)},
		{Name: "tlog_proof", Value: jcs.Text(string(f.TLogProof))},
	}
	if len(f.Bridges) > 0 {
		bridges := jcs.Array()
		for _, b := range f.Bridges {
			bridges.List = append(bridges.List, jcs.Text(string(b)))
		}
		fields = append(fields, jcs.Field{Name: "bridges", Value: bridges})
	}
	return append(jcs.Make(fields...).Bytes(), '\n')
}

// ParseFile reads a proof file strictly: form and caps, no proof.
func ParseFile(data []byte) (*File, error) {
	if len(data) > MaxFile {
		return nil, fault.New("too_large", "", fmt.Sprintf("a proof file has at most %d bytes, this one has more", MaxFile))
	}
	body, ok := bytes.CutSuffix(data, []byte("\n"))
	if !ok {
		return nil, badFile("", "it does not end in a newline").WithHint("the file may be truncated: get it again")
	}
	v, err := jcs.Parse(body, jcs.Limits{Bytes: MaxFile, Depth: 5, Values: maxFileValues, Newlines: true})
	if err != nil {
		return nil, badFile("", "it is not canonical JSON").Because(err).WithHint("the file may be truncated or changed: get it again")
	}
	if got := v.Get("format").Str; got != FileFormat {
		return nil, badFile("format", fmt.Sprintf("%+q is not %s", clip(got), FileFormat))
	}
	f := &File{Subject: v.Get("subject").Str, Seal: []byte(v.Get("seal").Str), TLogProof: []byte(v.Get("tlog_proof").Str)}
	for i, b := range v.Get("bridges").List {
		if i >= MaxBridges {
			return nil, badFile("bridges", fmt.Sprintf("at most %d are allowed", MaxBridges))
		}
		f.Bridges = append(f.Bridges, []byte(b.Str))
	}
	entries := 0
	histories := v.Get("histories").List
	if len(histories) > MaxHistories {
		return nil, badFile("histories", fmt.Sprintf("at most %d are allowed", MaxHistories))
	}
	for i, h := range histories {
		at := fmt.Sprintf("histories[%d]", i)
		fh := FileHistory{Subject: h.Get("subject").Str}
		if i > 0 && f.Histories[i-1].Subject >= fh.Subject {
			return nil, badFile(at, "histories are sorted by subject, each once")
		}
		if fh.IndexProof, err = strictBase64(h.Get("index_proof").Str); err != nil {
			return nil, badFile(at+".index_proof", err.Error())
		}
		if entries += len(h.Get("entries").List); entries > MaxEntries {
			return nil, badFile("histories", fmt.Sprintf("at most %d entries are allowed", MaxEntries))
		}
		for j, e := range h.Get("entries").List {
			fe, err := parseEntry(e, fmt.Sprintf("%s.entries[%d]", at, j))
			if err != nil {
				return nil, err
			}
			fh.Entries = append(fh.Entries, fe)
		}
		f.Histories = append(f.Histories, fh)
	}
	// What was read is written out again: unknown, missing or mistyped fields
	// would make a difference.
	if !bytes.Equal(f.Bytes(), data) {
		return nil, badFile("", "it has a field that does not belong there, or lacks one")
	}
	return f, nil
}

func parseEntry(v jcs.Value, at string) (FileEntry, error) {
	index, time := v.Get("index"), v.Get("time")
	if index.Int < 0 || time.Int < 0 {
		return FileEntry{}, badFile(at, "index and time are not negative")
	}
	e := FileEntry{Index: uint64(index.Int), Time: time.Int}
	note, hash := v.Get("note"), v.Get("leaf_hash")
	if (note.Kind != 0) == (hash.Kind != 0) {
		return e, badFile(at, "an entry has a note or a leaf hash, exactly one of them")
	}
	if note.Kind != 0 {
		if len(note.Str) > record.MaxBytes {
			return e, badFile(at, "the note is longer than a record may be")
		}
		e.Note = []byte(note.Str)
		e.Hash = LeafHash(e.Note)
		return e, nil
	}
	raw, err := hex.DecodeString(hash.Str)
	if err != nil || len(raw) != 32 {
		return e, badFile(at+".leaf_hash", "it is not a hash of 64 lower-case hexadecimal digits")
	}
	e.Hash = [32]byte(raw)
	return e, nil
}

func badFile(where, what string) *fault.Error {
	return fault.New("proof_form", where, "not a proof file: "+what)
}

func strictBase64(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != s {
		return nil, fault.New("base64", "", "it is not base64 with padding and without loose bits")
	}
	return raw, nil
}

// History returns the file's history of a subject, or nil.
func (f *File) History(subject string) *FileHistory {
	i := sort.Search(len(f.Histories), func(i int) bool { return f.Histories[i].Subject >= subject })
	if i < len(f.Histories) && f.Histories[i].Subject == subject {
		return &f.Histories[i]
	}
	return nil
}

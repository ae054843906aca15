package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render/page"
)

// streamed is what is learned of a file by reading it once from end to end:
// it may be larger than the memory.
type streamed struct {
	size   int64
	sha256 [32]byte
	head   []byte // its first 512 bytes
	more   []string
}

// stream reads a file into SHA-256 and other hashes at once.
func stream(path string, more ...hash.Hash) (*streamed, error) {
	unreadable := func(err error) error {
		return fault.New("file", path, "it cannot be read").Because(errors.Unwrap(err))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	s, sum := &streamed{}, sha256.New()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, unreadable(err)
	}
	s.head = head[:n]
	into := []io.Writer{sum}
	for _, h := range more {
		into = append(into, h)
	}
	in := io.MultiReader(bytes.NewReader(s.head), io.LimitReader(f, record.MaxAttachmentBytes+1))
	if s.size, err = io.Copy(io.MultiWriter(into...), in); err != nil {
		return nil, unreadable(err)
	}
	if s.size > record.MaxAttachmentBytes {
		return nil, fault.New("too_large", path, fmt.Sprintf("an attachment has at most %d bytes", int64(record.MaxAttachmentBytes)))
	}
	sum.Sum(s.sha256[:0])
	for _, h := range more {
		s.more = append(s.more, record.FormatDigest(h.Sum(nil)))
	}
	return s, nil
}

// mediaType tells from its first bytes what a file holds.
func (s *streamed) mediaType() string { return http.DetectContentType(s.head) }

// bundle is what attachments and openings are held against: one record, or
// those that a proof file shows.
type bundle struct {
	records  []*record.Record
	withheld int
	checked  bool // the proof file was verified against a policy
	isProof  bool
}

// readBundle reads a record, a draft or a proof file. With a policy a proof
// file is verified first.
func readBundle(c *cli.Context, path string) (*bundle, error) {
	data, err := readCapped(path, verify.MaxFile)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte(record.Header+"\n")) {
		r, err := record.Open(data)
		if draft, derr := record.OpenDraft(string(data)); derr == nil {
			r, err = draft, nil
		}
		if err != nil {
			return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
		}
		return &bundle{records: []*record.Record{r}}, nil
	}
	f, err := verify.ParseFile(data)
	if err != nil {
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint("neither a record nor a whole proof file; " + fault.Hint(err))
	}
	b, err := bundleOf(f)
	if err != nil || c.String("policy") == "" {
		return b, err
	}
	p, err := loadPolicy(c)
	if err != nil {
		return nil, err
	}
	rep := verify.Verify(data, verify.Options{Policy: p, Now: clock(), AllowWithheld: true})
	if !rep.Verified {
		return nil, refusal{fault.New(fault.Code(rep.Failure), path, "the proof file does not verify").Because(rep.Failure)}
	}
	b.checked = true
	return b, nil
}

// bundleOf lists the records that a proof file shows, each once.
func bundleOf(f *verify.File) (*bundle, error) {
	b, seen := &bundle{isProof: true}, map[[32]byte]bool{}
	for _, h := range f.Histories {
		for i, e := range h.Entries {
			switch {
			case seen[e.Hash]:
			case e.Note == nil:
				b.withheld++
			default:
				r, err := record.Open(e.Note)
				if err != nil {
					return nil, refusal{fault.New("record", fmt.Sprintf("%s, entry %d", h.Subject, i), "the record is malformed").Because(err)}
				}
				b.records = append(b.records, r)
			}
			seen[e.Hash] = true
		}
	}
	return b, nil
}

// openingsFor gathers the openings that are handed in, and those that lie
// beside the files.
func openingsFor(c *cli.Context, files []string) (openings []record.Opening, err error) {
	for _, path := range c.StringSlice("key") {
		more, err := readOpenings(path)
		if err != nil {
			return nil, err
		}
		openings = append(openings, more...)
	}
	for _, path := range files {
		more, err := readOpenings(path + openingSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		openings = append(openings, more...)
	}
	return openings, nil
}

// present finds out which attachments of the records each file is. Only an
// opening of the right record can tell for one that is salted.
func (b *bundle) present(files []string, openings []record.Opening) (*page.Presented, error) {
	keys := map[record.Opening]bool{}
	byCommitment := map[string][]record.Opening{}
	for _, o := range openings {
		if o.Field == record.AttachmentField && !keys[o] {
			keys[o], byCommitment[o.Record+o.Commitment] = true, append(byCommitment[o.Record+o.Commitment], o)
		}
	}
	out, slots, shown := &page.Presented{}, b.slots(), map[page.Slot]bool{}
	for _, path := range files {
		var hashes []hash.Hash
		var salted []page.Slot // that of each hash
		for _, p := range slots {
			for _, o := range byCommitment[p.Record.ID+p.Digest] {
				hashes, salted = append(hashes, o.Key.Hash(o.Record, o.Field)), append(salted, p)
			}
		}
		s, err := stream(path, hashes...)
		if err != nil {
			return nil, err
		}
		f, fits := page.File{Name: filepath.Base(path), Bytes: s.size, SHA256: s.sha256}, map[page.Slot]bool{}
		for i, p := range salted {
			fits[p] = fits[p] || s.more[i] == p.Digest
		}
		for _, p := range slots {
			switch {
			case p.Bytes != s.size:
			case fits[p], !p.Salted && p.Digest == record.FormatDigest(s.sha256[:]):
				shown[p] = true
				f.Of = append(f.Of, p)
			case p.Salted:
				f.Closed++
			}
		}
		out.Files = append(out.Files, f)
	}
	for _, p := range slots {
		if !shown[p] {
			out.Missing = append(out.Missing, p)
		}
	}
	return out, nil
}

// slots lists the attachments of all records.
func (b *bundle) slots() (slots []page.Slot) {
	for _, r := range b.records {
		for i, a := range r.Attachments() {
			slots = append(slots, page.Slot{Attachment: a, Record: r, Number: i + 1})
		}
	}
	return slots
}

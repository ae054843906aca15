package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/render/page"
)

// openingFlag names the files that open salted attachments.
var openingFlag = &cli.StringSliceFlag{Name: "key", Usage: "a `FILE` of openings, beside those that lie next to the attachments; may be given again"}

func attachCommand() *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "tie photos, invoices and other files to a record",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "add attachments to a draft, before it is signed", ArgsUsage: "DRAFT FILE...",
				Description: "The record gets the SHA-256 of the file; the file itself stays with you. With --salt it gets a\n" +
					"commitment instead, from which nobody can tell which file it is who lacks its opening: that is\n" +
					"kept in FILE.opening. Keep it as well as the file, and hand both over together.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "kind", Usage: "`WHAT` the files are: photo, invoice, claim, decision ..."},
					&cli.StringFlag{Name: "media-type", Usage: "`TYPE` of the files, such as image/jpeg; told from their first bytes if not given"},
					&cli.BoolFlag{Name: "salt", Usage: "hide the digest: nobody can tell the file from the record without its opening"},
					&cli.StringFlag{Name: "opening", Usage: "keep the openings in `FILE` instead of beside the attachments"},
					&cli.StringFlag{Name: "o", Usage: "write the draft to `FILE` instead of changing it in its place; - is standard output"},
				},
				Action: attachAdd,
			},
			{
				Name: "check", Usage: "find out which record each file belongs to, offline", ArgsUsage: "RECORD|FILE.mileproof FILE...",
				Description: "A record shows nothing but that its author named this file. Give --policy to have a proof file\n" +
					"verified first. Exit status: 0 every file belongs to a record, 1 one does not, 2 the check could not be run.",
				Flags: []cli.Flag{openingFlag, policyFlag, jsonFlag}, Action: attachCheck,
			},
		},
	}
}

func attachAdd(c *cli.Context) error {
	args, err := operands(c, 2, -1, "a draft, and one or more files")
	if err != nil {
		return err
	}
	if c.String("kind") == "" {
		return fault.New("usage", "--kind", "what are the files?").WithHint("add --kind photo, invoice, report, claim ...")
	}
	r, err := readDraft(args[0])
	if err != nil {
		return err
	}
	var as []record.Attachment
	openings := map[string][]record.Opening{} // by the file that keeps them
	for _, path := range args[1:] {
		a, o, err := attachmentOf(record.Attachment{Kind: c.String("kind"), MediaType: c.String("media-type"), Salted: c.Bool("salt")}, r.ID, path)
		if err != nil {
			return err
		}
		as = append(as, a)
		if o != nil {
			at := c.String("opening")
			if at == "" {
				at = path + openingSuffix
			}
			openings[at] = append(openings[at], *o)
		}
	}
	text, err := record.Attach(r.Text, as...)
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))
	}
	// The openings first: a draft without them could never be opened.
	for path, more := range openings {
		if err := addOpenings(path, more...); err != nil {
			return err
		}
	}
	words, err := writeDraft(c, args[0], text)
	if err != nil {
		return err
	}
	for i, a := range as {
		hidden := "SHA-256 " + a.Digest
		if a.Salted {
			hidden = "salted"
		}
		fmt.Fprintf(words, "%s: attached as %s, %s, %d bytes, %s\n", args[i+1], a.Kind, a.MediaType, a.Bytes, hidden)
	}
	for path := range openings {
		fmt.Fprintf(words, "%s: keep it with the file, and hand both over together\n", path)
	}
	return nil
}

// writeDraft writes a changed draft, in its place or where -o says, and
// returns where to tell about it.
func writeDraft(c *cli.Context, path, text string) (io.Writer, error) {
	if o := c.String("o"); o != "" {
		path = o
	}
	words := c.App.Writer
	if path == "-" {
		words = c.App.ErrWriter
	}
	return words, write(c, path, []byte(text))
}

// attachmentOf reads a file and says what the record of an id will hold of it,
// beside what is given, with the opening when it is salted.
func attachmentOf(a record.Attachment, id, path string) (record.Attachment, *record.Opening, error) {
	var key record.CommitmentKey
	var hidden []hash.Hash // of its commitment, if it gets one
	if a.Salted {
		var err error
		if key, err = record.NewCommitmentKey(rand.Reader); err != nil {
			return a, nil, err
		}
		hidden = append(hidden, key.Hash(id, record.AttachmentField))
	}
	s, err := stream(path, hidden...)
	if err != nil {
		return a, nil, err
	}
	if s.size == 0 {
		return a, nil, fault.New("file", path, "it is empty")
	}
	if a.MediaType == "" {
		a.MediaType = s.mediaType()
	}
	a.Bytes, a.Digest = s.size, record.FormatDigest(s.sha256[:])
	if !a.Salted {
		return a, nil, nil
	}
	a.Digest = s.more[0]
	return a, &record.Opening{Commitment: a.Digest, Field: record.AttachmentField, Key: key, Record: id}, nil
}

func attachCheck(c *cli.Context) error {
	args, err := operands(c, 2, -1, "a record or a proof file, and one or more files")
	if err != nil {
		return err
	}
	b, err := readBundle(c, args[0])
	if err != nil {
		return err
	}
	openings, err := openingsFor(c, args[1:])
	if err != nil {
		return err
	}
	found, err := b.present(args[1:], openings)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = attachJSON(c, b, found)
	} else {
		attachText(c.App.Writer, b, found)
	}
	for _, f := range found.Files {
		if err == nil && len(f.Of) == 0 {
			err = refusal{errShown}
		}
	}
	return err
}

func attachText(out io.Writer, b *bundle, found *page.Presented) {
	for _, f := range found.Files {
		for _, s := range f.Of {
			fmt.Fprintf(out, "%s: belongs to %s (attachment %d, %s)\n", f.Name, nameRecord(s.Record), s.Number, s.Kind)
		}
		if len(f.Of) > 0 {
			continue
		}
		fmt.Fprintf(out, "%s: BELONGS TO NO RECORD here; SHA-256 %x\n", f.Name, f.SHA256)
		if f.Closed > 0 {
			fmt.Fprintf(out, "  hint: %d salted attachments have its size; ask for the opening that goes with the file (%s%s)\n", f.Closed, f.Name, openingSuffix)
		}
	}
	for _, s := range found.Missing {
		fmt.Fprintf(out, "not presented: attachment %d (%s, %d bytes) of %s\n", s.Number, s.Kind, s.Bytes, nameRecord(s.Record))
	}
	b.caveats(out)
}

// caveats says what was not looked at.
func (b *bundle) caveats(out io.Writer) {
	if b.withheld > 0 {
		fmt.Fprintf(out, "Note: the contents of %d records are withheld; what belongs to them can't be told.\n", b.withheld)
	}
	switch {
	case b.checked:
		fmt.Fprintln(out, "The proof file verifies.")
	case b.isProof:
		fmt.Fprintln(out, "Note: the proof file itself was not checked; add --policy, or run `milepost verify`.")
	default:
		fmt.Fprintln(out, "Note: the record's signature, and that it is on the log, was not checked.")
	}
}

type attachedJSON struct {
	Record     string `json:"record"` // id
	LeafHash   string `json:"leaf_hash,omitempty"`
	Type       string `json:"type"`
	Author     string `json:"author"`
	Attachment int    `json:"attachment"`
	Kind       string `json:"kind"`
	Bytes      int64  `json:"bytes"`
	Salted     bool   `json:"salted"`
}

func slotJSON(slots []page.Slot) []attachedJSON {
	out := []attachedJSON{}
	for _, s := range slots {
		j := attachedJSON{Record: s.Record.ID, Type: s.Record.Type, Author: s.Record.Author, Attachment: s.Number, Kind: s.Kind, Bytes: s.Bytes, Salted: s.Salted}
		if s.Record.Note != nil {
			j.LeafHash = fmt.Sprintf("%x", s.Record.Hash)
		}
		out = append(out, j)
	}
	return out
}

func attachJSON(c *cli.Context, b *bundle, found *page.Presented) error {
	type file struct {
		File      string         `json:"file"`
		Bytes     int64          `json:"bytes"`
		SHA256    string         `json:"sha256"`
		BelongsTo []attachedJSON `json:"belongs_to"`
	}
	out := struct {
		Files        []file         `json:"files"`
		NotPresented []attachedJSON `json:"not_presented"`
		Withheld     int            `json:"withheld"`
		Verified     bool           `json:"proof_verified"`
	}{[]file{}, slotJSON(found.Missing), b.withheld, b.checked}
	for _, f := range found.Files {
		out.Files = append(out.Files, file{filepath.Base(f.Name), f.Bytes, fmt.Sprintf("%x", f.SHA256), slotJSON(f.Of)})
	}
	enc := json.NewEncoder(c.App.Writer)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

func personalCommand() *cli.Command {
	return &cli.Command{
		Name: "personal", Usage: "keep personal data out of a record, and prove it later",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "add commitments to personal data to a draft, before it is signed", ArgsUsage: "DRAFT FIELD[=VALUE]...",
				Description: "The value itself does not go into the record, which nobody could ever erase: only a commitment does,\n" +
					"which says nothing to who lacks its opening. The openings, with the values, are kept in DRAFT.opening:\n" +
					"that file can be erased, and then nobody can tell any more. A field that the type has in its body, such\n" +
					"as mark of plate.changed/1, is set there. A FIELD without =VALUE is asked for.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "opening", Usage: "keep the openings in `FILE`"},
					&cli.StringFlag{Name: "o", Usage: "write the draft to `FILE` instead of changing it in its place; - is standard output"},
				},
				Action: personalAdd,
			},
			{
				Name: "open", Usage: "show that values belong to the commitments of a record, offline", ArgsUsage: "RECORD|FILE.mileproof OPENINGS...",
				Description: "Give --policy to have a proof file verified first.\n" +
					"Exit status: 0 every value belongs to a record, 1 one does not, 2 the check could not be run.",
				Flags: []cli.Flag{policyFlag}, Action: personalOpen,
			},
		},
	}
}

func personalAdd(c *cli.Context) error {
	args, err := operands(c, 2, -1, "a draft, and one or more fields")
	if err != nil {
		return err
	}
	r, err := readDraft(args[0])
	if err != nil {
		return err
	}
	at := c.String("opening")
	if at == "" {
		if args[0] == "-" {
			return fault.New("usage", "--opening", "where are the openings to be kept?").WithHint("add --opening FILE")
		}
		at = args[0] + openingSuffix
	}
	var openings []record.Opening
	in := bufio.NewReader(c.App.Reader)
	for _, a := range args[1:] {
		field, value, given := strings.Cut(a, "=")
		if !given {
			if value, err = ask(c, in, field); err != nil {
				return err
			}
		}
		key, err := record.NewCommitmentKey(rand.Reader)
		if err != nil {
			return err
		}
		openings = append(openings, record.NewOpening(key, r.ID, field, value))
	}
	text, err := record.Commit(r.Text, openings...)
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))
	}
	// The openings first: a draft without them could never be opened.
	if err := addOpenings(at, openings...); err != nil {
		return err
	}
	words, err := writeDraft(c, args[0], text)
	if err != nil {
		return err
	}
	for _, o := range openings {
		fmt.Fprintf(words, "%s: the record commits to it\n", o.Field)
	}
	fmt.Fprintf(words, "%s: holds the values; keep it apart from the record, and erase it when they are to be erased\n", at)
	return nil
}

// ask reads one line, so that a value needs not stand in the shell's history.
func ask(c *cli.Context, in *bufio.Reader, field string) (string, error) {
	if isTerminal(c.App.Reader) {
		fmt.Fprintf(c.App.ErrWriter, "%s: ", field)
	}
	line, err := in.ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fault.New("usage", field, "a value is expected: FIELD=VALUE, or a line of input").Because(err)
	}
	return line, nil
}

func personalOpen(c *cli.Context) error {
	args, err := operands(c, 2, -1, "a record or a proof file, and one or more files of openings")
	if err != nil {
		return err
	}
	b, err := readBundle(c, args[0])
	if err != nil {
		return err
	}
	var openings []record.Opening
	for _, path := range args[1:] {
		more, err := readOpenings(path)
		if err != nil {
			return err
		}
		openings = append(openings, more...)
	}
	out, refused := c.App.Writer, false
	opened, asked := map[string]bool{}, map[string]bool{}
	for _, o := range openings {
		if o.Field == record.AttachmentField {
			fmt.Fprintf(out, "%s: the opening of a file; `milepost attach check` uses it\n", o.Field)
			continue
		}
		asked[o.Record] = true
		r, why := b.open(o)
		if why != "" {
			refused = true
			fmt.Fprintf(out, "%s = %s: DOES NOT BELONG: %s\n", o.Field, o.Value, why)
			continue
		}
		opened[o.Record+o.Commitment] = true
		fmt.Fprintf(out, "%s = %s: belongs to %s\n", o.Field, o.Value, nameRecord(r))
	}
	for _, r := range b.records {
		for _, p := range r.Commitments() {
			if asked[r.ID] && !opened[r.ID+p.Commitment] {
				fmt.Fprintf(out, "not opened: %s of %s\n", p.Field, nameRecord(r))
			}
		}
	}
	b.caveats(out)
	if refused {
		return refusal{errShown}
	}
	return nil
}

// open finds the record that an opening belongs to, or says why none does.
func (b *bundle) open(o record.Opening) (*record.Record, string) {
	var of *record.Record
	for _, r := range b.records {
		if r.ID != o.Record {
			continue
		}
		of = r
		for _, p := range r.Commitments() {
			if p != (record.Committed{Commitment: o.Commitment, Field: o.Field}) {
				continue
			}
			if !o.Fits() {
				return nil, "the record commits to another value"
			}
			return r, ""
		}
	}
	if of == nil {
		return nil, "the record " + o.Record + " is not here"
	}
	return nil, "the record has no such commitment"
}

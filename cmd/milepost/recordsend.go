package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// attached reads the files of --attach for the record of an id.
func attached(c *cli.Context, id string) (as []record.Attachment, err error) {
	for _, g := range c.StringSlice("attach") {
		kind, path, ok := strings.Cut(g, "=")
		if !ok || kind == "" || path == "" {
			return nil, fault.New("usage", "--attach", "an attachment is given as KIND=FILE").WithHint("for example --attach invoice=scan.pdf")
		}
		a, _, err := attachmentOf(record.Attachment{Kind: kind}, id, path)
		if err != nil {
			return nil, err
		}
		as = append(as, a)
	}
	return as, nil
}

// attachTo adds attachments to the text of a draft.
func attachTo(text string, as []record.Attachment) (string, error) {
	if len(as) == 0 {
		return text, nil
	}
	text, err := record.Attach(text, as...)
	if err != nil {
		return "", fault.New(fault.Code(err), "--attach", err.Error()).WithHint(fault.Hint(err))
	}
	return text, nil
}

// sending is what a record that is being made will be signed and sent with.
type sending struct {
	signer  certs.Signer
	session *session // nil with --queue
}

// readyToSend reads the key and finds a node.
func readyToSend(c *cli.Context, cl *node.Cluster, author string) (*sending, error) {
	if c.String("o") == "-" {
		return nil, fault.New("usage", "-o", "with --submit standard output tells what became of the record").WithHint("name a file to keep the signed record in")
	}
	s, err := signerOf(c, cl, author, c.String("actor"))
	if err != nil {
		return nil, err
	}
	out := &sending{signer: s}
	if c.Bool("queue") {
		return out, nil
	}
	out.session, err = dial(c, true)
	return out, err
}

// signerOf reads the record key of a member or, unless actor is "", of the
// person or device of it that the key is bound to. --key names another file.
func signerOf(c *cli.Context, cl *node.Cluster, author, actor string) (certs.Signer, error) {
	holder, how := author, "name the record key with --key FILE"
	if actor != "" {
		holder, how = author+"/"+actor, "name the key of "+actor+" with --key FILE; `milepost key add --actor "+actor+"` makes and registers one"
	}
	s, err := signer(c, cl, holder)
	if err != nil {
		if hint := fault.Hint(err); hint != "" {
			how = hint
		}
		return nil, fault.New(fault.Code(err), "", err.Error()).WithHint(how)
	}
	return s, nil
}

// send signs and submits a record and says what became of it. The signed
// record is in the file of -o before it is sent and, if nobody knows what
// became of it, in one that is named by its id: the same bytes can be sent
// again, whatever happens in between. What was refused leaves no file.
func (out *sending) send(c *cli.Context, n *newDraft, text string, openings []record.Opening) error {
	note, err := record.Sign(text, out.signer)
	if err != nil {
		hint := fault.Hint(err)
		if n.def.Papers && len(c.StringSlice("attach")) == 0 {
			hint = "add --attach KIND=FILE"
		}
		return fault.New(fault.Code(err), "", err.Error()).WithHint(hint)
	}
	path, name := c.String("o"), n.def.Name
	opened, err := keepOpenings(c, openings)
	if err != nil {
		return err
	}
	if path != "" {
		name = path
		if err := write(c, path, note); err != nil {
			return err
		}
	}
	notes, names := [][]byte{note}, []string{name}
	if out.session == nil {
		return queueRecords(c, notes, names)
	}
	warn(c, out.session.client, notes, names)
	ans, err := submit(c, out.session.client, notes)
	switch {
	case err == nil && ans.Records[0].Error != nil, notTaken[fault.Code(err)]:
		for _, made := range []string{path, opened} {
			if made != "" {
				os.Remove(made) // it says nothing that is on the log
			}
		}
	case err != nil:
		if path == "" {
			path = n.draft.ID + ".record"
			if werr := write(c, path, note); werr != nil {
				fmt.Fprintf(c.App.ErrWriter, "milepost: the signed record can't be kept: %v\n", werr)
				return err
			}
		}
		fmt.Fprintf(c.App.ErrWriter, "milepost: whether the record is on the log is not known; it is kept, signed, in %s\n"+
			"  send the same bytes again: milepost record submit %s --as %s\n", path, path, n.draft.Author)
	}
	if err != nil {
		return err
	}
	return printAnswers(c, ans, names)
}

// notTaken are the codes that a node answers with before it takes a record.
var notTaken = map[string]bool{"forbidden": true, "unauthenticated": true, "too_large": true}

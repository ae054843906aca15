package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify/render"
)

func recordCommand() *cli.Command {
	keyFlag := &cli.StringFlag{Name: "key", Usage: "the record key `FILE`, instead of the cluster directory's"}
	return &cli.Command{
		Name: "record", Usage: "make, sign, submit, import and show records",
		Subcommands: []*cli.Command{
			recordNewCommand(keyFlag),
			{
				Name: "sign", Usage: "sign a draft with the key of its author or, if it names one, of its actor", ArgsUsage: "DRAFT", Flags: []cli.Flag{configFlag, dirFlag, asFlag, keyFlag, outFlag},
				Action: signRecord,
			},
			{
				Name: "submit", Usage: "send signed records to a node and wait until they are acknowledged", ArgsUsage: "RECORD...",
				Description: "With --queue the records are on this disk first, in the member's outbox, and are then sent with all that waits\n" +
					"there. If the line is down they stay: `pending` is NOT acknowledged, though the exit status is 0.\n" +
					"`milepost outbox list` shows them, `milepost outbox flush` sends them.",
				Flags: clientFlags(jsonFlag, outboxFlag, queueFlag), Action: submitRecords,
			},
			recordCheckCommand(),
			importCommand(keyFlag),
			{
				Name: "show", Usage: "show a record: a file, or the leaf hash of one on the log", ArgsUsage: "FILE|HASH",
				Flags:  clientFlags(jsonFlag, &cli.BoolFlag{Name: "raw", Usage: "the record's bytes as they are"}, &cli.BoolFlag{Name: "receipt", Usage: "the receipt of a record on the log: a C2SP tlog-proof"}),
				Action: showRecord,
			},
			recordTypesCommand(), recordExampleCommand(), recordSchemaCommand(), recordDocsCommand(),
		},
	}
}

// originOf reads the origin from the founding file.
func originOf(cl *node.Cluster) (string, error) {
	f, err := node.ReadFounding(cl.FoundingPath())
	if err != nil {
		return "", err
	}
	return f.Origin, nil
}

func signRecord(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one draft")
	if err != nil {
		return err
	}
	draft, err := readDraft(args[0])
	if err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	s, err := signerOf(c, cl, draft.Author, draft.Actor)
	if err != nil {
		return err
	}
	note, err := record.Sign(draft.Text, s)
	if err != nil {
		return err
	}
	return write(c, c.String("o"), note)
}

func submitRecords(c *cli.Context) error {
	args, err := operands(c, 1, -1, "one or more record files")
	if err != nil {
		return err
	}
	notes, err := readNotes(args)
	if err != nil {
		return err
	}
	if c.Bool("queue") {
		return queueRecords(c, notes, args)
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	warn(c, s.client, notes, args)
	ans, err := submit(c, s.client, notes)
	if err != nil {
		return err
	}
	return printAnswers(c, ans, args)
}

// printAnswers says what became of each record that was sent; names are what
// a person knows them by. It is a refusal if one was refused.
func printAnswers(c *cli.Context, ans *node.SubmitAnswer, names []string) error {
	errs := make([]*node.ErrorBody, len(ans.Records))
	for i, r := range ans.Records {
		errs[i] = r.Error
	}
	return printEach(c, ans, names, errs, "refused", func(i int, name string) {
		r := ans.Records[i]
		word := map[string]string{"accepted": "acknowledged", "present": "already on the log"}[r.Status]
		fmt.Fprintf(c.App.Writer, "%s: %s, log index %d, leaf hash %s\n", name, word, *r.Index, r.LeafHash)
	})
}

// printEach prints a node's answer about several records: as JSON, or of each
// record why it is refused or, with good, what else there is to say. It is a
// refusal if one was refused.
func printEach(c *cli.Context, ans any, names []string, errs []*node.ErrorBody, refused string, good func(i int, name string)) error {
	asJSON := c.Bool("json")
	if asJSON {
		if err := json.NewEncoder(c.App.Writer).Encode(ans); err != nil {
			return err
		}
	}
	var status error
	for i, e := range errs {
		if e != nil {
			status = refusal{errShown}
		}
		switch {
		case asJSON:
		case e == nil:
			good(i, names[i])
		default:
			fmt.Fprintf(c.App.Writer, "%s: %s: %s [%s]\n", names[i], refused, e.Error, e.Code)
			if e.Hint != "" {
				fmt.Fprintf(c.App.Writer, "  hint: %s\n", e.Hint)
			}
		}
	}
	return status
}

// submit sends notes, again and again with the same bytes while the outcome
// is open: that is always safe. A refusal of a single record comes as an
// answer, not as an error.
func submit(c *cli.Context, client *node.Client, notes [][]byte) (ans *node.SubmitAnswer, err error) {
	err = again(c, func() error {
		ans, err = client.Submit(c.Context, notes...)
		return err
	})
	switch code := fault.Code(err); {
	case err == nil, len(notes) > 1:
		return ans, err
	case code == "internal", outages[code]:
		return nil, err
	default:
		return &node.SubmitAnswer{Records: []node.RecordAnswer{{Status: "refused", Error: &node.ErrorBody{
			Code: code, Error: err.Error(), Hint: fault.Hint(err)}}}}, nil
	}
}

// outages are the codes that say nothing of the record itself: what a node
// answers with a status of 5xx, and what it never came to.
var outages = map[string]bool{
	"no_leader": true, "overloaded": true, "rate_limited": true, "unknown": true, "behind": true, "no_head": true, "unreachable": true, "forbidden": true,
	"unauthenticated": true, "clock": true, "disk_full": true, "too_large": true, "stopping": true, "unexpected": true,
	"no_quorum": true, "no_usage_key": true, "damaged": true, "ledger_corrupt": true, "tree_corrupt": true, "backup_busy": true, "outbox_damaged": true,
	"node_unreachable": true, "node_behind": true, "not_transferred": true,
}

func showRecord(c *cli.Context) error {
	args, err := operands(c, 1, 1, "a file, or a leaf hash")
	if err != nil {
		return err
	}
	var note []byte
	if raw, err := hex.DecodeString(args[0]); err == nil && len(raw) == 32 {
		s, err := dial(c, true)
		if err != nil {
			return err
		}
		path := "/v1/records/" + args[0]
		if c.Bool("receipt") {
			path += "/receipt"
		}
		if note, err = s.client.Get(c.Context, path); err != nil {
			return err
		}
		if c.Bool("receipt") {
			return write(c, "-", note)
		}
	} else if note, err = readCapped(args[0], record.MaxBytes); err != nil {
		return err
	}
	r, err := record.Open(note)
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))
	}
	out := c.App.Writer
	if c.Bool("raw") {
		return write(c, "-", note)
	}
	if c.Bool("json") {
		_, err := fmt.Fprintln(out, string(r.Envelope.Bytes()))
		return err
	}
	what, mileage := render.Describe(r)
	fmt.Fprintf(out, "type       %s: %s\n", r.Type, what)
	if mileage != "" {
		fmt.Fprintf(out, "mileage    %s\n", mileage)
	}
	fmt.Fprintf(out, "belongs to %s\n", strings.Join(r.Subjects, ", "))
	fmt.Fprintf(out, "happened   %s (to the %s)\n", record.FormatTime(r.EventTime), r.Precision)
	fmt.Fprintf(out, "signed     %s by %s, key %08x; the signature is checked by a node, and by verify\n", record.FormatTime(r.Captured), r.Author, r.Sigs[0].ID)
	if r.Actor != "" {
		fmt.Fprintf(out, "actor      %s, whom the key is bound to\n", r.Actor)
	}
	for _, a := range r.Attachments() {
		how := "SHA-256"
		if a.Salted {
			how = "salted commitment"
		}
		fmt.Fprintf(out, "attached   %s: %d bytes, %s, %s %s\n", a.Kind, a.Bytes, a.MediaType, how, a.Digest)
	}
	fmt.Fprintf(out, "id         %s\nleaf hash  %x\nlog        %s\n", r.ID, r.Hash, r.Origin)
	fmt.Fprintf(out, "body       %s\n", r.Body.Bytes())
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/outbox"
)

var outboxFlag = &cli.StringFlag{Name: "outbox", EnvVars: []string{"MILEPOST_OUTBOX"},
	Usage: "the `DIR`ectory of the outbox, on a stick for instance (default: outbox/MEMBER below the cluster's directory)"}

func outboxCommand() *cli.Command {
	return &cli.Command{
		Name: "outbox", Usage: "look at and send the signed records that wait for a line",
		Description: "`milepost record submit --queue` puts signed records there. What is pending is on this machine only: it is NOT on the\n" +
			"log, and nobody else has it. The directory can be carried to another machine of the member: what is in it is\n" +
			"signed, and flushing needs no record key.",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list what is pending and what was refused", Flags: []cli.Flag{configFlag, dirFlag, asFlag, outboxFlag, jsonFlag,
					&cli.BoolFlag{Name: "all", Usage: "list what is acknowledged too"}},
				Action: listOutbox,
			},
			{
				Name: "flush", Usage: "send all that is pending, in order; what is refused is set aside with the reason",
				Description: "Can be broken off and run again at any time: the same bytes are sent, and the log takes them once.\n" +
					"Exit status: 0 all was acknowledged, 1 something was refused, 2 something is still pending, for the line is down.",
				Flags: clientFlags(outboxFlag, jsonFlag,
					&cli.BoolFlag{Name: "again", Usage: "send what was refused once more, when the reason has gone by"},
					&cli.BoolFlag{Name: "receipts", Usage: "keep the receipt of each record, 6 kB and more, beside it in DIR/sent"}),
				Action: flushOutbox,
			},
		},
	}
}

// outboxConfig says which outbox is that of --as.
func outboxConfig(c *cli.Context) (outbox.Config, *node.Cluster, error) {
	cl, err := loadCluster(c)
	if err != nil {
		return outbox.Config{}, nil, err
	}
	member := c.String("as")
	if member == "" {
		return outbox.Config{}, nil, fault.New("usage", "--as", "whose outbox?").WithHint("add --as NAME, or set MILEPOST_AS; members are " + strings.Join(memberNames(cl), ", "))
	}
	cfg, err := outboxOf(c, cl, member)
	return cfg, cl, err
}

// openOutbox opens the outbox of --as.
func openOutbox(c *cli.Context) (*outbox.Queue, error) {
	cfg, _, err := outboxConfig(c)
	if err != nil {
		return nil, err
	}
	q, err := outbox.Open(cfg)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New("file", cfg.Dir, "there is no outbox").WithHint("`milepost record submit --queue` begins one; --outbox DIR names another place")
	}
	return q, err
}

// outboxOf says which outbox is a member's.
func outboxOf(c *cli.Context, cl *node.Cluster, member string) (cfg outbox.Config, err error) {
	cfg = outbox.Config{Dir: c.String("outbox"), Member: member, Now: clock}
	if cfg.Dir == "" {
		cfg.Dir = cl.Path("outbox", strings.ReplaceAll(member, "/", "_"))
	}
	cfg.Origin, err = originOf(cl)
	return cfg, err
}

var queueFlag = &cli.BoolFlag{Name: "queue", Usage: "keep what is sent in the outbox until it is acknowledged, so that the line may be down"}

// queueRecords puts signed records into the outbox, sends all that is there if
// it can, and says what became of these; names are what a person knows them by.
func queueRecords(c *cli.Context, notes [][]byte, names []string) error {
	cfg, cl, err := outboxConfig(c)
	if err != nil {
		return err
	}
	for i, note := range notes {
		if err := checkOffline(cfg, cl, note); err != nil {
			return fault.New(fault.Code(err), names[i], err.Error()).WithHint(fault.Hint(err))
		}
	}
	q, err := outbox.Create(cfg)
	if err != nil {
		return err
	}
	hashes, err := q.Add(notes...)
	if err != nil {
		return err
	}
	_, down := flush(c, q, outbox.FlushOptions{})
	ans := struct {
		Records []outbox.Item `json:"records"`
	}{make([]outbox.Item, len(hashes))}
	errs := make([]*node.ErrorBody, len(hashes))
	for i, h := range hashes {
		if ans.Records[i], err = q.Find(h); err != nil {
			return err
		}
		errs[i] = ans.Records[i].Error
	}
	err = printEach(c, ans, names, errs, "refused", func(i int, name string) {
		switch it := ans.Records[i]; it.State {
		case outbox.Acknowledged:
			fmt.Fprintf(c.App.Writer, "%s: acknowledged, log index %d, leaf hash %s\n", name, *it.Index, it.LeafHash)
		default:
			fmt.Fprintf(c.App.Writer, "%s: pending, NOT acknowledged: on this machine only, leaf hash %s\n", name, it.LeafHash)
		}
	})
	if down == nil {
		return err
	}
	if waits[fault.Code(down)] && err == nil {
		fmt.Fprintf(c.App.ErrWriter, "milepost: it could not be sent now: %v\n  send it later: milepost outbox flush --as %s --outbox %s\n", down, c.String("as"), q.Dir())
		return nil
	}
	return errors.Join(down, err)
}

// waits are the codes that say: the line is down, or the log can't take
// anything now. That is what an outbox is for.
var waits = map[string]bool{
	"unreachable": true, "no_leader": true, "overloaded": true, "rate_limited": true, "unknown": true, "behind": true, "no_head": true, "no_quorum": true,
	"clock": true, "stopping": true, "outbox_busy": true,
}

// checkOffline checks of a record what can be checked without a node: that it
// is the member's for this log, when it happened, and its signature if the
// key file is here. The state of the log decides about the rest.
func checkOffline(cfg outbox.Config, cl *node.Cluster, note []byte) error {
	r, err := cfg.Check(note)
	if err != nil {
		return err
	}
	if err := node.CheckTimes(r, clock()); err != nil {
		return err
	}
	k, err := keyfile.ReadKeyFile(cl.KeyPath(r.Author, keyfile.UseRecord), nil)
	if err != nil {
		return nil // not here, or it has a passphrase: the node will check
	}
	text, err := k.Public()
	if err != nil {
		return nil
	}
	v, err := certs.ParseVKey(text)
	if err != nil {
		return nil
	}
	for _, s := range r.Sigs {
		if s.Name == v.Name() && s.ID == v.ID() && !v.Verify([]byte(r.Text), s.Bytes) {
			return fault.New("signature", "", "the signature does not fit the record").WithHint("the record was changed after it was signed: sign it anew")
		}
	}
	return nil
}

// patient is a log whose node may have no answer for a moment.
type patient struct {
	c *cli.Context
	*node.Client
}

func (p patient) SubmitEach(ctx context.Context, notes ...[]byte) (ans *node.SubmitAnswer, err error) {
	err = again(p.c, func() error {
		ans, err = p.Client.SubmitEach(ctx, notes...)
		return err
	})
	return ans, err
}

// flush sends what is in an outbox.
func flush(c *cli.Context, q *outbox.Queue, opt outbox.FlushOptions) (outbox.Flushed, error) {
	s, err := dial(c, true)
	if err != nil {
		return outbox.Flushed{}, err
	}
	return q.Flush(c.Context, patient{c, s.client}, opt)
}

func flushOutbox(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	q, err := openOutbox(c)
	if err != nil {
		return err
	}
	done, down := flush(c, q, outbox.FlushOptions{Again: c.Bool("again"), Receipts: c.Bool("receipts")})
	pending, err := q.Pending()
	if err != nil {
		return errors.Join(down, err)
	}
	out := c.App.Writer
	if c.Bool("json") {
		err = json.NewEncoder(out).Encode(struct {
			Acknowledged int           `json:"acknowledged"`
			Present      int           `json:"present"`
			Refused      []outbox.Item `json:"refused"`
			Pending      []outbox.Item `json:"pending"`
		}{done.Accepted, done.Present, append([]outbox.Item{}, done.Refused...), pending})
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%d acknowledged now, %d already on the log, %d refused, %d still pending\n", done.Accepted, done.Present, len(done.Refused), len(pending))
		for _, it := range done.Refused {
			printRefused(c, it)
		}
	}
	switch {
	case down != nil && len(pending) > 0:
		return fault.New(fault.Code(down), "", fmt.Sprintf("pending, NOT acknowledged: %d. %v", len(pending), down)).
			WithHint("nothing is lost: run it again when the line is up")
	case down != nil:
		return down
	case len(done.Refused) > 0:
		return refusal{errShown}
	}
	return nil
}

func printRefused(c *cli.Context, it outbox.Item) {
	fmt.Fprintf(c.App.Writer, "%s  %s\n", outboxLine(it, clock()), it.LeafHash)
	fmt.Fprintf(c.App.Writer, "  refused: %s [%s]\n", it.Error.Error, it.Error.Code)
	if it.Error.Hint != "" {
		fmt.Fprintf(c.App.Writer, "  hint: %s\n", it.Error.Hint)
	}
}

// outboxLine is one record as a person reads it.
func outboxLine(it outbox.Item, now time.Time) string {
	what := it.Type + "  " + strings.Join(it.Subjects, ", ")
	if it.Type == "" {
		what = "a record that cannot be read"
	}
	return fmt.Sprintf("%-12s  queued %s  happened %s  %s", it.State, age(now.Sub(it.Queued)), it.EventTime, what)
}

// age is how long ago something was, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

func listOutbox(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	q, err := openOutbox(c)
	if err != nil {
		return err
	}
	pending, err := q.Pending()
	if err != nil {
		return err
	}
	refused, err := q.Refused()
	if err != nil {
		return err
	}
	sent, err := q.Acknowledged()
	if err != nil {
		return err
	}
	var done []outbox.Item
	if c.Bool("all") {
		if done, err = q.Sent(); err != nil {
			return err
		}
	}
	out := c.App.Writer
	if c.Bool("json") {
		items := append(append(append([]outbox.Item{}, pending...), refused...), done...)
		return json.NewEncoder(out).Encode(struct {
			Dir          string        `json:"dir"`
			Pending      int           `json:"pending"`
			Refused      int           `json:"refused"`
			Acknowledged int           `json:"acknowledged"`
			Records      []outbox.Item `json:"records"`
		}{q.Dir(), len(pending), len(refused), sent, items})
	}
	fmt.Fprintf(out, "Outbox of %s: %d pending, %d refused, %d acknowledged\n", c.String("as"), len(pending), len(refused), sent)
	if len(pending) > 0 {
		fmt.Fprintln(out, "Pending is NOT acknowledged: it is on this machine only. `milepost outbox flush` sends it.")
	}
	for _, it := range pending {
		fmt.Fprintf(out, "%s  %s\n", outboxLine(it, clock()), it.LeafHash)
	}
	for _, it := range refused {
		printRefused(c, it)
	}
	for _, it := range done {
		fmt.Fprintf(out, "%s  log index %d  %s\n", outboxLine(it, clock()), *it.Index, it.LeafHash)
	}
	return nil
}

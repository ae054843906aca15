package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

func recordNewCommand(keyFlag cli.Flag) *cli.Command {
	return &cli.Command{
		Name: "new", Usage: "write a draft of a record, unsigned, or with --submit sign and send it too", ArgsUsage: "TYPE [FIELD=VALUE...]",
		Description: "For example: milepost record new odometer.reading/1 --as dealer.example/lyon --vehicle VIN\n" +
			"  value=84210 unit=KMT precision=exact purpose=service_in result=read source=visual\n" +
			"A list of plain texts is given as a,b,c, and what is no plain text as JSON:\n" +
			"  lines='[{\"pay\":\"customer\",\"work_type\":\"oil\"}]'\n" +
			"At a terminal, what is missing or wrong is asked for. `milepost record types TYPE` tells the fields of a type,\n" +
			"`milepost record example TYPE` prints a body to begin from.\n" +
			"In a case, --case fills in case and prev from a node's answer (`milepost case list VIN` shows the cases), and the\n" +
			"note of a record.reattributed:\n" +
			"  milepost record new dispute.answered --vehicle VIN --case 3fa91c2b position=denies --attach answer=letter.pdf --submit\n" +
			"A hash of an earlier record of the vehicle may be given as its first 8 digits or more.\n" +
			"With --submit nothing is left behind of a record that is refused. If the outcome stays unknown, the signed\n" +
			"record is kept, in the file of -o or in ID.record: `milepost record submit` sends the same bytes again. With --queue too the line\n" +
			"may be down: the record waits in the outbox (`milepost outbox --help`).",
		Flags: clientFlags(
			outFlag, keyFlag, queueFlag, outboxFlag,
			&cli.StringFlag{Name: "vehicle", Usage: "the `VIN`"},
			&cli.StringFlag{Name: "vehicles", Usage: "make the same record for each vehicle in `FILE`, a VIN a line, signed, in the directory of -o; --submit sends all in one submission"},
			&cli.StringFlag{Name: "campaign", Usage: "the `NUMBER` of the recall that it is about, where --case does not tell it"},
			&cli.StringFlag{Name: "actor", Usage: "the `ACTOR` that the signing key is bound to, if it is bound to one"},
			&cli.StringFlag{Name: "case", Usage: "the `ID` of the case of this vehicle that it belongs to, or its first 8 digits or more"},
			&cli.BoolFlag{Name: "submit", Usage: "sign it, send it to a node and wait until it is acknowledged; with -o the signed record is kept"},
			&cli.StringSliceFlag{Name: "attach", Usage: "attach a file, as `KIND=FILE`, such as invoice=scan.pdf; may be given again"},
			&cli.BoolFlag{Name: "json", Usage: "with --submit: print the node's answer as JSON"},
			&cli.StringFlag{Name: "time", Usage: "when it happened: a `TIME` with offset such as 2026-05-04T10:12:00+02:00, or a date; now if not given"},
			&cli.StringFlag{Name: "body", Usage: "the whole body as JSON from `FILE`"},
			&cli.StringSliceFlag{Name: "ref", Usage: "the leaf `HASH` of another record that it relies on; may be given again"},
			&cli.StringSliceFlag{Name: "subject", Usage: "a `HISTORY` that it belongs to, such as workshop/VIN, where the type leaves a choice; may be given again"},
			&cli.StringSliceFlag{Name: "personal", Usage: "personal data as `FIELD=VALUE`: the record gets a commitment to it; may be given again"},
			&cli.StringFlag{Name: "opening", Usage: "with --personal: keep the values and the keys of the commitments in `FILE`; that of -o with .opening if not given"},
		),
		Action: newRecord,
	}
}

// newDraft is a record in the making.
type newDraft struct {
	def      *record.Type
	draft    record.Draft
	vehicle  string   // subject vehicle/..., "" if none was named
	campaign string   // subject campaign/..., likewise
	subjects []string // as given
}

func newRecord(c *cli.Context) error {
	args, err := operands(c, 1, -1, "a type and its fields")
	if err != nil {
		return err
	}
	def, err := record.NamedType(args[0])
	if err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	ask := terminal(c)
	author, err := ask.flag(c.String("as"), "--as", "which member makes the record? Members are "+strings.Join(memberNames(cl), ", "))
	if err != nil {
		return err
	}
	if err := c.Set("as", author); err != nil {
		return err
	}
	n := &newDraft{def: def, subjects: c.StringSlice("subject")}
	if id := c.String("campaign"); id != "" {
		n.campaign = record.CampaignSubject(id)
	}
	// Before anybody is asked for the fields: with what it needs to be sent.
	var out *sending
	if c.Bool("queue") && !c.Bool("submit") {
		return fault.New("usage", "--queue", "a draft can't be sent").WithHint("add --submit")
	}
	if c.Bool("submit") {
		if out, err = readyToSend(c, cl, author); err != nil {
			return err
		}
	}
	if n.draft, err = emptyDraft(c, cl, def, author); err != nil {
		return err
	}
	files, err := attached(c, n.draft.ID)
	if err != nil {
		return err
	}
	if n.draft.Body, err = bodyOf(c); err != nil {
		return err
	}
	if n.draft.Body, err = fields(def, n.draft.Body, args[1:]); err != nil {
		return err
	}
	if c.String("vehicles") != "" {
		var signer certs.Signer
		if out != nil {
			signer = out.signer
		} else if signer, err = signerOf(c, cl, author, c.String("actor")); err != nil {
			return err
		}
		return n.many(c, signer, out)
	}
	refs := slices.Clone(c.StringSlice("ref"))
	if c.String("case") != "" || n.shortened(refs) {
		if err := n.lookUp(c, ask, refs); err != nil {
			return err
		}
	}
	if len(refs) > 0 {
		n.draft.More = append(n.draft.More, jcs.Field{Name: "refs", Value: jcs.Texts(refs)})
	}
	openings, err := n.commit(c.StringSlice("personal"))
	if err != nil {
		return err
	}
	if n.vehicle == "" && n.needsVehicle() {
		if err := n.askVehicle(c, ask); err != nil {
			return err
		}
	}
	text, err := n.complete(ask)
	if err != nil {
		return err
	}
	if text, err = record.Commit(text, openings...); err != nil {
		return err
	}
	if text, err = attachTo(text, files); err != nil {
		return err
	}
	if out != nil {
		return out.send(c, n, text, openings)
	}
	if _, err := keepOpenings(c, openings); err != nil {
		return err
	}
	return write(c, c.String("o"), []byte(text))
}

func (n *newDraft) askVehicle(c *cli.Context, ask *asker) error {
	vin, err := ask.flag(c.String("vehicle"), "--vehicle", "which vehicle? Its VIN, or short/NUMBER of an old-timer")
	if err != nil {
		return err
	}
	if n.vehicle, err = record.ParseVehicle(vin); err != nil {
		return fault.New(fault.Code(err), "--vehicle", err.Error()).WithHint(fault.Hint(err))
	}
	return nil
}

// emptyDraft is a draft without a body, from the flags and the founding file.
func emptyDraft(c *cli.Context, cl *node.Cluster, def *record.Type, author string) (d record.Draft, err error) {
	now := clock()
	d = record.Draft{Author: author, Actor: c.String("actor"), Captured: record.FormatUTC(now), Type: def.Name}
	if d.Origin, err = originOf(cl); err != nil {
		return d, err
	}
	if d.EventTime, d.Precision, err = eventTime(c.String("time"), now, cl, author); err != nil {
		return d, err
	}
	d.ID, err = record.NewUUIDv7(now, rand.Reader)
	return d, err
}

// bodyOf reads the body of --body; without it it is empty.
func bodyOf(c *cli.Context) (jcs.Value, error) {
	path := c.String("body")
	if path == "" {
		return jcs.Make(), nil
	}
	data, err := readCapped(path, record.MaxBytes)
	if err != nil {
		return jcs.Value{}, err
	}
	body, err := jcs.Read(data)
	if err == nil && body.Kind != jcs.Object {
		err = errors.New("the body is an object")
	}
	if err != nil {
		return jcs.Value{}, fault.New("json_form", path, err.Error())
	}
	return body, nil
}

// commit makes commitments to personal data, each given as FIELD=VALUE. Those
// that are fields of the body go there now, the others into the text.
func (n *newDraft) commit(given []string) (openings []record.Opening, err error) {
	for _, g := range given {
		name, value, ok := strings.Cut(g, "=")
		if !ok || value == "" {
			return nil, fault.New("usage", "--personal", "personal data is given as FIELD=VALUE")
		}
		key, err := record.NewCommitmentKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		o := record.NewOpening(key, n.draft.ID, name, value)
		openings = append(openings, o)
		if n.def.Field(name) != nil {
			n.draft.Body = n.draft.Body.With(name, jcs.Text(o.Commitment))
		}
	}
	return openings, nil
}

// keepOpenings writes what opens the commitments, before the draft that has
// them: without it nobody could ever open them. made is the file that was not
// there before, "" if none.
func keepOpenings(c *cli.Context, openings []record.Opening) (made string, err error) {
	at := c.String("opening")
	switch {
	case len(openings) == 0:
		return "", nil
	case at == "" && (c.String("o") == "" || c.String("o") == "-"):
		return "", fault.New("usage", "--opening", "where are the openings to be kept?").WithHint("add --opening FILE, or write the record to a file with -o")
	case at == "":
		at = c.String("o") + openingSuffix
	}
	if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
		made = at
	}
	return made, addOpenings(at, openings...)
}

func (n *newDraft) needsVehicle() bool {
	if len(n.subjects) > 0 {
		return false
	}
	_, err := n.def.SubjectsOf(n.draft.Body, n.draft.Author, "", n.campaign)
	return err != nil
}

// text writes the draft, or says what is wrong with it.
func (n *newDraft) text() (text string, err error) {
	n.draft.Subjects = n.subjects
	if len(n.subjects) == 0 {
		if n.draft.Subjects, err = n.def.SubjectsOf(n.draft.Body, n.draft.Author, n.vehicle, n.campaign); err != nil {
			return "", err
		}
	}
	return n.draft.Text()
}

// eventTime reads --time; a bare date is midnight in the member's zone.
func eventTime(s string, now time.Time, cl *node.Cluster, member string) (text, precision string, err error) {
	zone := zoneOf(cl, member)
	if s == "" {
		return record.FormatTime(now.In(zone)), "second", nil
	}
	if text, precision, err = record.When(s, zone); err != nil {
		return "", "", fault.New("usage", "--time", err.Error())
	}
	return text, precision, nil
}

// zoneOf is the zone of a member of the cluster file; UTC if it is not there.
func zoneOf(cl *node.Cluster, member string) *time.Location {
	for _, m := range cl.Members {
		if m.Name == member {
			if z, err := time.LoadLocation(m.Zone); err == nil {
				return z
			}
		}
	}
	return time.UTC
}

// hinted adds to an error that names a field what the field takes.
func (n *newDraft) hinted(err error) error {
	p := locate(n.def, where(err))
	if p == nil || fault.Hint(err) != "" {
		return err
	}
	var e *fault.Error
	errors.As(err, &e)
	return e.WithHint(fmt.Sprintf("%s: %s; it takes %s", p.name(), p.field.Means, p.field.Words()))
}

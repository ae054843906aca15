package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify/render"
)

func recordCommand() *cli.Command {
	keyFlag := &cli.StringFlag{Name: "key", Usage: "the record key `FILE`, instead of the cluster directory's"}
	return &cli.Command{
		Name: "record", Usage: "make, sign, submit, import and show records",
		Subcommands: []*cli.Command{
			{
				Name: "new", Usage: "write a draft of a record, unsigned", ArgsUsage: "TYPE [FIELD=VALUE...]",
				Description: "For example: milepost record new odometer.reading/1 --as dealer.example/lyon --vehicle VIN\n" +
					"  value=84210 unit=KMT precision=exact purpose=service_in result=read source=visual\n" +
					"A value that is no plain text is given as JSON: lines='[{\"pay\":\"customer\",\"work_type\":\"oil\"}]'.",
				Flags: []cli.Flag{
					configFlag, dirFlag, asFlag, outFlag,
					&cli.StringFlag{Name: "vehicle", Usage: "the `VIN`"},
					&cli.StringFlag{Name: "actor", Usage: "the `ACTOR` that the signing key is bound to, if it is bound to one"},
					&cli.StringFlag{Name: "time", Usage: "when it happened: a `TIME` with offset such as 2026-05-04T10:12:00+02:00, or a date; now if not given"},
					&cli.StringFlag{Name: "body", Usage: "the whole body as JSON from `FILE`"},
				},
				Action: newRecord,
			},
			{
				Name: "sign", Usage: "sign a draft", ArgsUsage: "DRAFT", Flags: []cli.Flag{configFlag, dirFlag, asFlag, keyFlag, outFlag},
				Action: signRecord,
			},
			{
				Name: "submit", Usage: "send signed records to a node and wait until they are acknowledged", ArgsUsage: "RECORD...",
				Flags: clientFlags(jsonFlag), Action: submitRecords,
			},
			importCommand(keyFlag),
			{
				Name: "show", Usage: "show a record: a file, or the leaf hash of one on the log", ArgsUsage: "FILE|HASH",
				Flags:  clientFlags(jsonFlag, &cli.BoolFlag{Name: "raw", Usage: "the record's bytes as they are"}, &cli.BoolFlag{Name: "receipt", Usage: "the receipt of a record on the log: a C2SP tlog-proof"}),
				Action: showRecord,
			},
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

func newRecord(c *cli.Context) error {
	args, err := operands(c, 1, -1, "a type and its fields")
	if err != nil {
		return err
	}
	def := record.Lookup(args[0])
	if def == nil {
		return record.ErrUnknownType(args[0])
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	origin, err := originOf(cl)
	if err != nil {
		return err
	}
	if c.String("as") == "" {
		return fault.New("usage", "--as", "who makes the record?").WithHint("add --as NAME; members are " + strings.Join(memberNames(cl), ", "))
	}
	body := jcs.Make()
	if path := c.String("body"); path != "" {
		data, err := readCapped(path, record.MaxBytes)
		if err != nil {
			return err
		}
		if body, err = jcs.Read(data); err != nil {
			return fault.New("json_form", path, err.Error())
		}
	}
	for _, a := range args[1:] {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			return fault.New("usage", a, "a field is given as NAME=VALUE")
		}
		v, err := def.Value(name, text)
		if err != nil {
			return err
		}
		body = body.With(name, v)
	}
	now := time.Now()
	d := record.Draft{Author: c.String("as"), Body: body, Captured: record.FormatUTC(now), Origin: origin, Type: def.Name}
	if d.EventTime, d.Precision, err = eventTime(c.String("time"), now, cl, d.Author); err != nil {
		return err
	}
	if d.ID, err = record.NewUUIDv7(now, rand.Reader); err != nil {
		return err
	}
	d.Actor = c.String("actor")
	if d.Subjects, err = subjectsOf(def, body, c.String("vehicle")); err != nil {
		return err
	}
	text, err := d.Text()
	if err != nil {
		return err
	}
	return write(c, c.String("o"), []byte(text))
}

// subjectsOf names the histories that a record of this type belongs to.
func subjectsOf(def *record.Type, body jcs.Value, vin string) (subjects []string, err error) {
	for _, class := range def.Subjects {
		switch class {
		case record.Governance:
			subjects = append(subjects, class)
		case "member":
			subjects = append(subjects, record.MemberSubject(body.Get(def.Owner).Str))
		case "vehicle", "workshop", "access":
			if vin == "" {
				return nil, fault.New("usage", "--vehicle", "which vehicle?").WithHint("add --vehicle VIN")
			}
			s, err := record.ParseVehicle(vin)
			if err != nil {
				return nil, err
			}
			subjects = append(subjects, class+strings.TrimPrefix(s, "vehicle"))
		default:
			return nil, fault.New("usage", def.Name, "records of the class "+class+" can't be drafted here yet")
		}
	}
	return subjects, nil
}

// eventTime reads --time; a bare date is midnight in the member's zone.
func eventTime(s string, now time.Time, cl *node.Cluster, member string) (text, precision string, err error) {
	zone := time.UTC
	for _, m := range cl.Members {
		if m.Name == member {
			if z, err := time.LoadLocation(m.Zone); err == nil {
				zone = z
			}
		}
	}
	if s == "" {
		return record.FormatTime(now.In(zone)), "second", nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return record.FormatTime(t), "date", nil
	}
	t, err := record.ParseTime(s)
	if err != nil {
		return "", "", fault.New("usage", "--time", err.Error())
	}
	if t.Second() == 0 {
		return s, "minute", nil
	}
	return s, "second", nil
}

func signRecord(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one draft")
	if err != nil {
		return err
	}
	text, err := readCapped(args[0], record.MaxBytes)
	if err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	author, err := record.TextAuthor(string(text))
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error()).WithHint("a draft comes from `milepost record new`")
	}
	s, err := signer(c, cl, author)
	if err != nil {
		return err
	}
	note, err := record.Sign(string(text), s)
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
	var notes [][]byte
	for _, path := range args {
		note, err := readCapped(path, record.MaxBytes)
		if err != nil {
			return err
		}
		if _, err := record.Open(note); err != nil {
			return fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
		}
		notes = append(notes, note)
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	ans, err := submit(c, s.client, notes)
	if err != nil {
		return err
	}
	return printAnswers(c, ans, args)
}

// printAnswers says what became of each record that was sent; names are what
// a person knows them by. It is a refusal if one was refused.
func printAnswers(c *cli.Context, ans *node.SubmitAnswer, names []string) error {
	if c.Bool("json") {
		if err := json.NewEncoder(c.App.Writer).Encode(ans); err != nil {
			return err
		}
	}
	refused := false
	for i, r := range ans.Records {
		if r.Error != nil {
			refused = true
		}
		if c.Bool("json") {
			continue
		}
		if r.Error != nil {
			fmt.Fprintf(c.App.Writer, "%s: refused: %s [%s]\n", names[i], r.Error.Error, r.Error.Code)
			continue
		}
		word := map[string]string{"accepted": "acknowledged", "present": "already on the log"}[r.Status]
		fmt.Fprintf(c.App.Writer, "%s: %s, log index %d, leaf hash %s\n", names[i], word, *r.Index, r.LeafHash)
	}
	if refused {
		return refusal{errShown}
	}
	return nil
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

// outages are the codes that say nothing of the record itself.
var outages = map[string]bool{
	"no_leader": true, "overloaded": true, "unknown": true, "behind": true, "no_head": true, "unreachable": true, "forbidden": true,
	"unauthenticated": true, "clock": true, "disk_full": true, "too_large": true, "stopping": true, "unexpected": true,
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
	fmt.Fprintf(out, "id         %s\nleaf hash  %x\nlog        %s\n", r.ID, r.Hash, r.Origin)
	fmt.Fprintf(out, "body       %s\n", r.Body.Bytes())
	return nil
}

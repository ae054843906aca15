package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/importer"
)

// importBatch is how many rows are signed, kept and sent together.
const importBatch = 256

func importCommand(keyFlag cli.Flag) *cli.Command {
	var known []string
	for _, p := range importer.Presets() {
		known = append(known, "  "+p.Name+": "+p.About)
	}
	return &cli.Command{
		Name: "import", Usage: "sign and submit the odometer readings of a CSV file", ArgsUsage: "FILE",
		Description: "Can be stopped and run again: what was sent is not sent twice. Refused rows are listed, the rest goes in.\n" +
			"Files that are recognised by their header:\n" + strings.Join(known, "\n") + "\n" +
			"Others need --map, such as --map vehicle=car,event_time=date,value=odo,unit=mi",
		Flags: clientFlags(keyFlag,
			&cli.StringSliceFlag{Name: "vehicle", Usage: "`LABEL=VIN` for each vehicle of the file, or VIN alone for a file of one vehicle"},
			&cli.StringFlag{Name: "zone", Usage: "the time `ZONE` of times without one, such as Europe/London"},
			&cli.StringFlag{Name: "map", Usage: "which column holds what"},
			&cli.StringSliceFlag{Name: "confirm", Usage: "a warning that you have seen: sentinel (0, 1 and 999999 were really shown)"},
			&cli.BoolFlag{Name: "warn", Usage: "ask the node about each reading beforehand, and print what it would look at"},
			&cli.StringFlag{Name: "journal", Usage: "the `FILE` that remembers what was signed (default: the CSV file's name and .journal)"},
		),
		Action: importFile,
	}
}

// importRun is one run of an import.
type importRun struct {
	c       *cli.Context
	s       *session
	signer  certs.Signer
	origin  string
	journal *importer.Journal
	reader  *importer.Reader
	bar     *progressbar.ProgressBar // nil when there is no terminal

	in, present, refused int
	lines                []int // of the batch under way
	notes                [][]byte
}

func importFile(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one CSV file")
	if err != nil {
		return err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return fault.New("file", args[0], "it cannot be read").Because(errors.Unwrap(err))
	}
	defer f.Close()
	r := &importRun{c: c}
	opt := importer.Options{Author: c.String("as"), Confirm: c.StringSlice("confirm")}
	if opt.Vehicles, err = importer.ParseVehicles(c.StringSlice("vehicle")); err != nil {
		return err
	}
	if z := c.String("zone"); z != "" {
		if opt.Zone, err = importer.ParseZone(z); err != nil {
			return err
		}
	}
	if m := c.String("map"); m != "" {
		if opt.Mapping, err = importer.ParseMapping(m); err != nil {
			return err
		}
	}
	if r.reader, err = importer.NewReader(f, opt); err != nil {
		return err
	}
	if r.s, err = dial(c, true); err != nil {
		return err
	}
	if r.origin, err = originOf(r.s.cluster); err != nil {
		return err
	}
	if r.signer, err = signer(c, r.s.cluster, r.s.member); err != nil {
		return err
	}
	path := c.String("journal")
	if path == "" {
		path = args[0] + ".journal"
	}
	if r.journal, err = importer.OpenJournal(path, r.origin, r.s.member); err != nil {
		return err
	}
	defer r.journal.Close()
	if info, err := f.Stat(); err == nil && isTerminal(c.App.ErrWriter) {
		r.bar = progressbar.NewOptions64(info.Size(), progressbar.OptionSetWriter(c.App.ErrWriter),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	err = r.run()
	if c.Context.Err() != nil && err != nil {
		err = fault.New("interrupted", args[0], "stopped before its end").WithHint("run the same command again: it goes on, and nothing is entered twice")
	}
	if r.bar != nil {
		r.bar.Finish()
	}
	fmt.Fprintf(c.App.Writer, "%d rows acknowledged, %d already on the log, %d refused\n", r.in, r.present, r.refused)
	for _, label := range r.reader.Unused() {
		fmt.Fprintf(c.App.ErrWriter, "milepost: note: no row names the vehicle %q\n", label)
	}
	if err == nil && r.refused > 0 {
		err = refusal{errShown}
	}
	return err
}

func (r *importRun) run() error {
	for {
		row, err := r.reader.Next()
		if err == io.EOF {
			return r.send()
		}
		if err != nil {
			return errors.Join(r.send(), err)
		}
		if row.Err != nil {
			r.refuse(row.Line, row.Err)
			continue
		}
		for _, n := range row.Notes {
			fmt.Fprintf(r.c.App.ErrWriter, "line %d: note: %s\n", row.Line, n)
		}
		note, err := r.sign(row.Draft)
		if err != nil {
			r.refuse(row.Line, err)
			continue
		}
		r.lines, r.notes = append(r.lines, row.Line), append(r.notes, note)
		if len(r.notes) == importBatch {
			if err := r.send(); err != nil {
				return err
			}
		}
	}
}

func (r *importRun) refuse(line int, err error) {
	r.refused++
	fmt.Fprintf(r.c.App.ErrWriter, "line %d: refused: %s [%s]\n", line, strings.TrimPrefix(err.Error(), fmt.Sprintf("line %d", line)+", "), fault.Code(err))
}

// sign returns the note of a row: the one of an earlier run, for the same
// bytes must be sent again, or a new one.
func (r *importRun) sign(d importer.Draft) ([]byte, error) {
	if note, ok, err := r.journal.Note(d.ID); ok || err != nil {
		return note, err
	}
	draft := d.Record()
	draft.Author, draft.Origin, draft.Captured = r.s.member, r.origin, record.FormatUTC(clock())
	text, err := draft.Text()
	if err != nil {
		return nil, err
	}
	note, err := record.Sign(text, r.signer)
	if err != nil {
		return nil, err
	}
	return note, r.journal.Add(d.ID, note)
}

// send submits the batch, once what it signs is on this disk.
func (r *importRun) send() error {
	if len(r.notes) == 0 {
		return nil
	}
	if err := r.journal.Sync(); err != nil {
		return err
	}
	if r.c.Bool("warn") {
		names := make([]string, len(r.lines))
		for i, l := range r.lines {
			names[i] = fmt.Sprintf("line %d", l)
		}
		warn(r.c, r.s.client, r.notes, names)
	}
	ans, err := submit(r.c, r.s.client, r.notes)
	if err != nil {
		return err
	}
	for i, a := range ans.Records {
		switch a.Status {
		case "accepted":
			r.in++
		case "present":
			r.present++
		default:
			r.refuse(r.lines[i], fault.New(a.Error.Code, "", a.Error.Error))
		}
	}
	r.lines, r.notes = nil, nil
	if r.bar != nil {
		r.bar.Set64(r.reader.Bytes())
	}
	return nil
}

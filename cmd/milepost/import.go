package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/importer"
	"github.com/milepost-log/milepost/verify"
)

// importBatch is how many rows are signed, kept and sent together; a work
// order is two records.
const importBatch = 256

// vehiclesFlag names a list of vehicles, for import and fleet alike.
var vehiclesFlag = &cli.StringFlag{Name: "vehicles", Usage: "a `FILE` with a vehicle on each line, LABEL=VIN or a VIN alone; # begins a comment"}

// readVehicles reads such a file; its lines are as --vehicle takes them.
func readVehicles(path string) (lines []string, err error) {
	data, err := readCapped(path, 16<<20)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "\ufeff"), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func importCommand(keyFlag cli.Flag) *cli.Command {
	var known []string
	for _, p := range importer.Presets() {
		known = append(known, "  "+p.Name+": "+p.About)
	}
	return &cli.Command{
		Name: "import", Usage: "sign and submit the odometer readings or work orders of a CSV file", ArgsUsage: "FILE",
		Description: "Can be stopped and run again: what was sent is not sent twice. Refused rows are listed, the rest goes in.\n" +
			"Files that are recognised by their header:\n" + strings.Join(known, "\n") + "\n" +
			"Others need --map, such as --map vehicle=car,event_time=date,value=odo,unit=mi\n" +
			"With order_no in it each row is a work order, a service.visit with its reading on arrival:\n" +
			"  order_no=wo,opened_at=in,service_type=repair,work_type=group,pay=internal,hours=h,cost=labour+parts,currency=EUR\n" +
			"What an order cost does not go on the log, only a commitment to it: the openings are kept beside the CSV file,\n" +
			"one file a vehicle in FILE.openings. Back them up, and hand a vehicle's to who is to see its costs (milepost fleet).",
		Flags: clientFlags(keyFlag,
			&cli.StringSliceFlag{Name: "vehicle", Usage: "`LABEL=VIN` for each vehicle of the file, or VIN alone for a file of one vehicle"},
			vehiclesFlag,
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

	openings string // directory

	in, present, refused int

	// Of the batch under way.
	rows  []importRow
	notes [][]byte
	fresh []freshNote
	costs map[record.VIN][]record.Opening // of notes that are fresh
}

// importRow is a row of the file and how many notes it became.
type importRow struct{ line, notes int }

// freshNote is a note that no earlier run has signed.
type freshNote struct {
	id   string
	note []byte
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
	r := &importRun{c: c, openings: args[0] + ".openings", costs: map[record.VIN][]record.Opening{}}
	opt := importer.Options{Author: c.String("as"), Confirm: c.StringSlice("confirm")}
	vehicles := c.StringSlice("vehicle")
	if path := c.String("vehicles"); path != "" {
		more, err := readVehicles(path)
		if err != nil {
			return err
		}
		vehicles = append(vehicles, more...)
	}
	if opt.Vehicles, err = importer.ParseVehicles(vehicles); err != nil {
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
		notes, err := r.sign(row.Draft)
		if err != nil {
			r.refuse(row.Line, err)
			continue
		}
		r.rows, r.notes = append(r.rows, importRow{row.Line, len(notes)}), append(r.notes, notes...)
		if len(r.rows) == importBatch {
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

// sign returns the notes of a row: its reading, and behind it the visit that
// names it.
func (r *importRun) sign(d importer.Draft) (notes [][]byte, err error) {
	reading, err := r.note(d.ID, func() (record.Draft, error) { return d.Record(), nil })
	if err != nil || d.Order == nil {
		return [][]byte{reading}, err
	}
	visit, err := r.note(d.Order.ID, func() (record.Draft, error) {
		cost := ""
		if d.Order.Cost != "" {
			key, err := record.NewCommitmentKey(rand.Reader)
			if err != nil {
				return record.Draft{}, err
			}
			o := record.NewOpening(key, d.Order.ID, importer.CostField, d.Order.Cost)
			r.costs[d.VIN], cost = append(r.costs[d.VIN], o), o.Commitment
		}
		return d.VisitRecord(verify.Hex(verify.LeafHash(reading)), cost), nil
	})
	return [][]byte{reading, visit}, err
}

// note returns the note of an id: the one of an earlier run, for the same
// bytes must be sent again, or a new one.
func (r *importRun) note(id string, make func() (record.Draft, error)) ([]byte, error) {
	if note, ok, err := r.journal.Note(id); ok || err != nil {
		return note, err
	}
	draft, err := make()
	if err != nil {
		return nil, err
	}
	draft.Author, draft.Origin, draft.Captured = r.s.member, r.origin, record.FormatUTC(clock())
	text, err := draft.Text()
	if err != nil {
		return nil, err
	}
	note, err := record.Sign(text, r.signer)
	if err == nil {
		r.fresh = append(r.fresh, freshNote{id, note})
	}
	return note, err
}

// keep puts what is fresh on this disk: the openings first, for a note in the
// journal is never signed again, and its cost could then never be shown.
func (r *importRun) keep() error {
	for _, vin := range slices.Sorted(maps.Keys(r.costs)) {
		if err := keepCosts(r.openings, string(vin), r.costs[vin]); err != nil {
			return err
		}
	}
	clear(r.costs)
	for _, f := range r.fresh {
		if err := r.journal.Add(f.id, f.note); err != nil {
			return err
		}
	}
	r.fresh = nil
	return r.journal.Sync()
}

// keepCosts adds openings to the file of a vehicle in a directory, and to
// further ones where a file may hold no more.
func keepCosts(dir, vin string, more []record.Opening) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.New("file", dir, "it cannot be made").Because(errors.Unwrap(err))
	}
	for n := 1; len(more) > 0; n++ {
		path := filepath.Join(dir, vin+openingSuffix)
		if n > 1 {
			path = filepath.Join(dir, fmt.Sprintf("%s-%d%s", vin, n, openingSuffix))
		}
		have, err := readOpenings(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		room := min(record.MaxOpenings-len(have), len(more))
		if room <= 0 {
			continue
		}
		if err := addOpenings(path, more[:room]...); err != nil {
			return err
		}
		more = more[room:]
	}
	if err := durable.SyncDir(dir); err != nil {
		return fault.New("file", dir, "it cannot be synced").Because(err)
	}
	return nil
}

// send submits the batch, once what it signs is on this disk.
func (r *importRun) send() error {
	if len(r.notes) == 0 {
		return nil
	}
	if err := r.keep(); err != nil {
		return err
	}
	if r.c.Bool("warn") {
		var names []string
		for _, row := range r.rows {
			for range row.notes {
				names = append(names, fmt.Sprintf("line %d", row.line))
			}
		}
		warn(r.c, r.s.client, r.notes, names)
	}
	ans, err := submit(r.c, r.s.client, r.notes)
	if err != nil {
		return err
	}
	answers := ans.Records
	for _, row := range r.rows {
		r.count(row.line, answers[:row.notes])
		answers = answers[row.notes:]
	}
	r.rows, r.notes = nil, nil
	if r.bar != nil {
		r.bar.Set64(r.reader.Bytes())
	}
	return nil
}

// count counts a row by what became of its records.
func (r *importRun) count(line int, answers []node.RecordAnswer) {
	present := true
	for _, a := range answers {
		if a.Status != "accepted" && a.Status != "present" {
			r.refuse(line, fault.New(a.Error.Code, "", a.Error.Error))
			return
		}
		present = present && a.Status == "present"
	}
	if present {
		r.present++
	} else {
		r.in++
	}
}

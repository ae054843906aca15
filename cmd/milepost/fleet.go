package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/importer"
	"github.com/milepost-log/milepost/verify/fleet"
)

// fleetAtOnce is how many histories are asked for at a time: the node writes
// down each use of a grant before it answers.
const fleetAtOnce = 8

func fleetCommand() *cli.Command {
	return &cli.Command{
		Name: "fleet", Usage: "add up what many vehicles cost, how long they stood, what failed, what is due", ArgsUsage: "[LABEL=VIN|VIN]...",
		Description: "For a client that runs many vehicles. The log keeps no list of whose vehicle is whose, so name yours; a\n" +
			"history is read by the right that --as has: a grant (fleet_contract), or records of its own on it. Vehicles\n" +
			"that may not be read are listed as such, and the exit status is then 1.\n" +
			"Costs are not on the log. Whoever did the work hands over the openings of them (see `milepost record import`):\n" +
			"put them into a directory and name it with --openings; lines without an opening are counted.\n" +
			"The figures are this program's inference from a node's word; `milepost prove` and `verify` prove a history.",
		Flags: clientFlags(jsonFlag, vehiclesFlag,
			&cli.StringFlag{Name: "openings", Usage: "a `DIR`ectory of files of openings (*.opening) that show what work cost"},
			&cli.StringFlag{Name: "from", Usage: "only visits completed on this `DAY`, YYYY-MM-DD, or later"},
			&cli.StringFlag{Name: "to", Usage: "only visits completed on this `DAY` or before"},
			&cli.StringFlag{Name: "csv", Usage: "also write each table as a CSV file into `DIR`"},
			&cli.StringFlag{Name: "xlsx", Usage: "also write all tables as sheets of one Excel `FILE`"}),
		Action: runFleet,
	}
}

func runFleet(c *cli.Context) error {
	vehicles, err := namedVehicles(c)
	if err != nil {
		return err
	}
	period := fleet.Period{From: c.String("from"), To: c.String("to")}
	for _, day := range []string{period.From, period.To} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			return fault.New("usage", day, "not a day such as 2026-05-04")
		}
	}
	costs, err := readCosts(c.String("openings"))
	if err != nil {
		return err
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	if err := s.histories(c, vehicles); err != nil {
		return err
	}
	rep := fleet.Of(vehicles, costs, period, clock().UTC().Format(time.DateOnly))
	tables := fleetTables(rep)
	if dir := c.String("csv"); dir != "" {
		if err := writeTables(dir, tables); err != nil {
			return err
		}
	}
	if path := c.String("xlsx"); path != "" {
		data, err := workbook(tables)
		if err == nil {
			err = writeFile(path, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if c.Bool("json") {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", "  ")
		err = enc.Encode(rep)
	} else {
		err = showFleet(c.App.Writer, rep, tables)
	}
	if err == nil && rep.Refused > 0 {
		err = refusal{errShown}
	}
	return err
}

// namedVehicles are those of the arguments and of --vehicles, each once.
func namedVehicles(c *cli.Context) (vehicles []fleet.Vehicle, err error) {
	names := c.Args().Slice()
	if path := c.String("vehicles"); path != "" {
		more, err := readVehicles(path)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(names) == 0 {
		return nil, usage("which vehicles? Name them, or a file of them with --vehicles")
	}
	seen := map[string]bool{}
	for _, name := range names {
		label, text := "", name
		if i := strings.LastIndexByte(name, '='); i >= 0 {
			label, text = strings.TrimSpace(name[:i]), strings.TrimSpace(name[i+1:])
		}
		vin, err := record.ParseVIN(text)
		if err != nil {
			return nil, err
		}
		if seen[string(vin)] {
			return nil, usage(fmt.Sprintf("the vehicle %s is named twice", vin))
		}
		seen[string(vin)] = true
		vehicles = append(vehicles, fleet.Vehicle{Label: label, VIN: string(vin)})
	}
	return vehicles, nil
}

// readCosts reads the openings of costs in a directory; "" for none.
func readCosts(dir string) (fleet.Costs, error) {
	if dir == "" {
		return nil, nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fault.New("file", dir, "it is no directory that can be read").Because(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"+openingSuffix))
	if err != nil {
		return nil, fault.New("file", dir, "it cannot be read").Because(err)
	}
	var openings []record.Opening
	for _, path := range paths {
		more, err := readOpenings(path)
		if err != nil {
			return nil, err
		}
		openings = append(openings, more...)
	}
	return fleet.OpenCosts(importer.CostField, openings), nil
}

// histories reads the vehicles' histories from the node. Those that may not
// be read say why; any other error ends it.
func (s *session) histories(c *cli.Context, vehicles []fleet.Vehicle) error {
	var bar *progressbar.ProgressBar
	if isTerminal(c.App.ErrWriter) {
		bar = progressbar.NewOptions(len(vehicles), progressbar.OptionSetWriter(c.App.ErrWriter), progressbar.OptionClearOnFinish())
		defer bar.Finish()
	}
	var g errgroup.Group
	var failed atomic.Bool
	g.SetLimit(fleetAtOnce)
	for i := range vehicles {
		v := &vehicles[i]
		g.Go(func() error {
			if failed.Load() {
				return nil // the first error is told
			}
			err := again(c, func() error { return s.fill(c, v) })
			switch fault.Code(err) {
			case "no_access", "grant_scope", "grant_expired", "grant_revoked":
				v.Refused, err = fault.Code(err), nil
			}
			if err != nil {
				failed.Store(true)
				return fault.New(fault.Code(err), v.VIN, err.Error()).WithHint(fault.Hint(err))
			}
			if bar != nil {
				bar.Add(1)
			}
			return nil
		})
	}
	return g.Wait()
}

// fill reads the history of one vehicle and what it means.
func (s *session) fill(c *cli.Context, v *fleet.Vehicle) error {
	ask := func(with string) (*node.HistoryAnswer, error) {
		h, _, err := s.history(c, record.VehicleSubject(v.VIN), url.Values{"with": {with}})
		return h, err
	}
	h, err := ask("workshop,notices")
	if code := fault.Code(err); code == "no_access" || code == "grant_scope" { // not the workshop's, where claims are
		h, err = ask("notices")
	}
	if err != nil {
		return err
	}
	m, results, err := meaningOf(h, s.client.Address, 0)
	if err != nil {
		return err
	}
	v.Entries, v.Answers, v.Judged, v.Cases = entriesOf(results, h.Subject), m.Answers, m.Judgement, m.Cases
	return nil
}

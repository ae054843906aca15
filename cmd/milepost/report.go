package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
	"github.com/milepost-log/milepost/verify/render/page"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "write the evidence report of a proof file, for a court or an insurer", ArgsUsage: "FILE",
		Description: "One HTML page that needs nothing else: to read, to print, to file. Of a file that does not verify it\n" +
			"says so and tells no history. docs/evidence.md says how to read it.\n" +
			"Exit status: 0 verified, 1 not verified (the report is written all the same), 2 it could not be run.",
		Flags: []cli.Flag{
			policyFlag, openingFlag,
			&cli.StringFlag{Name: "vin", Usage: "the `VIN` that you mean, as it stands on the car"},
			&cli.StringFlag{Name: "unit", Usage: "`UNIT` of all mileages: km or mi; as entered if not given, whatever MILEPOST_UNIT says"},
			&cli.StringSliceFlag{Name: "attachment", Usage: "a `FILE` to be held against the attachments that records name; may be given again"},
			leaseFlag,
			&cli.BoolFlag{Name: "allow-withheld", Usage: "accept a file some of whose contents are withheld"},
			&cli.StringFlag{Name: "at", Usage: "check as of this `TIME` (RFC 3339) instead of now"},
			&cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: the proof file's name with .html); - is standard output"},
		},
		Action: report,
	}
}

func report(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one proof file")
	if err != nil {
		return err
	}
	in := page.Input{FileName: filepath.Base(args[0]), Now: clock(), Version: node.Version, Allowed: c.Bool("allow-withheld")}
	if at := c.String("at"); at != "" {
		if in.Now, err = time.Parse(time.RFC3339, at); err != nil {
			return fault.New("usage", "--at", "not a time such as 2026-05-04T10:12:00Z")
		}
	}
	if in.Unit, err = render.ParseUnit(c.String("unit")); err != nil {
		return err
	}
	opt := verify.Options{Now: in.Now, AllowWithheld: in.Allowed}
	if opt.LeaseKM, err = leaseKM(c); err != nil {
		return err
	}
	in.LeaseKM = opt.LeaseKM
	if in.VIN = c.String("vin"); in.VIN != "" {
		if opt.Subject, err = record.ParseVehicle(in.VIN); err != nil {
			return fault.New("usage", "--vin", err.Error())
		}
	}
	if opt.Policy, err = loadPolicy(c); err != nil {
		return err
	}
	in.Policy = opt.Policy
	if in.File, err = readCapped(args[0], verify.MaxFile); err != nil {
		return err
	}
	in.Report = verify.Verify(in.File, opt)
	if in.Report.Verified {
		if in.Presented, err = presentTo(c, in.File); err != nil {
			return err
		}
	}
	html, err := page.HTML(in)
	if err != nil {
		return err
	}
	out := c.String("o")
	if out == "" {
		out = args[0] + ".html"
		if args[0] == "-" {
			out = "-"
		}
	}
	if err := write(c, out, html); err != nil {
		return err
	}
	return reportDone(c, in.Report, out)
}

// presentTo holds the files that were handed in against the records of a
// proof file that verifies.
func presentTo(c *cli.Context, data []byte) (*page.Presented, error) {
	f, err := verify.ParseFile(data)
	if err != nil {
		return nil, err
	}
	b, err := bundleOf(f)
	if err != nil {
		return nil, err
	}
	files := c.StringSlice("attachment")
	openings, err := openingsFor(c, files)
	if err != nil {
		return nil, err
	}
	return b.present(files, openings)
}

// reportDone says what was written. A report of a file that does not verify
// is an answer of no.
func reportDone(c *cli.Context, r *verify.Report, out string) error {
	words := c.App.Writer
	if out == "-" {
		words = c.App.ErrWriter
	}
	if !r.Verified {
		fmt.Fprintf(words, "%s: NOT VERIFIED: %s [%s]\n", out, r.Failure, fault.Code(r.Failure))
		return refusal{errShown}
	}
	fmt.Fprintf(words, "%s: VERIFIED: %s\n", out, r.Scope())
	return nil
}

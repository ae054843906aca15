package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check a proof file offline", ArgsUsage: "FILE",
		Description: "Needs the file and a trust policy, and nothing else: no network, no account, no node.\n" +
			"Exit status: 0 verified, 1 not verified, 2 the check could not be run.",
		Flags: []cli.Flag{
			policyFlag, jsonFlag, unitFlag,
			&cli.BoolFlag{Name: "schema", Usage: "print the JSON Schema of what --json prints"},
			&cli.StringFlag{Name: "vin", Usage: "the `VIN` that you mean, as it stands on the car"},
			&cli.DurationFlag{Name: "max-age", Usage: "refuse a file that is complete only as of longer ago, such as 720h"},
			leaseFlag,
			&cli.BoolFlag{Name: "allow-withheld", Usage: "accept a file some of whose contents are withheld"},
			&cli.StringFlag{Name: "at", Usage: "check as of this `TIME` (RFC 3339) instead of now"},
		},
		Action: func(c *cli.Context) error {
			if c.Bool("schema") {
				return write(c, "-", render.Schema())
			}
			args, err := operands(c, 1, 1, "one proof file")
			if err != nil {
				return err
			}
			unit, err := render.ParseUnit(c.String("unit"))
			if err != nil {
				return err
			}
			opt := verify.Options{Now: clock(), MaxAge: c.Duration("max-age"), AllowWithheld: c.Bool("allow-withheld")}
			if opt.LeaseKM, err = leaseKM(c); err != nil {
				return err
			}
			if at := c.String("at"); at != "" {
				if opt.Now, err = time.Parse(time.RFC3339, at); err != nil {
					return fault.New("usage", "--at", "not a time such as 2026-05-04T10:12:00Z")
				}
			}
			if vin := c.String("vin"); vin != "" {
				if opt.Subject, err = record.ParseVehicle(vin); err != nil {
					return fault.New("usage", "--vin", err.Error())
				}
			}
			if opt.Policy, err = loadPolicy(c); err != nil {
				return err
			}
			data, err := readCapped(args[0], verify.MaxFile)
			if err != nil {
				return err
			}
			rep := verify.Verify(data, opt)
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				if err := enc.Encode(render.JSON(rep, unit)); err != nil {
					return err
				}
			} else {
				fmt.Fprint(c.App.Writer, render.Text(rep, unit))
			}
			if !rep.Verified {
				return refusal{errShown}
			}
			return nil
		},
	}
}

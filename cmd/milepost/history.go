package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

func historyCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show a vehicle's history as a node knows it", ArgsUsage: "VIN",
		Description: "This is a node's word; `milepost prove` and `milepost verify` give a proof.",
		Flags:       clientFlags(grantFlag, jsonFlag, &cli.BoolFlag{Name: "strict", Usage: "include everything acknowledged anywhere before now"}),
		Action: func(c *cli.Context) error {
			s, subject, err := vehicleOf(c)
			if err != nil {
				return err
			}
			data, err := s.client.Get(c.Context, node.VehiclePath(subject)+map[bool]string{true: "?consistency=strict"}[c.Bool("strict")])
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return write(c, "-", data)
			}
			var h node.HistoryAnswer
			if err := json.Unmarshal(data, &h); err != nil {
				return fmt.Errorf("read the node's answer: %w", err)
			}
			var results []verify.Result
			for _, e := range h.Entries {
				if e.Note == "" {
					results = append(results, verify.Result{Index: e.Index, Time: e.Time, Verdict: verify.Withheld})
					continue
				}
				r, err := record.Open([]byte(e.Note))
				if err != nil {
					return fault.New("record", "", "the node sent a malformed record").Because(err)
				}
				results = append(results, verify.Result{Index: e.Index, Time: e.Time, Record: r, Verdict: verify.Valid})
			}
			count := "1 record"
			if len(results) != 1 {
				count = fmt.Sprintf("%d records", len(results))
			}
			fmt.Fprintf(c.App.Writer, "%s: %s up to tree size %d, as the node at %s says (no proof)\n\n%s",
				subject, count, h.Size, s.client.Address, render.Timeline(results))
			return nil
		},
	}
}

func vehicleOf(c *cli.Context) (*session, string, error) {
	args, err := operands(c, 1, 1, "one VIN")
	if err != nil {
		return nil, "", err
	}
	subject, err := record.ParseVehicle(args[0])
	if err != nil {
		return nil, "", err
	}
	s, err := dial(c, c.String("grant") == "")
	if err == nil {
		s.client.Grant = c.String("grant")
	}
	return s, subject, err
}

func proveCommand() *cli.Command {
	return &cli.Command{
		Name: "prove", Usage: "fetch the proof file of a vehicle's whole history", ArgsUsage: "VIN",
		Description: "The file is checked against this cluster's own policy before it is written.",
		Flags:       clientFlags(grantFlag, &cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: VIN.mileproof)"}),
		Action: func(c *cli.Context) error {
			s, subject, err := vehicleOf(c)
			if err != nil {
				return err
			}
			data, err := s.client.Proof(c.Context, subject)
			if err != nil {
				return err
			}
			rep, err := s.check(c, data, subject)
			if err != nil {
				return err
			}
			path := c.String("o")
			if path == "" {
				path = c.Args().First() + ".mileproof"
			}
			if err := write(c, path, data); err != nil {
				return err
			}
			if path != "-" {
				fmt.Fprintf(c.App.Writer, "%s: %s\n", path, rep.Scope())
			}
			return nil
		},
	}
}

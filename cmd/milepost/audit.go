package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "replay the whole ledger of a data directory and check everything", ArgsUsage: "[DATA-DIR]",
		Description: "Every signature, right, leaf, root, seal and history is computed anew and held against the directory.\n" +
			"No node may be using it: stop the node, or audit a copy. Without DATA-DIR: that of --node in the cluster file.\n" +
			"Exit status: 0 all is well, 1 something is wrong (the first wrong leaf is named), 2 the audit could not be run.",
		Flags: []cli.Flag{configFlag, dirFlag, ownNodeFlag, policyFlag, jsonFlag,
			&cli.StringFlag{Name: "checkpoint", Usage: "a tree head from another node, in a `FILE`, that must fit"}},
		Action: func(c *cli.Context) error {
			dir, _, err := dataDir(c)
			if err != nil {
				return err
			}
			opt := node.AuditOptions{Now: clock()}
			if c.String("policy") != "" {
				if opt.Policy, err = loadPolicy(c); err != nil {
					return err
				}
			}
			if path := c.String("checkpoint"); path != "" {
				if opt.Checkpoint, err = readCapped(path, verify.MaxCheckpoint); err != nil {
					return err
				}
			}
			progress, end := bar(c)
			defer end()
			opt.Progress = silent(progress, "replaying")
			rep, err := node.Audit(c.Context, dir, opt)
			if err != nil {
				return err
			}
			return printAudit(c, dir, rep)
		},
	}
}

func printAudit(c *cli.Context, dir string, rep *node.AuditReport) error {
	out := c.App.Writer
	if c.Bool("json") {
		if err := json.NewEncoder(out).Encode(rep); err != nil {
			return err
		}
	} else {
		if len(rep.Wrong) == 0 {
			fmt.Fprintf(out, "ALL IS WELL in %s\n", dir)
		} else {
			fmt.Fprintf(out, "WRONG in %s\n", dir)
			for _, w := range rep.Wrong {
				fmt.Fprintf(out, "  %s\n", w)
			}
		}
		if rep.Origin != "" {
			fmt.Fprintf(out, "Log: %s\nFingerprint: %s\n", rep.Origin, record.Fingerprint(rep.Origin))
		}
		fmt.Fprintf(out, "Replayed %d ledger entries: %d records under %d seals, %d refused then as now, %d histories.\n", rep.Entries, rep.Records, rep.Seals, rep.Skipped, rep.Histories)
		fmt.Fprintf(out, "Tree size %d, root %s; %d cosigned heads fit it.\n", rep.Size, rep.Root, rep.Heads)
		if !rep.Quorum {
			fmt.Fprintln(out, "Note: no head with a quorum was at hand; name one with --checkpoint to exclude that leaves are missing at the end.")
		}
	}
	if len(rep.Wrong) > 0 {
		return refusal{errShown}
	}
	return nil
}

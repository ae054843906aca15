package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name: "policy", Usage: "trust policies: whose signatures make a tree head one to believe",
		Subcommands: []*cli.Command{{
			Name: "follow", Usage: "derive the policy of today from an old one, offline, by the bridges in a proof file", ArgsUsage: "OLD.policy",
			Description: "For whoever pinned a policy years ago. Each change of the policy since then must stand under a tree head that the\n" +
				"quorum of before has signed, and is said; if one lacks its signatures nothing is written.\n" +
				"Exit status: 0 followed, or nothing to follow; 1 it leads nowhere; 2 it could not be run.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "proof", Usage: "a proof `FILE` of today, of any vehicle of this log"},
				&cli.StringFlag{Name: "o", Usage: "write the new policy to `FILE`, which must not be there yet; - is standard output"},
				&cli.StringFlag{Name: "at", Usage: "check as of this `TIME` (RFC 3339) instead of now"},
			},
			Action: followPolicy,
		}},
	}
}

func followPolicy(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one policy file, the old one")
	if err != nil {
		return err
	}
	if c.String("proof") == "" {
		return fault.New("usage", "--proof", "which file's bridges?").WithHint("add --proof FILE: a proof file that was made lately")
	}
	now := time.Now()
	if at := c.String("at"); at != "" {
		if now, err = time.Parse(time.RFC3339, at); err != nil {
			return fault.New("usage", "--at", "not a time such as 2026-05-04T10:12:00Z")
		}
	}
	path := c.String("o")
	if _, err := os.Lstat(path); path != "" && path != "-" && err == nil {
		return fault.New("file_exists", path, "it is there already and is left as it is").WithHint("name another one with -o")
	}
	old, err := readPolicy(args[0])
	if err != nil {
		return err
	}
	data, err := readCapped(c.String("proof"), verify.MaxFile)
	if err != nil {
		return err
	}
	next, steps, err := verify.Follow(old, data, now)
	// What is said goes to the side when the policy itself goes to the output.
	out := c.App.Writer
	if path == "-" {
		out = c.App.ErrWriter
	}
	for i, s := range steps {
		fmt.Fprintf(out, "step %d: %s\n", i+1, s)
	}
	if err != nil {
		return refusal{fault.New(fault.Code(err), args[0], "it can't be followed to the policy of "+c.String("proof")).Because(err).WithHint(fault.Hint(err))}
	}
	if len(steps) == 0 {
		fmt.Fprintln(out, "The policy is still the one in force: there is nothing to follow.")
	} else {
		fmt.Fprintf(out, "The policy now: quorum %d of %d, tolerates liars: %d\n", next.Quorum(), next.Of(), next.Tolerates())
	}
	if path == "" {
		return nil
	}
	return write(c, path, []byte(next.Text()))
}

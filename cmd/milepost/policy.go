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
		}, {
			Name: "refresh", Usage: "add to an old proof file the way to the policy of today", ArgsUsage: "FILE",
			Description: "For whoever holds only a newer policy than the file was made under: a node shows that the file's seal stands under\n" +
				"the tree head of today. What the file proves stays what it was: complete as of its own seal.",
			Flags: clientFlags(&cli.StringFlag{Name: "o", Usage: "write to `FILE` (default: in place)"}), Action: refreshProof,
		}},
	}
}

func refreshProof(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one proof file")
	if err != nil {
		return err
	}
	data, err := readCapped(args[0], verify.MaxFile)
	if err != nil {
		return err
	}
	f, err := verify.ParseFile(data)
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))
	}
	seal, err := verify.ParseSeal(f.Seal)
	if err != nil {
		return fault.New(fault.Code(err), args[0], err.Error())
	}
	s, err := dial(c, false)
	if err != nil {
		return err
	}
	bridge, err := s.client.Bridge(c.Context, seal.Index)
	if err != nil {
		return err
	}
	// An earlier one of the seal makes room; those of policies stay.
	if n := len(f.Bridges); n > 0 {
		if last, err := verify.ParseTLogProof(f.Bridges[n-1]); err == nil && last.Index == seal.Index {
			f.Bridges = f.Bridges[:n-1]
		}
	}
	f.Bridges = append(f.Bridges, bridge)
	text, err := s.client.Get(c.Context, "/v1/policy")
	if err != nil {
		return err
	}
	policy, err := verify.ParsePolicy(text)
	if err != nil {
		return err
	}
	out := f.Bytes()
	rep := verify.Verify(out, verify.Options{Policy: policy, Now: clock(), AllowWithheld: true})
	if !rep.Verified {
		return refusal{fault.New(fault.Code(rep.Failure), args[0], "it does not verify under the policy of today").Because(rep.Failure)}
	}
	path := c.String("o")
	if path == "" {
		path = args[0]
	}
	if err := write(c, path, out); err != nil || path == "-" {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s: %s\n", path, rep.Scope())
	return nil
}

func followPolicy(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one policy file, the old one")
	if err != nil {
		return err
	}
	if c.String("proof") == "" {
		return fault.New("usage", "--proof", "which file's bridges?").WithHint("add --proof FILE: a proof file that was made lately")
	}
	now := clock()
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

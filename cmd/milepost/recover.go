package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

func recoverCommand(own cli.Flag) *cli.Command {
	return &cli.Command{
		Name: "recover", Usage: "go on with another log from the one node that is left",
		Description: "For when the majority of the voting nodes is lost for good. While they may come back, wait: what they\n" +
			"acknowledged comes back with them. Of the nodes that are left, take the one with the largest tree (node check).\n" +
			"What is left becomes the beginning of a log with an origin and a fingerprint of its own, for never are there\n" +
			"two heads of one origin. It needs a cluster file of its own: the same but for founding, policy and [[node]],\n" +
			"where every node has an id that was never used. The same command each time does the next step:\n" +
			"  1. it says what is left and what may be lost, and fixes the new origin\n" +
			"  2. with every node's request (member request node) in the --collect directory, it drafts the genesis\n" +
			"  3. with the governors' signatures (member sign), it writes founding and policy and makes this node's data\n" +
			"The genesis names this node as the one that begins: on any other the command refuses, and `node run` is enough.\n" +
			"The survivor's data stay as they are, marked so that no node runs on them. docs/recovery.md has it step by step.",
		Flags: []cli.Flag{
			configFlag, dirFlag, own, jsonFlag,
			&cli.StringFlag{Name: "from", Required: true, Usage: "the data `DIRECTORY` that is left, of a node that is stopped"},
			&cli.StringFlag{Name: "collect", Usage: "the `DIRECTORY` in which requests and signatures are gathered"},
		},
		Action: nodeRecover,
	}
}

func nodeRecover(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	cl, id, err := ownNode(c)
	if err != nil {
		return err
	}
	if cl.Unfounded() == nil {
		if err := gatherSuccessor(c, cl, id); err != nil || cl.Unfounded() == nil {
			return err
		}
	}
	progress, end := bar(c)
	defer end()
	rep, err := node.Recover(c.Context, node.RecoverOptions{Cluster: cl, ID: id, From: c.String("from"), Now: clock(), Progress: silent(progress, "replaying")})
	if err != nil {
		switch fault.Code(err) {
		case "predecessor", "not_seed", "recovered":
			return refusal{err}
		}
		return err
	}
	end()
	out := c.App.Writer
	if c.Bool("json") {
		return json.NewEncoder(out).Encode(rep)
	}
	fmt.Fprintf(out, "Node %s begins the log that goes on from %s.\n", id, rep.Predecessor)
	fmt.Fprintf(out, "  log          %s\n", rep.Origin)
	fmt.Fprintf(out, "  fingerprint  %s   publish this, and that it takes the place of\n", record.Fingerprint(rep.Origin))
	fmt.Fprintf(out, "               %s\n", record.Fingerprint(rep.Predecessor))
	fmt.Fprintf(out, "  kept         all %d leaves, replayed and found right; root with the genesis %s\n", rep.Size, rep.Root)
	fmt.Fprintf(out, "  founding     %s   every node needs it, with this cluster file\n", cl.FoundingPath())
	fmt.Fprintf(out, "  policy       %s   everyone who checks a proof needs it; older files keep the old one\n", cl.PolicyPath())
	fmt.Fprintf(out, "Next: milepost node run --config %s --node %s, then the other nodes; then give them their votes\n", c.String("config"), id)
	return nil
}

// gatherSuccessor does the next step towards a genesis that all have signed.
func gatherSuccessor(c *cli.Context, cl *node.Cluster, seed string) error {
	if c.String("collect") == "" {
		return fault.New("usage", "--collect", "where are requests and signatures gathered?").WithHint("make a directory and add --collect DIRECTORY")
	}
	progress, end := bar(c)
	defer end()
	s, err := node.ReadSurvivor(c.Context, c.String("from"), clock(), silent(progress, "replaying"))
	if err != nil {
		switch fault.Code(err) {
		case "recover_wrong", "recovered":
			return refusal{err}
		}
		return err
	}
	end()
	g := &gathering{c: c, cl: cl, dir: c.String("collect"), after: s, seed: seed}
	if _, err := os.Stat(g.path(originFile)); os.IsNotExist(err) {
		g.survey(c.String("from"))
	}
	return g.next()
}

// survey says what is left of a log, and what may be lost.
func (g *gathering) survey(from string) {
	s := g.after
	g.say("What is left in %s, replayed and found right:", from)
	g.say("  log          %s", s.Origin)
	g.say("  size         %d leaves, root %s", s.Size, verify.Hex(s.Root))
	g.say("  last record  %s", verify.FormatLogTime(s.SealTime))
	g.say("  newest head  size %d is the largest that this node has cosigned or seen cosigned", s.Published)
	g.say("What may be lost: every record that the lost nodes acknowledged after that, and that is not among these leaves.")
	g.say("This node can't know of them. Any receipt, proof file or tree head of a size above %d shows that there were some:", s.Size)
	g.say("ask members and witnesses, and whether another node that is left has a larger tree.")
	if s.Beyond > 0 {
		g.say("%d records are in its ledger that it never knew to be final. They are not taken over: who sent them signs them anew.", s.Beyond)
	}
	g.say("")
}

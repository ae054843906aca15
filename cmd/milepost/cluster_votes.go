package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
)

// voteCommands change who votes in Raft, and who leads.
func voteCommands() []*cli.Command {
	const who = "Any node's operator may ask: the command shows the TLS key of --node, or of the node whose keys are here. Votes decide\n" +
		"when the log goes on and never what is true; a tree head needs its quorum of signatures whoever votes.\n"
	flags := []cli.Flag{configFlag, dirFlag, ownNodeFlag, jsonFlag}
	return []*cli.Command{
		{
			Name: "promote", Usage: "give a node a vote in Raft", ArgsUsage: "ID",
			Description: who + "The node must be registered, answer, have caught up, and have the same tree as the leader. An odd number of voters\n" +
				"is best: a fourth one lets no more of them fail than three do.",
			Flags: flags, Action: func(c *cli.Context) error { return changeVotes(c, node.VotePromote) },
		},
		{
			Name: "demote", Usage: "take a node's vote in Raft; it goes on keeping a copy and cosigning", ArgsUsage: "ID",
			Description: who + "Not the leader's (hand over first: `cluster transfer`), nor one that the others can't do without (few_voters). One that\n" +
				"is down for long is better demoted, since it counts as a voter that fails.",
			Flags: flags, Action: func(c *cli.Context) error { return changeVotes(c, node.VoteDemote) },
		},
		{
			Name: "transfer", Usage: "hand leadership over to a node, or to the voter that is furthest", ArgsUsage: "[ID]",
			Description: who + "Before a leader is stopped for maintenance. Records on their way are taken by the next one.",
			Flags:       flags, Action: func(c *cli.Context) error { return changeVotes(c, node.VoteTransfer) },
		},
	}
}

func changeVotes(c *cli.Context, change string) error {
	least, what := 1, "the id of one node"
	if change == node.VoteTransfer {
		least, what = 0, "at most the id of one node"
	}
	args, err := operands(c, least, 1, what)
	if err != nil {
		return err
	}
	id := ""
	if len(args) == 1 {
		if id = args[0]; !node.ValidID(id) {
			return fault.New("usage", id, "this is no node's id")
		}
	}
	s, err := operate(c)
	if err != nil {
		return err
	}
	var a *node.VotesAnswer
	if err := again(c, func() (err error) { a, err = s.client.ChangeVotes(c.Context, change, id); return err }); err != nil {
		if outages[fault.Code(err)] {
			return err
		}
		return refusal{err}
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(a)
	}
	already := map[bool]string{false: " already"}[a.Changed]
	switch change {
	case node.VotePromote:
		fmt.Fprintf(c.App.Writer, "%s has a vote%s. ", id, already)
	case node.VoteDemote:
		fmt.Fprintf(c.App.Writer, "%s has no vote%s; it goes on keeping a copy and cosigning. ", id, map[bool]string{false: " as it is"}[a.Changed])
	case node.VoteTransfer:
		fmt.Fprintf(c.App.Writer, "%s leads%s. ", a.Leader, already)
	}
	fmt.Fprintf(c.App.Writer, "Voters: %s; of these %d may fail.\n", strings.Join(a.Voters, ", "), (len(a.Voters)-1)/2)
	return nil
}

// operate finds a node that answers, in the name of this machine's own: that
// of --node, or the first whose TLS key is here.
func operate(c *cli.Context) (*session, error) {
	cl, err := loadCluster(c)
	if err != nil {
		return nil, err
	}
	own := c.String("node")
	for i := 0; own == "" && i < len(cl.Nodes); i++ {
		if _, err := os.Stat(cl.KeyPath("node/"+cl.Nodes[i].ID, keyfile.UseTLS)); err == nil {
			own = cl.Nodes[i].ID
		}
	}
	if own == "" {
		return nil, fault.New("usage", "--node", "no node's TLS key is in "+cl.Path("keys")).WithHint("run the command where a node runs; a change of votes is asked for with the TLS key of a node")
	}
	if _, err := cl.Node(own); err != nil {
		return nil, err
	}
	s := &session{cluster: cl, member: "node/" + own}
	identities, err := s.identities(c)
	if err != nil {
		return nil, err
	}
	for _, n := range cl.Nodes {
		// The key that is in force is the one to come with.
		for _, identity := range identities {
			client, err := cl.ClientAs(n.ID, identity)
			if err != nil {
				continue
			}
			if _, err = client.Get(c.Context, "/v1/status"); err == nil {
				s.client = client
				return s, nil
			}
		}
	}
	return nil, fault.New("unreachable", "", "no node answers, or none knows the TLS key of node "+own).
		WithHint("is node " + own + " in force? `milepost doctor --node " + own + "` looks for the reason")
}

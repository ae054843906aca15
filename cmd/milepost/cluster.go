package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

func clusterCommand() *cli.Command {
	return &cli.Command{
		Name: "cluster", Usage: "found a cluster and look at it",
		Subcommands: []*cli.Command{
			{
				Name: "genesis", Usage: "found a log: make the keys, the genesis and the trust policy", Description: genesisHelp,
				Flags: []cli.Flag{configFlag, dirFlag,
					&cli.StringFlag{Name: "collect", Usage: "found a log with founders who sit apart, whose files are gathered in `DIR`"}},
				Action: genesis,
			},
			{Name: "rules", Usage: "write the rules in force as JSON, to be changed and proposed as rules.published", Flags: clientFlags(outFlag), Action: clusterRules},
			{Name: "status", Usage: "what each node says of itself", Flags: clientFlags(jsonFlag), Action: clusterStatus},
			{
				Name: "policy", Usage: "write the trust policy of now, as a node has it from the log", Flags: clientFlags(outFlag),
				Action: func(c *cli.Context) error {
					s, err := dial(c, false)
					if err != nil {
						return err
					}
					text, err := s.client.Get(c.Context, "/v1/policy")
					if err != nil {
						return err
					}
					p, err := verify.ParsePolicy(text)
					if err != nil {
						return err
					}
					if p.Tolerates() == 0 {
						fmt.Fprintln(c.App.ErrWriter, "milepost: warning: this policy tolerates no liar: two quorums may share only dishonest nodes")
					}
					return write(c, c.String("o"), text)
				},
			},
		},
	}
}

// clusterRules writes the rules as a person edits them.
func clusterRules(c *cli.Context) error {
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	sit, err := s.situation(c, "")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, sit.rules.Bytes(), "", "  "); err != nil {
		return err
	}
	return write(c, c.String("o"), append(out.Bytes(), '\n'))
}

func clusterStatus(c *cli.Context) error {
	if c.String("as") == "" {
		if _, err := dial(c, true); err != nil {
			return err
		}
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	nodes, err := statusNodes(c, cl)
	if err != nil {
		return err
	}
	var all []*node.Status
	up := 0
	for _, n := range nodes {
		if only := c.String("node"); only != "" && only != n.id {
			continue
		}
		st := &node.Status{Node: n.id, Role: n.state}
		if n.client != nil {
			got, err := n.client.Status(c.Context)
			switch {
			case err == nil:
				st = got
				up++
			case fault.Code(err) != "unreachable" && fault.Code(err) != "wrong_server_key":
				return err
			}
		}
		all = append(all, st)
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(all)
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%-12s %-12s %-10s %10s %10s  %-20s %s\n", "NODE", "ROLE", "LEADER", "TREE", "COSIGNED", "AS OF", "QUORUM")
	for _, s := range all {
		if s.Role == "unreachable" || s.Role == "removed" {
			fmt.Fprintf(out, "%-12s %s\n", s.Node, s.Role)
			continue
		}
		fmt.Fprintf(out, "%-12s %-12s %-10s %10d %10d  %-20s %d of %d, tolerates liars: %d\n", s.Node, s.Role, s.Leader, s.TreeSize, s.Published, s.AsOf, s.Quorum, s.Cosigners, s.Tolerates)
	}
	if up == 0 {
		return refusal{fault.New("unreachable", "", "no node can be reached")}
	}
	return nil
}

// statusNode is a node that cluster status asks; without a client it is said
// why not.
type statusNode struct {
	id, state string
	client    *node.Client
}

// statusNodes lists the nodes of the cluster file and those that governance
// knows beside. Their TLS keys are those of now, where a node that answers
// knows them, or else those of the cluster file and the founding.
func statusNodes(c *cli.Context, cl *node.Cluster) (nodes []statusNode, err error) {
	s, err := dialAny(c)
	if err != nil && fault.Code(err) != "unreachable" {
		return nil, err
	}
	var g node.GovernanceAnswer
	if s != nil && err == nil {
		data, err := s.client.Get(c.Context, "/v1/governance")
		switch fault.Code(err) {
		case "forbidden", "unauthenticated":
			return nil, err
		}
		if err == nil {
			if err := json.Unmarshal(data, &g); err != nil {
				return nil, fmt.Errorf("read the node's answer: %w", err)
			}
		}
	}
	known := map[string]node.NodeAnswer{}
	for _, n := range g.Nodes {
		known[n.ID] = n
	}
	for _, n := range cl.Nodes {
		st := statusNode{id: n.ID, state: "unreachable"}
		if k, ok := known[n.ID]; ok {
			st.client = s.client.To(n.Address, k.TLS)
			delete(known, n.ID)
		} else if len(g.Nodes) > 0 {
			st.state = "removed"
		} else if err == nil {
			st.client, _ = cl.Client(n.ID, c.String("as"), passphrase(c))
		}
		nodes = append(nodes, st)
	}
	for _, id := range sortedKeys(known) {
		nodes = append(nodes, statusNode{id, "unreachable", s.client.To(known[id].Address, known[id].TLS)})
	}
	return nodes, nil
}

func nodeCommand() *cli.Command {
	return &cli.Command{
		Name: "node", Usage: "run a node, and look after its data",
		Subcommands: append([]*cli.Command{{
			Name: "run", Usage: "run a node until it is told to stop (SIGINT, SIGTERM)",
			Description: "A node that stops by itself says why and exits with status 1: its promises could not be kept.",
			Flags: []cli.Flag{
				configFlag, dirFlag,
				&cli.StringFlag{Name: "node", EnvVars: []string{"MILEPOST_NODE"}, Usage: "which of the cluster's nodes: its `ID`"},
				&cli.BoolFlag{Name: "log-json", EnvVars: []string{"MILEPOST_LOG_JSON"}, Usage: "write the log as JSON lines"},
				&cli.DurationFlag{Name: "scrub", EnvVars: []string{"MILEPOST_SCRUB"}, Value: node.DefaultScrub,
					Usage: "read everything on disk once in this `TIME`, slowly, and look for flipped bits; 0 is not at all"},
			},
			Action: runNode,
		}}, dataCommands()...),
	}
}

func runNode(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	if c.String("node") == "" {
		return fault.New("usage", "--node", "which node?").WithHint("add --node ID, or set MILEPOST_NODE")
	}
	var h slog.Handler = slog.NewTextHandler(c.App.ErrWriter, nil)
	if c.Bool("log-json") {
		h = slog.NewJSONHandler(c.App.ErrWriter, nil)
	}
	scrub := c.Duration("scrub")
	switch {
	case scrub < 0:
		return fault.New("usage", "--scrub", "a time such as 24h is expected, or 0")
	case scrub == 0:
		scrub = -1
	}
	tuneRuntime()
	n, err := node.Start(node.Config{Cluster: cl, ID: c.String("node"), Now: clock, Scrub: scrub, Passphrase: passphrase(c), Log: slog.New(h)})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "node %s of %s is up\n", n.ID(), n.Origin())
	select {
	case <-c.Context.Done():
		n.Stop(context.WithoutCancel(c.Context)) // the signal has ended it, and leadership is still to be handed over
		fmt.Fprintf(c.App.Writer, "node %s has stopped\n", n.ID())
		return nil
	case <-n.Done():
		return refusal{fmt.Errorf("node %s has stopped by itself: %w", n.ID(), n.Err())}
	}
}

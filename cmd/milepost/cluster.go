package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

func clusterCommand() *cli.Command {
	return &cli.Command{
		Name: "cluster", Usage: "found a cluster and look at it",
		Subcommands: []*cli.Command{
			{
				Name: "genesis", Usage: "found a log: make the keys, the genesis and the trust policy",
				Description: "Reads the cluster file and writes, below its dir: keys/ (mode 0600), founding.json (what every node\n" +
					"begins with; not secret) and trust.policy (what everyone who checks a proof needs).",
				Flags: []cli.Flag{configFlag, dirFlag}, Action: genesis,
			},
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

func genesis(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	f, err := node.Found(cl, time.Now())
	if err != nil {
		return err
	}
	p, err := verify.ParsePolicy([]byte(verify.PolicyText(f.Genesis)))
	if err != nil {
		return err
	}
	out := c.App.Writer
	fmt.Fprintf(out, "Founded %s\n", f.Origin)
	fmt.Fprintf(out, "  fingerprint  %s   publish this where everyone can find it\n", record.Fingerprint(f.Origin))
	fmt.Fprintf(out, "  governors    %d, of whom %d must sign\n", len(cl.Governs.Names), cl.Governs.Threshold)
	fmt.Fprintf(out, "  members      %d\n", len(cl.Members))
	fmt.Fprintf(out, "  quorum       %d of %d nodes; tolerates liars: %d\n", p.Quorum(), p.Of(), p.Tolerates())
	fmt.Fprintf(out, "  keys         %s   secret: move each to its holder\n", cl.Path("keys"))
	fmt.Fprintf(out, "  founding     %s   every node needs it\n", cl.FoundingPath())
	fmt.Fprintf(out, "  policy       %s   everyone who checks a proof needs it\n", cl.PolicyPath())
	if cl.Governs.Threshold == 1 && len(cl.Governs.Names) > 1 {
		fmt.Fprintln(out, "  warning: any single governor can change everything; a threshold above one is safer")
	}
	fmt.Fprintf(out, "Next: milepost node run --config %s --node %s\n", c.String("config"), cl.Nodes[0].ID)
	return nil
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
	var all []*node.Status
	up := 0
	for _, n := range cl.Nodes {
		if only := c.String("node"); only != "" && only != n.ID {
			continue
		}
		client, err := cl.Client(n.ID, c.String("as"), passphrase(c))
		if err != nil {
			return err
		}
		s, err := client.Status(c.Context)
		if err != nil {
			if fault.Code(err) != "unreachable" {
				return err
			}
			s = &node.Status{Node: n.ID, Role: "unreachable"}
		} else {
			up++
		}
		all = append(all, s)
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(all)
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%-12s %-12s %-10s %10s %10s  %-20s %s\n", "NODE", "ROLE", "LEADER", "TREE", "COSIGNED", "AS OF", "QUORUM")
	for _, s := range all {
		if s.Role == "unreachable" {
			fmt.Fprintf(out, "%-12s %-12s\n", s.Node, s.Role)
			continue
		}
		fmt.Fprintf(out, "%-12s %-12s %-10s %10d %10d  %-20s %d of %d, tolerates liars: %d\n", s.Node, s.Role, s.Leader, s.TreeSize, s.Published, s.AsOf, s.Quorum, s.Cosigners, s.Tolerates)
	}
	if up == 0 {
		return refusal{fault.New("unreachable", "", "no node can be reached")}
	}
	return nil
}

func nodeCommand() *cli.Command {
	return &cli.Command{
		Name: "node", Usage: "run a node",
		Subcommands: []*cli.Command{{
			Name: "run", Usage: "run a node until it is told to stop (SIGINT, SIGTERM)",
			Description: "A node that stops by itself says why and exits with status 1: its promises could not be kept.",
			Flags: []cli.Flag{
				configFlag, dirFlag,
				&cli.StringFlag{Name: "node", EnvVars: []string{"MILEPOST_NODE"}, Usage: "which of the cluster's nodes: its `ID`"},
				&cli.BoolFlag{Name: "log-json", EnvVars: []string{"MILEPOST_LOG_JSON"}, Usage: "write the log as JSON lines"},
			},
			Action: runNode,
		}},
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
	n, err := node.Start(node.Config{Cluster: cl, ID: c.String("node"), Passphrase: passphrase(c), Log: slog.New(h)})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "node %s of %s is up\n", n.ID(), n.Origin())
	select {
	case <-c.Context.Done():
		n.Stop(c.Context)
		fmt.Fprintf(c.App.Writer, "node %s has stopped\n", n.ID())
		return nil
	case <-n.Done():
		return refusal{fmt.Errorf("node %s has stopped by itself: %w", n.ID(), n.Err())}
	}
}

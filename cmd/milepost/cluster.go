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
		Name: "cluster", Usage: "found a cluster, look at it, and change its nodes and votes",
		Subcommands: append(append([]*cli.Command{
			{
				Name: "genesis", Usage: "found a log: make the keys, the genesis and the trust policy", Description: genesisHelp,
				Flags: []cli.Flag{configFlag, dirFlag,
					&cli.StringFlag{Name: "collect", Usage: "found a log with founders who sit apart, whose files are gathered in `DIR`"}},
				Action: genesis,
			},
			{Name: "rules", Usage: "write the rules in force as JSON, to be changed and proposed as rules.published", Flags: clientFlags(outFlag), Action: clusterRules},
			statusCommand(),
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
		}, membershipCommands()...), voteCommands()...),
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

// ownNodeFlag names the node that a command is about, not one to ask.
var ownNodeFlag = &cli.StringFlag{Name: "node", EnvVars: []string{"MILEPOST_NODE"}, Usage: "which of the cluster's nodes: its `ID`"}

func nodeCommand() *cli.Command {
	return &cli.Command{
		Name: "node", Usage: "run a node, and look after its data",
		Subcommands: append([]*cli.Command{nodeInitCommand(), {
			Name: "run", Usage: "run a node until it is told to stop (SIGINT, SIGTERM)",
			Description: "A node that stops by itself says why and exits with status 1: its promises could not be kept.",
			Flags: append([]cli.Flag{
				configFlag, dirFlag, ownNodeFlag,
				&cli.BoolFlag{Name: "log-json", EnvVars: []string{"MILEPOST_LOG_JSON"}, Usage: "write the log as JSON lines"},
				&cli.DurationFlag{Name: "scrub", EnvVars: []string{"MILEPOST_SCRUB"}, Value: node.DefaultScrub,
					Usage: "read everything on disk once in this `TIME`, slowly, and look for flipped bits; 0 is not at all"},
				&cli.IntFlag{Name: "min-free", EnvVars: []string{"MILEPOST_MIN_FREE"}, Value: node.DefaultMinFree >> 20,
					Usage: "take records only while this many `MIB` (mebibytes) are free where the data is, and let another node lead otherwise; 0 is no such mark"},
				&cli.IntFlag{Name: "max-requests", EnvVars: []string{"MILEPOST_MAX_REQUESTS"}, Value: node.DefaultMaxRequests,
					Usage: "take `N` requests a second of one member, a tenth of that of an address without a member's key, and a tenth of either once they are refused; 0 is no bound"},
				&cli.StringFlag{Name: "log-level", Value: "info", EnvVars: []string{"MILEPOST_LOG_LEVEL"}, Usage: "the least that is logged: debug, info, warn or error"},
			}, workshopFlags()...),
			Action: runNode,
		}}, dataCommands()...),
	}
}

func runNode(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	cl, id, err := ownNode(c)
	if err != nil {
		return err
	}
	logger, err := newLogger(c)
	if err != nil {
		return err
	}
	scrub := c.Duration("scrub")
	switch {
	case scrub < 0:
		return fault.New("usage", "--scrub", "a time such as 24h is expected, or 0")
	case scrub == 0:
		scrub = -1
	}
	minFree := int64(c.Int("min-free")) << 20
	switch {
	case minFree < 0 || minFree > 1<<50:
		return fault.New("usage", "--min-free", "a number of mebibytes such as 256 is expected, or 0")
	case minFree == 0:
		minFree = -1
	}
	maxRequests := c.Int("max-requests")
	switch {
	case maxRequests < 0:
		return fault.New("usage", "--max-requests", "a number such as 10000 is expected, or 0")
	case maxRequests == 0:
		maxRequests = -1
	}
	workshop, err := workshopConfig(c, cl, id, logger)
	if err != nil {
		return err
	}
	tuneRuntime()
	n, err := node.Start(node.Config{
		Cluster: cl, ID: id, Now: clock, Scrub: scrub, MinFree: minFree, MaxRequests: maxRequests, Passphrase: passphrase(c), Log: logger.With("node", id),
	})
	if err != nil {
		return err
	}
	ended, workshopEnd, err := startWorkshop(c.Context, c, workshop, n)
	if err != nil {
		n.Stop(c.Context)
		return err
	}
	fmt.Fprintf(c.App.Writer, "node %s of %s is up\n", n.ID(), n.Origin())
	select {
	case err := <-ended:
		n.Stop(c.Context)
		return refusal{fmt.Errorf("node %s has stopped: %w", n.ID(), err)}
	case <-c.Context.Done():
		workshopEnd()
		n.Stop(context.WithoutCancel(c.Context)) // the signal has ended it, and leadership is still to be handed over
		fmt.Fprintf(c.App.Writer, "node %s has stopped\n", n.ID())
		return nil
	case <-n.Done():
		return refusal{fmt.Errorf("node %s has stopped by itself: %w", n.ID(), n.Err())}
	}
}

// newLogger makes the log of a node, on standard error.
func newLogger(c *cli.Context) (*slog.Logger, error) {
	level, ok := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.String("log-level")]
	if !ok {
		return nil, fault.New("usage", "--log-level", fmt.Sprintf("%q is none of debug, info, warn and error", c.String("log-level")))
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Bool("log-json") {
		return slog.New(slog.NewJSONHandler(c.App.ErrWriter, options)), nil
	}
	return slog.New(slog.NewTextHandler(c.App.ErrWriter, options)), nil
}

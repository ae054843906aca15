package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

func memberCommand() *cli.Command {
	return &cli.Command{
		Name: "member", Usage: "who takes part, and what the governors decide about it",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "show governors, nodes and members, or one member with its keys and roles", ArgsUsage: "[NAME]",
				Flags: clientFlags(jsonFlag), Action: listMembers,
			},
			requestCommand(), proposeCommand(), signCommand(), applyCommand(), roleCommand(),
		},
	}
}

func listMembers(c *cli.Context) error {
	args, err := operands(c, 0, 1, "at most one member's name")
	if err != nil {
		return err
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		var m *node.MemberAnswer
		if err := again(c, func() (err error) { m, err = s.client.Member(c.Context, args[0], false); return err }); err != nil {
			return err
		}
		if c.Bool("json") {
			return json.NewEncoder(c.App.Writer).Encode(m)
		}
		showMember(c, m)
		return nil
	}
	var g *node.GovernanceAnswer
	var ms []*node.MemberAnswer
	err = again(c, func() (err error) {
		if g, err = s.client.Governance(c.Context, false); err == nil {
			ms, err = s.client.Members(c.Context)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(struct {
			Governance *node.GovernanceAnswer `json:"governance"`
			Members    []*node.MemberAnswer   `json:"members"`
		}{g, ms})
	}
	showGovernance(c, g)
	fmt.Fprintf(c.App.Writer, "\n%-28s %-10s %-24s %s\n", "MEMBER", "KIND", "VALID", "KEYS IN FORCE")
	for _, m := range ms {
		fmt.Fprintf(c.App.Writer, "%-28s %-10s %-24s %s%s\n", m.Name, strings.Join(m.Kinds, ","), validity(m), liveKeys(m), suspendedMark(m))
	}
	return nil
}

func validity(m *node.MemberAnswer) string {
	if m.ValidTo == "" {
		return "from " + m.ValidFrom
	}
	return m.ValidFrom + " to " + m.ValidTo
}

func suspendedMark(m *node.MemberAnswer) string {
	if m.Suspended == nil {
		return ""
	}
	return "; SUSPENDED since " + m.Suspended.Since + " (" + m.Suspended.Reason + ")"
}

// liveKeys counts the keys in force by use.
func liveKeys(m *node.MemberAnswer) string {
	count := map[string]int{}
	for _, k := range m.Keys {
		if k.State == "live" {
			count[k.Use]++
		}
	}
	var parts []string
	for _, use := range []string{verify.UseRecord, verify.UseAdmin, verify.UseTLS} {
		parts = append(parts, fmt.Sprintf("%d %s", count[use], use))
	}
	return strings.Join(parts, ", ")
}

func showGovernance(c *cli.Context, g *node.GovernanceAnswer) {
	out := c.App.Writer
	fmt.Fprintf(out, "Log %s\n", g.Origin)
	if g.Closed != "" {
		fmt.Fprintf(out, "CLOSED; it goes on in %s\n", g.Closed)
	}
	fmt.Fprintf(out, "Rules version %d, feature level %d; %d of %d governors must sign a change.\n\n", g.Rules, g.Level, g.Threshold, len(g.Governors))
	fmt.Fprintf(out, "%-28s %s\n", "GOVERNOR", "KEY")
	for _, v := range g.Governors {
		fmt.Fprintf(out, "%-28s %s\n", v.Name, v.KeyID)
	}
	fmt.Fprintf(out, "\n%-12s %-28s %-24s %s\n", "NODE", "RUN BY", "ADDRESS", "KEYS: LOG, COSIGNER, TLS")
	for _, n := range g.Nodes {
		fmt.Fprintf(out, "%-12s %-28s %-24s %s %s %s\n", n.ID, n.Member, n.Address, keyID(n.Log), keyID(n.Cosigner), keyID(n.TLS))
	}
}

func showMember(c *cli.Context, m *node.MemberAnswer) {
	out := c.App.Writer
	fmt.Fprintf(out, "%s: %s\n", m.Name, m.LegalName)
	fmt.Fprintf(out, "kind       %s\ncountry    %s, zone %s\nvalid      %s\n", strings.Join(m.Kinds, ", "), m.Country, m.Zone, validity(m))
	if len(m.WMI) > 0 {
		fmt.Fprintf(out, "wmi        %s\n", strings.Join(m.WMI, ", "))
	}
	if s := suspendedMark(m); s != "" {
		fmt.Fprintf(out, "state      %s\n", strings.TrimPrefix(s, "; "))
	}
	for _, actor := range sortedKeys(m.Roles) {
		fmt.Fprintf(out, "actor      %s: %s\n", actor, strings.Join(m.Roles[actor], ", "))
	}
	fmt.Fprintf(out, "\n%-10s %-8s %-14s %-8s %s\n", "KEY", "USE", "BOUND TO", "INDEX", "STATE")
	keys := slices.Clone(m.Keys)
	slices.SortStableFunc(keys, func(a, b node.KeyAnswer) int { return strings.Compare(a.Use, b.Use) })
	for _, k := range keys {
		bound := k.Actor
		if k.Device != nil {
			bound = strings.TrimPrefix(strings.TrimSuffix(bound+" "+k.Device.Kind+" "+k.Device.Vehicle, " "), " ")
		}
		state := k.State
		if k.Ended != nil {
			if k.Since != "" {
				state += " since " + k.Since
			}
			state += fmt.Sprintf(", revoked at index %d, reported %s", *k.Ended, k.Reported)
			if k.Fell != "" {
				state += ", fell with key " + k.Fell
			}
		}
		fmt.Fprintf(out, "%-10s %-8s %-14s %-8d %s\n", k.ID, k.Use, bound, k.Index, state)
	}
}

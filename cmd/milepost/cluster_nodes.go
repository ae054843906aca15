package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

var waitFlag = &cli.DurationFlag{Name: "wait", Value: 10 * time.Minute, Usage: "give up watching after this `TIME`; nothing is undone by that"}

// membershipCommands add and remove nodes while the cluster runs.
func membershipCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "add", Usage: "send the governors' record that adds a node, and watch until the node has joined", ArgsUsage: "FILE...|ID",
			Description: "FILE is the proposal of a node.added that all have signed (`member propose node.added`, `member sign`); with the ID of\n" +
				"a node whose record is on the log already it only watches. Start the node itself where it is to run, before or\n" +
				"after: `milepost node run --node ID`. The node has joined when it has a copy of the whole log and its own tree\n" +
				"is that of a head which the quorum signed, by the trust policy here. It has no vote then: `cluster promote`.\n" +
				"Exit status: 0 joined, 1 refused, or not joined in time. Run it again at any time.",
			Flags:  clientFlags(waitFlag),
			Action: func(c *cli.Context) error { return watchNode(c, "node.added/1", (*nodeWatch).joining) },
		},
		{
			Name: "remove", Usage: "send the governors' record that removes a node, and watch until the others do without it", ArgsUsage: "FILE...|ID",
			Description: "FILE is the proposal of a node.removed that all have signed; with the ID of a node whose record is on the log\n" +
				"already it only watches. A voter that the others can't do without is refused (few_voters): start those that are\n" +
				"down, give another node a vote, or take this one's (`cluster demote ID`). The node stops by itself and can't be\n" +
				"started again. Exit status: 0 removed, 1 refused, or not removed in time. Run it again at any time.",
			Flags:  clientFlags(waitFlag),
			Action: func(c *cli.Context) error { return watchNode(c, "node.removed/1", (*nodeWatch).leaving) },
		},
	}
}

// nodeWatch follows a node into the cluster, or out of it.
type nodeWatch struct {
	c       *cli.Context
	s       *session
	id      string
	policy  *verify.Policy // held on this machine
	notes   [][]byte       // to be acknowledged first
	covered uint64         // size of a head that covers them
	said    string         // newest line
	target  uint64         // size that a joining node is to reach
	size    uint64         // of the tree that is compared, once the node has reached the target
	root    string
	draw    func(doing string, done, total uint64)
	endDraw func()
}

func watchNode(c *cli.Context, typ string, look func(*nodeWatch, context.Context) (done bool, err error)) (err error) {
	args, err := operands(c, 1, -1, "a signed proposal, or the id of a node")
	if err != nil {
		return err
	}
	w := &nodeWatch{c: c}
	if err := w.about(args, typ); err != nil {
		return err
	}
	if w.s, err = dial(c, true); err != nil {
		return err
	}
	if w.policy, err = readPolicy(w.s.cluster.PolicyPath()); err != nil {
		return err
	}
	w.draw, w.endDraw = bar(c)
	defer w.endDraw()
	enough := time.NewTimer(c.Duration("wait")) // it looks once at least
	defer enough.Stop()
	for {
		err := w.send(c.Context)
		done := false
		if err == nil {
			done, err = look(w, c.Context)
		}
		switch {
		case done || err != nil && !passing(err):
			return err
		case err != nil:
			w.say("No answer yet: %v.", err)
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-c.Context.Done():
			return c.Context.Err()
		case <-enough.C:
			return refusal{fault.New("not_in_time", "", fmt.Sprintf("given up after %s. Last: %s", c.Duration("wait"), w.said)).
				WithHint("what is on the log stays there; run the command again with the id, `" + c.Command.HelpName + " " + w.id + "`, to go on watching")}
		}
	}
}

// about reads what the arguments name.
func (w *nodeWatch) about(args []string, typ string) error {
	if _, err := os.Stat(args[0]); err != nil && len(args) == 1 && node.ValidID(args[0]) {
		w.id = args[0]
		return nil
	}
	p, err := readCopies(args)
	if err != nil {
		return err
	}
	if r := p.Records[0].Record; len(p.Records) != 1 || r.Type != typ {
		return fault.New("usage", args[0], "a proposal of one "+strings.TrimSuffix(typ, "/1")+" is expected, it holds "+r.Type).
			WithHint("`milepost member apply` sends any")
	}
	note, err := p.Records[0].Note()
	if err != nil {
		return refusal{fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))}
	}
	w.id, w.notes = p.Records[0].Record.Body.Get("id").Str, [][]byte{note}
	return nil
}

// send has the record acknowledged, once. It may need the cosignature of the
// very node that is added: until then the answer is unknown, and the same
// bytes are sent again. Where there is no record to send, all that was
// acknowledged before counts.
func (w *nodeWatch) send(ctx context.Context) error {
	switch {
	case w.covered > 0:
		return nil
	case w.notes == nil:
		data, err := w.s.client.Get(ctx, "/v1/status?consistency=strict")
		if err != nil {
			return err
		}
		var st node.Status
		if err := json.Unmarshal(data, &st); err != nil {
			return fault.New("unexpected", w.s.client.Address, "the node's answer cannot be read").Because(err)
		}
		w.covered = st.Published
		return nil
	}
	ans, err := w.s.client.Submit(ctx, w.notes...)
	switch {
	case err != nil && !passing(err) && !outages[fault.Code(err)]:
		return refusal{err}
	case fault.Code(err) == "unknown":
		return fault.New("unknown", "", "the record has no quorum yet; is node "+w.id+" running, and are all others?")
	case err != nil:
		return err
	}
	w.covered = ans.Size
	w.say("The record is on the log, at log index %d.", *ans.Records[0].Index)
	return nil
}

// passing reports whether an error may be over in a moment.
func passing(err error) bool {
	switch fault.Code(err) {
	case "no_leader", "overloaded", "unknown", "behind", "no_head", "no_quorum", "unreachable", "stopping", "clock":
		return true
	}
	return false
}

// say prints a line when it is another one than before.
func (w *nodeWatch) say(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); line != w.said {
		w.said = line
		fmt.Fprintln(w.c.App.Writer, line)
	}
}

// governed is how the log is governed, by the quorum's word under the trust
// policy of this machine, and a node other than the one watched that knows.
func (w *nodeWatch) governed(ctx context.Context) (*verify.Report, *node.Client, *node.Status, error) {
	nodes, err := nodesNow(ctx, w.s.client)
	if err != nil {
		return nil, nil, nil, err
	}
	err = fault.New("unreachable", "", "no other node answers")
	for _, n := range nodes {
		if n.ID == w.id {
			continue
		}
		client := w.s.client.To(n.Address, n.TLS)
		var st *node.Status
		if st, err = w.status(ctx, client); err != nil {
			continue
		}
		data, err := client.GovernanceProof(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		r := verify.Verify(data, verify.Options{Policy: w.policy, Now: clock(), Subject: record.Governance})
		if r.Failure != nil {
			return nil, nil, nil, refusal{fault.New(fault.Code(r.Failure), n.ID, "what the node says of the nodes is not proven by the trust policy here").Because(r.Failure).
				WithHint("compare " + w.s.cluster.PolicyPath() + " with the one that the consortium publishes")}
		}
		if r.Size < w.covered {
			err = fault.New("behind", n.ID, "it has yet to hear of the record")
			continue
		}
		return r, client, st, nil
	}
	return nil, nil, nil, err
}

func (w *nodeWatch) status(ctx context.Context, client *node.Client) (*node.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return client.Status(ctx)
}

// joining is one look at a node that joins.
func (w *nodeWatch) joining(ctx context.Context) (done bool, err error) {
	r, ref, refStatus, err := w.governed(ctx)
	if err != nil {
		return false, err
	}
	v := r.Governance.Nodes[w.id]
	switch {
	case r.Governance.Gone(w.id):
		return false, refusal{fault.New("node_removed", "", "governance has removed node "+w.id).WithHint("ids are never used again: register a new one")}
	case v == nil:
		return false, refusal{fault.New("node_unknown", "", "governance has registered no node "+w.id).
			WithHint("draft node.added with `milepost member propose`, have it signed, and give its file: docs/operations.md, Add a node")}
	}
	st, err := w.status(ctx, w.s.client.To(v.Address, v.TLS.VKey))
	at := slices.IndexFunc(refStatus.Peers, func(p node.PeerStatus) bool { return p.Node == w.id })
	switch {
	case err != nil && fault.Code(err) != "forbidden": // it has yet to read in the log whose key this is
		w.say("%s is registered and does not answer at %s yet (%s). Start it there: milepost node run --node %s", w.id, v.Address, shortly(err), w.id)
		return false, nil
	case err != nil || at < 0:
		w.say("%s answers, and is about to join.", w.id)
		return false, nil
	}
	if w.target == 0 {
		w.target = r.Size
	}
	if st.Published < w.target {
		w.say("%s is in Raft and catches up.", w.id)
		if w.draw != nil {
			w.draw(w.id+" catches up", st.TreeSize, w.target)
		}
		return false, nil
	}
	if w.size == 0 {
		w.size, w.root = st.TreeSize, st.Root
		w.endDraw()
	}
	if r.Size < w.size {
		w.say("%s has caught up; the next tree head is awaited, to compare.", w.id)
		return false, nil
	}
	root, err := (&publishedHead{ref, &r.Head.Checkpoint}).rootAt(ctx, w.size)
	if err != nil {
		return false, err
	}
	if verify.Hex(root) != w.root {
		return false, refusal{fault.New("root_mismatch", "node "+w.id, fmt.Sprintf("its tree of %d leaves is not that of the log", w.size)).
			WithHint("don't give it a vote; `milepost audit` where it runs says what is wrong")}
	}
	w.say("%s has joined: its tree of %d leaves is that of the head which %d of %d nodes signed.", w.id, w.size, r.Head.Signed, r.Head.Of)
	if st.Cosigned > 0 {
		w.say("It cosigns, at size %d the last time.", st.Cosigned)
	} else {
		w.say("It is asked to cosign from the next head on.")
	}
	if refStatus.Peers[at].Votes {
		w.say("It has a vote.")
	} else {
		w.say("It has no vote, and serves reads and proofs. To give it one: milepost cluster promote %s", w.id)
	}
	return true, nil
}

// leaving is one look at a node that leaves.
func (w *nodeWatch) leaving(ctx context.Context) (done bool, err error) {
	r, _, refStatus, err := w.governed(ctx)
	if err != nil {
		return false, err
	}
	if !r.Governance.Gone(w.id) {
		if r.Governance.Nodes[w.id] == nil {
			return false, refusal{fault.New("node_unknown", "", "governance has registered no node "+w.id)}
		}
		return false, refusal{fault.New("node_registered", "", "node "+w.id+" is registered, and no record removes it").
			WithHint("draft node.removed with `milepost member propose`, have it signed, and give its file: docs/operations.md, Remove a node")}
	}
	if slices.ContainsFunc(refStatus.Peers, func(p node.PeerStatus) bool { return p.Node == w.id }) {
		w.say("%s is registered as removed; the leader takes it out of Raft in a moment.", w.id)
		return false, nil
	}
	voters := 0
	if refStatus.Role != "observer" {
		voters++
	}
	for _, p := range refStatus.Peers {
		if p.Votes {
			voters++
		}
	}
	w.say("%s is no node any more: %d are left, %d of them vote, and %d must sign a tree head.", w.id, len(refStatus.Peers)+1, voters, refStatus.Quorum)
	w.say("It stops by itself if it runs, and can't be started again. Take it out of everyone's cluster.toml, and publish the\ntrust policy of `milepost cluster policy`.")
	return true, nil
}

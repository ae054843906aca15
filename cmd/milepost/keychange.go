package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// keyChangeCommands change which keys of a member count: what its own
// administrators may do without the governors.
func keyChangeCommands() []*cli.Command {
	reason := &cli.StringFlag{Name: "reason", Usage: "retired, lost or compromised"}
	since := &cli.StringFlag{Name: "since", Usage: "with compromised: since what `TIME`, such as 2026-05-04T10:00:00Z; a member's own report reaches back 30 days"}
	return []*cli.Command{
		{
			Name: "add", Usage: "register one more key of a member", ArgsUsage: "[KEYFILE]",
			Description: "The key file is made if it is not there. Where the key is held by somebody else, who sends a request for it\n" +
				"(`milepost member request key`), give that instead of the file.",
			Flags:  adminFlags(append(keyFlags(), &cli.StringFlag{Name: "request", Usage: "the request `FILE` of whoever holds the key"})...),
			Action: addKey,
		},
		{
			Name: "rotate", Usage: "exchange a key of a member: register a new one and retire the old one, with no restart",
			Description: "Both records are sent at once; for a TLS key the second goes over a connection with the new key. The new file takes\n" +
				"the place of the old one, which is set aside. If it breaks off, the same command goes on where it stopped.",
			Flags: adminFlags(
				&cli.StringFlag{Name: "use", Value: keyfile.UseRecord, Usage: "which key: record, admin or tls"},
				&cli.StringFlag{Name: "actor", Usage: "of which `ACTOR`, where the key is bound to one"},
				&cli.StringFlag{Name: "reason", Value: "retired", Usage: "of the old one: retired, lost or compromised"}, since),
			Action: rotateKey,
		},
		{
			Name: "revoke", Usage: "have a key of a member count no more", ArgsUsage: "KEYID",
			Description: "In force from the next record on. What the key signed before stays valid; every proof file says what became of it.",
			Flags:       adminFlags(reason, since), Action: revokeKey,
		},
	}
}

func addKey(c *cli.Context) error {
	args, err := operands(c, 0, 1, "one key file")
	if err != nil {
		return err
	}
	use, actor := c.String("use"), c.String("actor")
	if (len(args) == 1) == (c.String("request") != "") && !(len(args) == 0 && actor != "") {
		return fault.New("usage", "", "which key?").WithHint("give a key file, which is made if it is not there, or --request FILE")
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	q, made := (*node.Request)(nil), ""
	if path := c.String("request"); path != "" {
		if q, err = readRequest(path); err != nil {
			return err
		}
		if q.Kind != node.AskKey || q.Name != a.member.Name || q.Origin != a.sit.auth.Origin {
			return fault.New("request_other", path, "it is no request for a key of "+a.member.Name+" in this log: "+describeRequest(q))
		}
	} else {
		// A key that is bound to an actor has its place below the cluster's dir.
		path := a.s.cluster.KeyPath(a.member.Name+"/"+actor, use)
		if len(args) == 1 {
			path = args[0]
		}
		k, isNew, err := node.KeyAt(path, use, a.member.Name, passphrase(c))
		if err != nil {
			return err
		}
		if isNew {
			made = path
		}
		if q, err = keyRequest(c, k, a.sit.auth.Origin); err != nil {
			return err
		}
	}
	if err := a.add("key.added/1", without(q.Body(), "name")); err != nil {
		return err
	}
	if made != "" {
		fmt.Fprintf(c.App.ErrWriter, "milepost: made %s: keep it secret\n", made)
	}
	return a.send()
}

func revocation(id, reason, since string) jcs.Value {
	body := jcs.Make(jcs.Field{Name: "key_id", Value: jcs.Text(id)}, jcs.Field{Name: "reason", Value: jcs.Text(reason)})
	if since != "" {
		body = body.With("since", jcs.Text(since))
	}
	return body
}

func revokeKey(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one key ID")
	if err != nil {
		return err
	}
	if c.String("reason") == "" {
		return fault.New("usage", "--reason", "why?").WithHint("add --reason retired, lost or compromised; with compromised also --since TIME")
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	if _, err := keyOf(a.member, args[0]); err != nil {
		return err
	}
	if err := a.add("key.revoked/1", revocation(args[0], c.String("reason"), c.String("since"))); err != nil {
		return err
	}
	return a.send()
}

func rotateKey(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	use, actor := c.String("use"), c.String("actor")
	if use == keyfile.UseAdmin && actor == "" {
		actor = a.actor
	}
	holder := a.member.Name
	if actor != "" {
		holder += "/" + actor
	}
	if use == keyfile.UseAdmin && actor == a.actor && c.String("reason") == "compromised" {
		return fault.New("usage", "--admin", "a compromised admin key must not register its own successor, which would share its fate").
			WithHint("have another administrator sign: --admin OTHER --actor " + actor)
	}
	cl := a.s.cluster
	nextPath := cl.NextKeyPath(holder, use)
	if err := a.mendPromotion(holder, use); err != nil {
		return err
	}
	old, err := a.registered(cl.KeyPath(holder, use), use)
	if err != nil {
		return err
	}
	if old == nil {
		return fault.New("key_unknown", cl.KeyPath(holder, use), "the log does not know this key of "+a.member.Name).
			WithHint("`milepost key add` registers a key, `milepost key revoke` ends one whose file is lost")
	}
	next, _, err := node.KeyAt(nextPath, use, a.member.Name, passphrase(c))
	if err != nil {
		return err
	}
	public, err := next.Public()
	if err != nil {
		return err
	}
	// What is on the log already was sent by a run that broke off.
	if a.byPublic(public) == nil {
		q := &node.Request{Kind: node.AskKey, Name: a.member.Name, Origin: a.sit.auth.Origin, Details: jcs.Make()}
		device := jcs.Value{}
		if d := old.Device; d != nil {
			device = jcs.Make(jcs.Field{Name: "kind", Value: jcs.Text(d.Kind)})
			if d.Vehicle != "" {
				device = device.With("vehicle", jcs.Text(d.Vehicle))
			}
		}
		if err := q.Add(next, old.Actor, device); err != nil {
			return err
		}
		if err := a.add("key.added/1", without(q.Body(), "name")); err != nil {
			return err
		}
		if use == keyfile.UseTLS {
			// The revocation ends the connections of the old key, and with them
			// the answer: it goes over one with the new key.
			if err := a.send(); err != nil {
				return err
			}
		}
	}
	if use == keyfile.UseTLS {
		id, err := next.TLS()
		if err != nil {
			return err
		}
		a.s.client = a.s.client.As(id)
	}
	if old.Live() {
		if err := a.add("key.revoked/1", revocation(old.ID, c.String("reason"), c.String("since"))); err != nil {
			return err
		}
	}
	if len(a.notes) > 0 {
		if err := a.send(); err != nil {
			return err
		}
	}
	former, err := cl.PromoteKey(holder, use, old.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "The new key, %s, is in %s.\nThe old one counts no more; its file is %s.\n", keyID(public), cl.KeyPath(holder, use), former)
	return nil
}

// mendPromotion ends what a run that broke off at the very end left: the old
// file set aside and the new one not yet in its place.
func (a *administration) mendPromotion(holder, use string) error {
	cl := a.s.cluster
	if _, err := os.Stat(cl.KeyPath(holder, use)); err == nil {
		return nil
	}
	if k, err := a.registered(cl.NextKeyPath(holder, use), use); err == nil && k != nil {
		_, err := cl.PromoteKey(holder, use, "former")
		return err
	}
	return nil
}

// registered returns the member's key, as the log has it, whose file is at a
// path; nil if the log has it not.
func (a *administration) registered(path, use string) (*verify.Key, error) {
	k, err := keyfile.ReadKeyFile(path, passphrase(a.c))
	if err != nil {
		if _, missing := os.Stat(path); missing != nil {
			return nil, fault.New("key_file", path, "there is no such key file").
				WithHint("without it `milepost key add` registers a new key, and `milepost key revoke KEYID --reason lost` ends the old one")
		}
		return nil, err
	}
	if k.Use != use || k.Name != a.member.Name {
		return nil, fault.New("key_file", path, fmt.Sprintf("it is the %s key of %s", k.Use, k.Name))
	}
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	return a.byPublic(public), nil
}

func (a *administration) byPublic(public string) *verify.Key {
	for _, k := range a.member.Keys {
		if k.VKey == public {
			return k
		}
	}
	return nil
}

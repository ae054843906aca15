package main

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// adminFlags are the flags of what a member's own administrators do.
func adminFlags(more ...cli.Flag) []cli.Flag {
	return clientFlags(append([]cli.Flag{
		&cli.StringFlag{Name: "admin", EnvVars: []string{"MILEPOST_ADMIN"}, Usage: "the administrator, an `ACTOR` of the member, who signs"},
		&cli.StringFlag{Name: "admin-key", Usage: "the administrator's key `FILE`, instead of the cluster directory's"},
	}, more...)...)
}

// administration is what one administrator of a member signs at once: records
// of the member's history, each naming the one before.
type administration struct {
	c      *cli.Context
	s      *session
	sit    *situation
	member *verify.Member
	actor  string
	signer certs.Signer
	notes  [][]byte
	said   []string
}

// administer asks a node for the member's present state and reads the
// administrator's key.
func administer(c *cli.Context) (*administration, error) {
	s, err := dial(c, true)
	if err != nil {
		return nil, err
	}
	a := &administration{c: c, s: s, actor: c.String("admin")}
	if a.sit, err = s.situation(c, s.member); err != nil {
		return nil, err
	}
	if a.member, err = a.sit.member(s.member); err != nil {
		return nil, err
	}
	if a.actor == "" {
		return nil, fault.New("usage", "--admin", "which administrator signs?").
			WithHint("add --admin ACTOR; the administrators of " + s.member + " are " + strings.Join(a.member.Administrators(), ", "))
	}
	path := c.String("admin-key")
	if path == "" {
		path = s.cluster.KeyPath(s.member+"/"+a.actor, keyfile.UseAdmin)
	}
	k, err := keyfile.ReadKeyFile(path, passphrase(c))
	if err != nil {
		return nil, err
	}
	if k.Use != keyfile.UseAdmin {
		return nil, fault.New("key_use", path, fmt.Sprintf("it is a key for the use %q: an admin key is needed", k.Use))
	}
	a.signer, err = k.Signer()
	return a, err
}

// add drafts and signs one more record, and refuses what the log would.
func (a *administration) add(typ string, body jcs.Value) error {
	now := clock()
	id, err := record.NewUUIDv7(now, rand.Reader)
	if err != nil {
		return err
	}
	draft := record.Draft{
		Actor: a.actor, Author: a.member.Name, Body: body.With("name", jcs.Text(a.member.Name)).With("prev", jcs.Text(a.member.Last)),
		Captured: record.FormatUTC(now), EventTime: record.FormatUTC(now), ID: id, Origin: a.sit.auth.Origin, Precision: "second",
		Subjects: []string{record.MemberSubject(a.member.Name)}, Type: typ,
	}
	text, err := draft.Text()
	if err != nil {
		return err
	}
	p, err := record.Propose(text, a.signer.VKey())
	if err != nil {
		return err
	}
	if err := a.sit.refused(p); err != nil {
		return refusal{fault.New(fault.Code(err), "", "the log would refuse this").Because(err).WithHint(fault.Hint(err))}
	}
	note, err := record.Sign(text, a.signer)
	if err != nil {
		return err
	}
	r, err := record.Open(note)
	if err != nil {
		return err
	}
	a.said = append(a.said, short(r))
	a.sit.apply(r)
	a.member = a.sit.auth.Members[a.member.Name] // as it is then
	a.notes = append(a.notes, note)
	return nil
}

// short says in a word or two what an administrator has just asked for.
func short(r *record.Record) string {
	b := r.Body
	what := strings.TrimSuffix(r.Type, "/1")
	switch r.Type {
	case "key.added/1":
		return what + " " + keyID(b.Get("key").Str)
	case "key.revoked/1":
		return fmt.Sprintf("%s %s (%s)", what, b.Get("key_id").Str, b.Get("reason").Str)
	}
	return fmt.Sprintf("%s %s %s", what, b.Get("actor").Str, b.Get("role").Str)
}

// send submits what was signed in one go, and says what became of it.
func (a *administration) send() error {
	ans, err := submit(a.c, a.s.client, a.notes)
	if err != nil {
		return err
	}
	a.notes = nil
	said := a.said
	a.said = nil
	return printAnswers(a.c, ans, said)
}

func roleCommand() *cli.Command {
	change := func(typ string) cli.ActionFunc {
		return func(c *cli.Context) error {
			args, err := operands(c, 2, 2, "an actor and a role")
			if err != nil {
				return err
			}
			a, err := administer(c)
			if err != nil {
				return err
			}
			body := jcs.Make(jcs.Field{Name: "actor", Value: jcs.Text(args[0])}, jcs.Field{Name: "role", Value: jcs.Text(args[1])})
			if err := a.add(typ, body); err != nil {
				return err
			}
			return a.send()
		}
	}
	return &cli.Command{
		Name: "role", Usage: "what an actor inside a member may do, signed by an administrator",
		Subcommands: []*cli.Command{
			{Name: "grant", Usage: "give an actor a role", ArgsUsage: "ACTOR ROLE", Flags: adminFlags(), Action: change("role.granted/1"),
				Description: "Roles: administrator, technician, appraiser, customer, financier, support, arbitrator. A role counts through the\n" +
					"keys that are bound to the actor."},
			{Name: "revoke", Usage: "take a role from an actor", ArgsUsage: "ACTOR ROLE", Flags: adminFlags(), Action: change("role.revoked/1"),
				Description: "At least two administrators always remain."},
		},
	}
}

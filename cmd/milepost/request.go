package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

func requestCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{configFlag, dirFlag, nodeFlag, asFlag, outFlag,
			&cli.StringFlag{Name: "origin", Usage: "the `ORIGIN` of the log (default: that of the founding file)"}}, more...)
	}
	renew := &cli.BoolFlag{Name: "renew", Usage: "make a new key, FILE.next.key, that is to take the place of the present one"}
	return &cli.Command{
		Name: "request", Usage: "ask to become a member, a node or a governor, or for a key: write a file for the governors",
		Description: "The file holds the public halves of keys and proofs of possession, and no secret. Key files are those below the\n" +
			"cluster's dir; those that are missing are made (mode 0600). A member that wants passphrases makes them first,\n" +
			"with `milepost key new --passphrase`.",
		Subcommands: []*cli.Command{
			{
				Name: "member", Usage: "a firm asks to become a member", ArgsUsage: "NAME [FIELD=VALUE...]",
				Description: "Fields: legal_name, kind, country, zone; and wmi, tax_id, calendar where they apply. For example\n" +
					"  milepost member request member dealer.example/oslo legal_name='Oslo Bil AS' kind=DLR country=NO zone=Europe/Oslo --admins chief,deputy\n" +
					"A member that stands in the cluster file needs neither fields nor --admins.",
				Flags:  flags(&cli.StringFlag{Name: "admins", Usage: "its administrators, two at least: `a,b`"}),
				Action: func(c *cli.Context) error { return request(c, node.AskMember) },
			},
			{
				Name: "node", Usage: "a member asks to run a node, or for other keys of one", ArgsUsage: "ID",
				Flags: flags(
					&cli.StringFlag{Name: "member", Usage: "the `MEMBER` that runs it (default: as in the cluster file)"},
					&cli.StringFlag{Name: "address", Usage: "`HOST:PORT` that the others reach (default: as in the cluster file)"},
					&cli.StringFlag{Name: "renew", Usage: "make new keys for these `USES` of a node that runs: log,cosigner,tls"}),
				Action: func(c *cli.Context) error { return request(c, node.AskNode) },
			},
			{
				Name: "governor", Usage: "a person asks to become a governor, or for another key", ArgsUsage: "NAME", Flags: flags(renew),
				Description: "Before a log is founded there is no origin, and the request has no proof of possession: the governor's\n" +
					"signature under the genesis takes its place.",
				Action: func(c *cli.Context) error { return request(c, node.AskGovernor) },
			},
			{
				Name: "key", Usage: "a member asks for one more key: of its administrators, or of the governors when it has none left", ArgsUsage: "KEYFILE",
				Flags:  flags(keyFlags()...),
				Action: func(c *cli.Context) error { return request(c, node.AskKey) },
			},
		},
	}
}

// keyFlags say what a new key of a member is for and bound to.
func keyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "use", Value: keyfile.UseRecord, Usage: "what the key is for: record, admin or tls"},
		&cli.StringFlag{Name: "actor", Usage: "the `ACTOR` inside the member that it is bound to"},
		&cli.StringFlag{Name: "device", Usage: "the device that a record key is bound to: telematics, obd or camera, and :VIN if it is of one vehicle"},
	}
}

func readRequest(path string) (*node.Request, error) {
	data, err := readCapped(path, node.MaxRequest)
	if err != nil {
		return nil, err
	}
	q, err := node.ParseRequest(data)
	if err != nil {
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
	}
	return q, nil
}

// requestCluster is the cluster file, or none: who asks may not have it yet.
func requestCluster(c *cli.Context) (*node.Cluster, error) {
	if _, err := os.Stat(c.String("config")); errors.Is(err, fs.ErrNotExist) && !c.IsSet("config") {
		cl := &node.Cluster{}
		dir := c.String("dir")
		if dir == "" {
			dir = "."
		}
		cl.SetDir(dir)
		return cl, nil
	}
	return loadCluster(c)
}

// asking is one request in the making.
type asking struct {
	c      *cli.Context
	cl     *node.Cluster
	origin string
	made   []string // key files that were not there
}

func request(c *cli.Context, kind string) error {
	max := 1
	if kind == node.AskMember {
		max = -1
	}
	args, err := operands(c, 1, max, map[string]string{
		node.AskMember: "a name and fields", node.AskNode: "a node's id", node.AskGovernor: "a name", node.AskKey: "one key file"}[kind])
	if err != nil {
		return err
	}
	a := &asking{c: c}
	if a.cl, err = requestCluster(c); err != nil {
		return err
	}
	if a.origin = c.String("origin"); a.origin == "" {
		if _, err := os.Stat(a.cl.FoundingPath()); err == nil {
			if a.origin, err = originOf(a.cl); err != nil {
				return err
			}
		}
	}
	if a.origin == "" && kind != node.AskGovernor {
		return fault.New("usage", "--origin", "for which log?").WithHint("add --origin ORIGIN, or copy the founding file to " + a.cl.FoundingPath())
	}
	var q *node.Request
	switch kind {
	case node.AskMember:
		q, err = a.member(args[0], args[1:])
	case node.AskNode:
		q, err = a.node(args[0])
	case node.AskGovernor:
		q, err = node.NewRequest(kind, args[0], a.origin, jcs.Make(), nil, a.source(c.Bool("renew")))
	case node.AskKey:
		q, err = a.key(args[0])
	}
	if err != nil {
		return err
	}
	for _, file := range a.made {
		fmt.Fprintf(c.App.ErrWriter, "milepost: made %s: keep it secret, and a copy in a safe place\n", file)
	}
	file := c.String("o")
	if err := write(c, file, q.Bytes()); err != nil || file == "" || file == "-" {
		return err
	}
	out := c.App.Writer
	fmt.Fprintf(out, "%s: a request for %s\n", file, describeRequest(q))
	fmt.Fprintf(out, "Send it to those who decide; it holds no secret. Let them compare the key IDs by telephone:\n")
	for _, k := range q.Keys {
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("  %-8s  %-9s %s", keyID(k.Public), k.Use, k.Actor), " "))
	}
	return nil
}

func describeRequest(q *node.Request) string {
	if q.Origin == "" {
		return q.Kind + " " + q.Name + " in a log that is yet to be founded"
	}
	return q.Kind + " " + q.Name + " in " + logName(q.Origin)
}

// logName is how a person knows a log: its name and its fingerprint.
func logName(origin string) string {
	name, _ := path.Split(origin)
	return fmt.Sprintf("%s, fingerprint %s", strings.TrimSuffix(name, "/"), record.Fingerprint(origin))
}

// source finds or makes key files in their places; next: those that are to
// take the place of others.
func (a *asking) source(next bool) node.KeySource {
	return func(holder, use, name string) (*keyfile.Key, error) {
		path := a.cl.KeyPath(holder, use)
		if next {
			path = a.cl.NextKeyPath(holder, use)
			if _, err := os.Stat(path); err == nil {
				if err := a.settle(holder, use, path); err != nil {
					return nil, err
				}
			}
		}
		return a.at(path, use, name)
	}
}

// settle looks at a next key file that is there already. If the log has it in
// force, an earlier exchange is over: it takes its place, and room is made
// for the next one. If not, it is the key of a request that is under way.
func (a *asking) settle(holder, use, path string) error {
	next, err := keyfile.ReadKeyFile(path, passphrase(a.c))
	if err != nil {
		return err
	}
	public, err := next.Public()
	if err != nil {
		return err
	}
	if a.c.String("as") == "" {
		return fault.New("usage", "--as", path+" is there already, and only a node can tell whether it is in force").
			WithHint("add --as MEMBER, so that a node is asked")
	}
	s, err := dial(a.c, true)
	if err != nil {
		return err
	}
	g, err := s.client.Governance(a.c.Context, false)
	if err != nil {
		return err
	}
	inForce := false
	for _, n := range g.Nodes {
		inForce = inForce || public == n.Log || public == n.Cosigner || public == n.TLS
	}
	for _, v := range g.Governors {
		inForce = inForce || public == v.Key
	}
	if !inForce {
		fmt.Fprintf(a.c.App.ErrWriter, "milepost: %s is there already and not in force yet: it is asked for again\n", path)
		return nil
	}
	now, err := keyfile.ReadKeyFile(a.cl.KeyPath(holder, use), passphrase(a.c))
	if err != nil {
		return err
	}
	was, err := now.Public()
	if err != nil {
		return err
	}
	former, err := a.cl.PromoteKey(holder, use, keyID(was))
	if err == nil {
		fmt.Fprintf(a.c.App.ErrWriter, "milepost: %s is in force and now %s; the one before is %s\n", path, a.cl.KeyPath(holder, use), former)
	}
	return err
}

func (a *asking) at(path, use, name string) (*keyfile.Key, error) {
	k, made, err := node.KeyAt(path, use, name, passphrase(a.c))
	if made && err == nil {
		a.made = append(a.made, path)
	}
	return k, err
}

func (a *asking) member(name string, args []string) (*node.Request, error) {
	details, admins := jcs.Make(), splitNames(a.c.String("admins"))
	for i := range a.cl.Members {
		if m := &a.cl.Members[i]; m.Name == name {
			details = m.Details()
			if len(admins) == 0 {
				admins = m.Admins
			}
		}
	}
	details, err := fields(record.Lookup("member.admitted/1"), details, args)
	if err != nil {
		return nil, err
	}
	for _, f := range []string{"country", "kind", "legal_name", "zone"} {
		if !details.Has(f) {
			return nil, fault.New("usage", f, "this field is missing").WithHint("add " + f + "=VALUE; `milepost member request member --help` has an example")
		}
	}
	if len(admins) < 2 {
		return nil, fault.New("usage", "--admins", "a member has at least two administrators").WithHint("add --admins a,b")
	}
	return node.NewRequest(node.AskMember, name, a.origin, details, admins, a.source(false))
}

func (a *asking) node(id string) (*node.Request, error) {
	n := node.NodeConfig{ID: id}
	for _, have := range a.cl.Nodes {
		if have.ID == id {
			n = have
		}
	}
	if m := a.c.String("member"); m != "" {
		n.Member = m
	}
	if addr := a.c.String("address"); addr != "" {
		n.Address = addr
	}
	if uses := splitNames(a.c.String("renew")); len(uses) > 0 {
		return a.renewNode(n, uses)
	}
	if n.Member == "" || n.Address == "" {
		return nil, fault.New("usage", "--member, --address", "who runs the node, and where do the others reach it?")
	}
	return node.NewRequest(node.AskNode, id, a.origin, n.Details(), nil, a.source(false))
}

// renewNode asks for other keys of a node: its new ones alone are in it.
func (a *asking) renewNode(n node.NodeConfig, uses []string) (*node.Request, error) {
	q := &node.Request{Kind: node.AskNode, Name: n.ID, Origin: a.origin, Details: jcs.Make()}
	// Only what is said on the command line changes beside the keys.
	if m := a.c.String("member"); m != "" {
		q.Details = q.Details.With("member", jcs.Text(m))
	}
	if addr := a.c.String("address"); addr != "" {
		q.Details = q.Details.With("address", jcs.Text(addr))
	}
	for _, use := range uses {
		if use != keyfile.UseLog && use != keyfile.UseCosigner && use != keyfile.UseTLS {
			return nil, fault.New("usage", "--renew", fmt.Sprintf("%q is none of log, cosigner and tls", use))
		}
		k, err := a.source(true)("node/"+n.ID, use, node.RequestKeyName(node.AskNode, a.origin, n.ID, use))
		if err != nil {
			return nil, err
		}
		if err := q.Add(k, "", jcs.Value{}); err != nil {
			return nil, err
		}
	}
	return q, q.Check()
}

func (a *asking) key(path string) (*node.Request, error) {
	member := a.c.String("as")
	if member == "" {
		return nil, fault.New("usage", "--as", "whose key is it to be?").WithHint("add --as MEMBER")
	}
	k, err := a.at(path, a.c.String("use"), member)
	if err != nil {
		return nil, err
	}
	return keyRequest(a.c, k, a.origin)
}

// keyRequest makes the request for one key of a member, with what the flags
// say that it is bound to.
func keyRequest(c *cli.Context, k *keyfile.Key, origin string) (*node.Request, error) {
	device := jcs.Value{}
	if d := c.String("device"); d != "" {
		kind, vin, _ := strings.Cut(d, ":")
		device = jcs.Make(jcs.Field{Name: "kind", Value: jcs.Text(kind)})
		if vin != "" {
			device = device.With("vehicle", jcs.Text(vin))
		}
	}
	q := &node.Request{Kind: node.AskKey, Name: k.Name, Origin: origin, Details: jcs.Make()}
	if err := q.Add(k, c.String("actor"), device); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	return q, nil
}

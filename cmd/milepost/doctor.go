package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "look for what is wrong with this machine's node and its surroundings, and say what to do",
		Description: "Checks the cluster file, the founding and the policy, keys, ports, disk, clock and the other nodes. It changes nothing.\n" +
			"Each line is ok, a warning or wrong; the exit status is 0 if all are ok, 1 if there are warnings, 2 if something is wrong.\n" +
			"Without --node it looks at the node whose keys are here.",
		Flags: []cli.Flag{configFlag, dirFlag, ownNodeFlag, asFlag, jsonFlag},
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			d := &doctor{c: c}
			d.examine()
			return d.report()
		},
	}
}

// States of a doctor's line, from good to bad.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateWrong   = "wrong"
)

// diagnosis is one line of the doctor.
type diagnosis struct {
	State string `json:"state"` // ok, warning or wrong
	About string `json:"about"` // config, founding, policy, keys, port, disk, clock, peer, tree, version
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"` // what to do
}

// doctor examines one machine. What a later check needs and an earlier one
// did not find is nil.
type doctor struct {
	c        *cli.Context
	cl       *node.Cluster
	founding *node.Founding
	id       string            // of this machine's node; "" if there is none
	met      *session          // with a node that answers
	now      []node.NodeAnswer // the nodes as the log has them in force

	lines []diagnosis
}

func (d *doctor) say(state, about, do, format string, args ...any) {
	d.lines = append(d.lines, diagnosis{state, about, fmt.Sprintf(format, args...), do})
}

func (d *doctor) ok(about, format string, args ...any) { d.say(stateOK, about, "", format, args...) }

// fails says what is wrong, with the hint of the error as what to do.
func (d *doctor) fails(about string, err error) {
	d.say(stateWrong, about, fault.Hint(err), "%s [%s]", err, fault.Code(err))
}

func (d *doctor) examine() {
	var err error
	if d.cl, err = loadCluster(d.c); err != nil {
		d.fails("config", err)
		return
	}
	d.ok("config", "%s: %s, %d members, %d nodes", d.c.String("config"), d.cl.Name, len(d.cl.Members), len(d.cl.Nodes))
	for _, name := range strangers() {
		d.say(stateWarning, "config", "correct the name, or unset it", "the environment has %s, which is none of milepost's", name)
	}
	d.checkFounding()
	d.findNode()
	d.meet()
	if d.id != "" {
		d.checkAddress()
		d.checkKeys()
		d.checkDisk()
		d.checkPort()
	}
	if d.founding != nil {
		d.checkPeers()
	}
}

func (d *doctor) checkFounding() {
	var err error
	if d.founding, err = node.ReadFounding(d.cl.FoundingPath()); err != nil {
		d.founding = nil
		d.fails("founding", err)
	} else {
		d.ok("founding", "%s", logName(d.founding.Origin))
		if name, _, _ := strings.Cut(strings.TrimPrefix(d.founding.Origin, d.cl.Name), "/"); name != "" {
			d.say(stateWrong, "founding", "cluster file and founding file must belong together", "it is of %s, the cluster file of %s", d.founding.Origin, d.cl.Name)
		}
	}
	p, err := readPolicy(d.cl.PolicyPath())
	switch {
	case err != nil:
		d.fails("policy", err)
		return
	case d.founding != nil && p.Logs()[0].Name() != d.founding.Origin:
		d.say(stateWrong, "policy", "get the policy of this log: `milepost cluster policy`", "it is of %s", p.Logs()[0].Name())
	case p.Tolerates() == 0:
		d.say(stateWarning, "policy", "see docs/governance.md on nodes and quorum", "%d of %d nodes: it tolerates no lying node", p.Quorum(), p.Of())
	default:
		d.ok("policy", "%d of %d nodes, tolerates liars: %d", p.Quorum(), p.Of(), p.Tolerates())
	}
}

// findNode finds out which node this machine runs.
func (d *doctor) findNode() {
	if d.id = d.c.String("node"); d.id != "" {
		if _, err := d.cl.Node(d.id); err != nil {
			d.fails("config", err)
			d.id = ""
		}
		return
	}
	var here []string
	for _, n := range d.cl.Nodes {
		if _, err := os.Stat(d.cl.KeyPath("node/"+n.ID, keyfile.UseTLS)); err == nil {
			here = append(here, n.ID)
		}
	}
	switch len(here) {
	case 0:
		d.say(stateWarning, "keys", "`milepost node init` sets a node up; with --node ID its missing keys are named", "no node's keys are in %s: only the others are looked at", d.cl.Path("keys"))
	case 1:
		d.id = here[0]
	default:
		d.say(stateWarning, "keys", "name one with --node; on real machines each node has its own keys only", "the keys of %s are all here: %s is looked at", strings.Join(here, ", "), here[0])
		d.id = here[0]
	}
}

// registered is the node as the founding has it, or "" for each key if it
// was added later.
func (d *doctor) registered(use string) string {
	if d.founding == nil {
		return ""
	}
	for _, n := range d.founding.Genesis.Body.Get("nodes").List {
		if n.Get("id").Str == d.id {
			return n.Get(use + "_key").Str
		}
	}
	return ""
}

func (d *doctor) checkKeys() {
	if info, err := os.Stat(d.cl.Path("keys")); err == nil && info.Mode().Perm()&0o022 != 0 {
		d.say(stateWrong, "keys", "chmod 700 "+d.cl.Path("keys"), "others may put files into %s", d.cl.Path("keys"))
	}
	entry, _ := d.cl.Node(d.id)
	now := d.keysNow()
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		path := d.cl.KeyPath("node/"+d.id, use)
		k, err := keyfile.ReadKeyFile(path, passphrase(d.c))
		if err != nil {
			d.fails("keys", err)
			continue
		}
		public, err := k.Public()
		if err != nil {
			d.fails("keys", err)
			continue
		}
		_, nextErr := os.Stat(d.cl.NextKeyPath("node/"+d.id, use))
		switch want, known := now[use]; {
		case known && want != public:
			if next, err := keyfile.ReadKeyFile(d.cl.NextKeyPath("node/"+d.id, use), passphrase(d.c)); err == nil {
				if p, _ := next.Public(); p == want {
					d.ok("keys", "%s of %s: the next one, %s, is in force", use, d.id, keyID(want))
					continue
				}
			}
			d.say(stateWrong, "keys", "find the file of that key, or ask the governors to register this one (docs/governance.md)", "%s of %s is %s, the log has %s in force", use, d.id, keyID(public), keyID(want))
		case !known && d.registered(use) != "" && d.registered(use) != public:
			d.say(stateWarning, "keys", "ask again while a node can be reached", "%s of %s is %s, the founding has %s: it may have been exchanged since", use, d.id, keyID(public), keyID(d.registered(use)))
		case nextErr == nil:
			d.say(stateWarning, "keys", "it takes effect once the governors have registered it", "a next %s key of %s waits", use, d.id)
		default:
			d.ok("keys", "%s of %s: %s", use, d.id, keyID(public))
		}
	}
	if _, err := keyfile.ReadKeyFile(d.cl.KeyPath(entry.Member, keyfile.UseRecord), passphrase(d.c)); errors.Is(err, os.ErrNotExist) {
		d.say(stateWarning, "keys", "put the member's record key beside the node's, if others are to read by grant here", "the record key of %s is not here: reads by grant are refused", entry.Member)
	} else if err != nil {
		d.fails("keys", err)
	}
}

// checkAddress holds the address that the cluster file has for this node
// against the log's, at which the others look for it.
func (d *doctor) checkAddress() {
	for _, n := range d.now {
		if entry, err := d.cl.Node(d.id); err == nil && n.ID == d.id && n.Address != entry.Address {
			d.say(stateWarning, "config", "set the address in its [[node]] and restart it, or have the governors change the record: docs/operations.md, Change an address",
				"the log says that %s is at %s, the cluster file says %s", d.id, n.Address, entry.Address)
		}
	}
}

// meet finds a node that answers, and asks it for the nodes of now.
func (d *doctor) meet() {
	var err error
	if d.met, err = d.session(); err != nil {
		d.met = nil
		return
	}
	d.now, _ = nodesNow(d.c.Context, d.met.client) // none: those of the founding are taken
}

// keysNow are the node's public keys as the log has them in force, by use;
// empty if no node could be asked.
func (d *doctor) keysNow() map[string]string {
	for _, n := range d.now {
		if n.ID == d.id {
			return map[string]string{keyfile.UseLog: n.Log, keyfile.UseCosigner: n.Cosigner, keyfile.UseTLS: n.TLS}
		}
	}
	return nil
}

// session comes as the member of --as, or as this machine's node itself: by
// its TLS key in use or by the next one, which may be in force already.
func (d *doctor) session() (*session, error) {
	if d.c.String("as") != "" || d.id == "" {
		return dialNamed(d.c, true, "")
	}
	identities, err := (&session{cluster: d.cl, member: "node/" + d.id}).identities(d.c)
	if err != nil {
		return nil, err
	}
	for _, n := range d.cl.Nodes {
		for _, identity := range identities {
			client, err := d.cl.ClientAs(n.ID, identity)
			if err != nil {
				continue
			}
			if _, err := client.Get(d.c.Context, "/v1/status"); err == nil {
				return &session{cluster: d.cl, client: client}, nil
			}
		}
	}
	return nil, fault.New("unreachable", "", "no node answers")
}

func (d *doctor) report() error {
	worst := stateOK
	for _, l := range d.lines {
		if l.State == stateWrong || l.State == stateWarning && worst == stateOK {
			worst = l.State
		}
	}
	if d.c.Bool("json") {
		if err := json.NewEncoder(d.c.App.Writer).Encode(struct {
			State string      `json:"state"`
			Lines []diagnosis `json:"lines"`
		}{worst, d.lines}); err != nil {
			return err
		}
	} else {
		for _, l := range d.lines {
			fmt.Fprintf(d.c.App.Writer, "%-8s %-9s %s\n", l.State, l.About, l.Says)
			if l.Do != "" {
				fmt.Fprintf(d.c.App.Writer, "%-18s -> %s\n", "", l.Do)
			}
		}
	}
	switch worst {
	case stateWarning:
		return refusal{errShown} // status 1
	case stateWrong:
		return errShown // status 2
	}
	return nil
}

// existing is a directory, or the nearest one above it that is there.
func existing(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// checkVersion says whether the log is at a level that this program knows.
func (d *doctor) checkVersion(st *node.Status, id string) {
	switch {
	case st.Level > verify.FeatureLevel:
		d.say(stateWrong, "version", "install a newer milepost", "the log is at feature level %d, this program knows %d", st.Level, verify.FeatureLevel)
	case st.Version != node.Version:
		d.say(stateWarning, "version", "install the newer one on all nodes, one after the other", "%s runs %s, this program is %s", id, st.Version, node.Version)
	default:
		d.ok("version", "%s, as %s; feature level %d of %d known", node.Version, id, st.Level, verify.FeatureLevel)
	}
}

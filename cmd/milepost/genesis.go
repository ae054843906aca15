package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

const genesisHelp = "Reads the cluster file and writes, below its dir: keys/ (mode 0600), founding.json (what every node\n" +
	"begins with; not secret) and trust.policy (what everyone who checks a proof needs).\n\n" +
	"Founders who sit apart agree on one cluster file, and one of them gathers what the others send in a directory:\n" +
	"  1. each governor     milepost member request governor NAME -o FILE.request\n" +
	"     who gathers       milepost cluster genesis --collect DIR      fixes governors and threshold, and so the origin\n" +
	"  2. each member       milepost member request member NAME --origin ORIGIN -o FILE.request\n" +
	"     each node         milepost member request node ID --origin ORIGIN -o FILE.request\n" +
	"     who gathers       milepost cluster genesis --collect DIR      drafts the genesis, genesis.proposal\n" +
	"  3. each governor     milepost member sign genesis.proposal --key KEYFILE     in turn, or copies at once\n" +
	"     who gathers       milepost cluster genesis --collect DIR      writes founding.json and trust.policy\n" +
	"The same command each time does the next step, and says what is missing. No secret ever goes into DIR, and who\n" +
	"gathers can change nothing: every governor sees what it signs, and each founder finds its own key IDs in it."

// Files of the directory in which a founding is gathered.
const (
	originFile   = "origin.json"
	proposalFile = "genesis.proposal"
)

func genesis(c *cli.Context) error {
	if _, err := operands(c, 0, 0, "no arguments"); err != nil {
		return err
	}
	cl, err := loadCluster(c)
	if err != nil {
		return err
	}
	if dir := c.String("collect"); dir != "" {
		return (&gathering{c: c, cl: cl, dir: dir}).next()
	}
	f, err := node.Found(cl, clock())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "Founded %s\n", f.Origin)
	fmt.Fprintf(c.App.Writer, "  keys         %s   secret: move each to its holder\n", cl.Path("keys"))
	return founded(c, cl, f)
}

// founded says what has come of a founding.
func founded(c *cli.Context, cl *node.Cluster, f *node.Founding) error {
	p, err := verify.ParsePolicy([]byte(verify.PolicyText(f.Genesis)))
	if err != nil {
		return err
	}
	out := c.App.Writer
	fmt.Fprintf(out, "  fingerprint  %s   publish this where everyone can find it\n", record.Fingerprint(f.Origin))
	fmt.Fprintf(out, "  governors    %d, of whom %d must sign\n", len(cl.Governs.Names), cl.Governs.Threshold)
	fmt.Fprintf(out, "  members      %d\n", len(cl.Members))
	fmt.Fprintf(out, "  quorum       %d of %d nodes; tolerates liars: %d\n", p.Quorum(), p.Of(), p.Tolerates())
	fmt.Fprintf(out, "  founding     %s   every node needs it\n", cl.FoundingPath())
	fmt.Fprintf(out, "  policy       %s   everyone who checks a proof needs it\n", cl.PolicyPath())
	for _, w := range thresholdWarnings(cl.Governs.Threshold, len(cl.Governs.Names)) {
		fmt.Fprintf(out, "  %s\n", w)
	}
	fmt.Fprintf(out, "Next: milepost node run --config %s --node %s\n", c.String("config"), cl.Nodes[0].ID)
	return nil
}

// gathering is the founding of a log by founders who sit apart.
type gathering struct {
	c   *cli.Context
	cl  *node.Cluster
	dir string

	// Of a log that goes on from another one, and the node that begins it.
	after *node.Survivor
	seed  string

	requests []*node.Request
	missing  []string
}

// next does the next step that can be done.
func (g *gathering) next() error {
	if err := g.cl.Unfounded(); err != nil {
		return err
	}
	if info, err := os.Stat(g.dir); err != nil || !info.IsDir() {
		return fault.New("file", g.dir, "there is no such directory").WithHint("make it, and put into it what the founders send")
	}
	if err := g.read(); err != nil {
		return err
	}
	founding, origin, err := g.founding()
	if err != nil || origin == "" {
		return err
	}
	p, err := g.proposal(founding, origin)
	if err != nil || p == nil {
		return err
	}
	missing := map[string]bool{}
	for _, r := range p.Records {
		for _, name := range r.Missing() {
			missing[name] = true
		}
	}
	if len(missing) > 0 {
		g.say("The genesis is in %s. Not signed yet by: %s", g.path(proposalFile), strings.Join(sortedKeys(missing), ", "))
		g.say("Each of them: milepost member sign %s --key KEYFILE, and back into %s with it.", proposalFile, g.dir)
		g.say("`milepost member sign %s` without a key shows it in words. Copies may be signed at once, under any names that end in .proposal.", proposalFile)
		return nil
	}
	f, err := node.Founded(p)
	if err != nil {
		return err
	}
	if err := f.Write(g.cl); err != nil {
		return err
	}
	g.say("Founded %s", f.Origin)
	if g.after != nil {
		return nil
	}
	return founded(g.c, g.cl, f)
}

func (g *gathering) say(format string, args ...any) {
	fmt.Fprintf(g.c.App.Writer, format+"\n", args...)
}

func (g *gathering) path(name string) string { return filepath.Join(g.dir, name) }

// read reads all requests of the directory.
func (g *gathering) read() error {
	paths, err := filepath.Glob(g.path("*.request"))
	if err != nil {
		return err
	}
	sort.Strings(paths)
	from := map[string]string{}
	for _, path := range paths {
		q, err := readRequest(path)
		if err != nil {
			return err
		}
		who := q.Kind + " " + q.Name
		if other := from[who]; other != "" {
			return fault.New("request_twice", path, fmt.Sprintf("a second request of %s; the first is %s", who, other)).
				WithHint("ask them which one is right, by telephone, and remove the other")
		}
		if !g.expected(q) {
			return fault.New("request_other", path, "the cluster file does not know "+who)
		}
		from[who] = path
		g.requests = append(g.requests, q)
	}
	return nil
}

func (g *gathering) expected(q *node.Request) bool {
	switch q.Kind {
	case node.AskGovernor:
		for _, n := range g.cl.Governs.Names {
			if n == q.Name {
				return true
			}
		}
	case node.AskMember:
		for _, m := range g.cl.Members {
			if m.Name == q.Name {
				return true
			}
		}
	case node.AskNode:
		for _, n := range g.cl.Nodes {
			if n.ID == q.Name {
				return true
			}
		}
	}
	return false
}

func (g *gathering) has(kind, name string) bool {
	for _, q := range g.requests {
		if q.Kind == kind && q.Name == name {
			return true
		}
	}
	return false
}

// founding is step 1: who founds, under which threshold, and so the origin.
// It is fixed once, when the last governor's key is there.
func (g *gathering) founding() (founding jcs.Value, origin string, err error) {
	data, err := os.ReadFile(g.path(originFile))
	if err == nil {
		return g.parseFounding(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return founding, "", fault.New("file", g.path(originFile), "it cannot be read").Because(err)
	}
	var missing []string
	for _, name := range g.cl.Governs.Names {
		if g.after == nil && !g.has(node.AskGovernor, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		g.say("Step 1: the governors' keys. Missing in %s: %s", g.dir, strings.Join(missing, ", "))
		g.say("Each of them: milepost member request governor NAME -o FILE.request")
		return founding, "", nil
	}
	if g.after != nil {
		founding, origin, err = g.after.Founding(g.cl)
	} else {
		founding, origin, err = node.NewFounding(g.cl, g.requests)
	}
	if err != nil {
		return founding, "", err
	}
	if err := write(g.c, g.path(originFile), g.foundingFile(founding, origin)); err != nil {
		return founding, "", err
	}
	g.say("The governors are fixed, and so is the origin of the log: %s", origin)
	for _, v := range founding.Get("governors").List {
		g.say("  %s, key %s", v.Get("name").Str, keyID(v.Get("key").Str))
	}
	g.say("  %d of %d must sign each later change", founding.Get("threshold").Int, len(g.cl.Governs.Names))
	for _, w := range thresholdWarnings(g.cl.Governs.Threshold, len(g.cl.Governs.Names)) {
		g.say("  %s", w)
	}
	return founding, origin, nil
}

func (g *gathering) foundingFile(founding jcs.Value, origin string) []byte {
	v := jcs.Make(jcs.Field{Name: "founding", Value: founding}, jcs.Field{Name: "origin", Value: jcs.Text(origin)})
	return append(v.Bytes(), '\n')
}

// parseFounding reads what step 1 wrote. Governors and threshold must still
// be those of the cluster file and the requests.
func (g *gathering) parseFounding(data []byte) (founding jcs.Value, origin string, err error) {
	path := g.path(originFile)
	v, err := jcs.Read(data)
	if err != nil {
		return founding, "", fault.New("founding", path, "it cannot be read").Because(err)
	}
	founding, origin = v.Get("founding"), v.Get("origin").Str
	if !bytes.Equal(g.foundingFile(founding, origin), data) || record.Origin(g.cl.Name, founding) != origin {
		return founding, "", fault.New("founding", path, "it is not what the first step wrote").WithHint("remove it to begin again; all requests must then be made anew")
	}
	changed := fault.New("founding", path, "governors or threshold have changed since the origin was fixed").
		WithHint("undo that, or remove " + path + " to begin again; all requests must then be made anew")
	if int(founding.Get("threshold").Int) != g.cl.Governs.Threshold || len(founding.Get("governors").List) != len(g.cl.Governs.Names) {
		return founding, "", changed
	}
	for _, q := range g.requests {
		if q.Kind != node.AskGovernor {
			continue
		}
		same := false
		for _, v := range founding.Get("governors").List {
			same = same || v.Get("name").Str == q.Name && v.Get("key").Str == q.Keys[0].Public
		}
		if !same {
			return founding, "", changed
		}
	}
	return founding, origin, nil
}

// proposal is steps 2 and 3: the genesis is drafted once, when the last
// request is there; from then on signatures are taken up from all copies.
func (g *gathering) proposal(founding jcs.Value, origin string) (*record.Proposal, error) {
	paths, err := filepath.Glob(g.path("*.proposal"))
	if err != nil {
		return nil, err
	}
	sort.Strings(paths)
	if len(paths) > 0 {
		p, err := readCopies(paths)
		if err != nil {
			return nil, err
		}
		if first := p.Records[0].Record; first.Type != "log.genesis/1" || first.Origin != origin {
			return nil, fault.New("proposal_other", paths[0], "it is not the genesis of "+origin)
		}
		if g.after != nil {
			if err := g.after.Check(p.Records[0], clock()); err != nil {
				return nil, refusal{fault.New(fault.Code(err), paths[0], err.Error()).
					WithHint("has the survivor's node run since this was drafted? Then remove the proposals, draft again, and have it signed again")}
			}
		}
		return p, write(g.c, g.path(proposalFile), p.Bytes())
	}
	for _, n := range g.cl.Nodes {
		if !g.has(node.AskNode, n.ID) {
			g.missing = append(g.missing, "node "+n.ID)
		}
	}
	for _, m := range g.cl.Members {
		if g.after == nil && !g.has(node.AskMember, m.Name) {
			g.missing = append(g.missing, "member "+m.Name)
		}
	}
	if len(g.missing) > 0 {
		g.say("Step 2: requests. Missing in %s: %s", g.dir, strings.Join(g.missing, ", "))
		if g.after == nil {
			g.say("Each member: milepost member request member NAME --origin %s -o FILE.request", origin)
		}
		g.say("Each node:   milepost member request node ID --origin %s -o FILE.request", origin)
		return nil, nil
	}
	var p *record.Proposal
	if g.after != nil {
		p, err = g.after.Genesis(g.cl, founding, g.seed, g.requests, clock())
	} else {
		p, err = node.Genesis(g.cl, founding, g.requests, clock())
	}
	if err != nil {
		return nil, err
	}
	if err := write(g.c, g.path(proposalFile), p.Bytes()); err != nil {
		return nil, err
	}
	g.say("Step 3: all of these sign this.")
	showProposal(g.c, p, nil)
	g.say("")
	return p, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// statusTimeout is how long a node may take to say how it stands.
const statusTimeout = 3 * time.Second

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "one screen: who leads, who lags, who does not cosign and why",
		Description: "Asks every node at once and says what is to be looked at. With --watch it does so each second: on a terminal the\n" +
			"screen is drawn anew, elsewhere a line is added each time. With --node it asks that one alone.",
		Flags: clientFlags(jsonFlag, &cli.BoolFlag{Name: "watch", Usage: "again each second, until it is interrupted"}),
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			if c.String("as") == "" {
				if _, err := dial(c, true); err != nil {
					return err
				}
			}
			l := &lookout{c: c, only: c.String("node")}
			if c.Bool("watch") {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				return watchStatus(c.Context, c.App.Writer, isTerminal(c.App.Writer), c.Bool("json"), tick.C, l.look)
			}
			o, err := l.look(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				err = json.NewEncoder(c.App.Writer).Encode(o)
			} else {
				_, err = fmt.Fprint(c.App.Writer, o.screen())
			}
			if err == nil && o.up() == 0 {
				err = refusal{fault.New("unreachable", "", "no node can be reached").WithHint("`milepost doctor` looks for the reason")}
			}
			return err
		},
	}
}

// overview is the state of a cluster as one caller sees it.
type overview struct {
	Origin      string     `json:"origin"`
	Fingerprint string     `json:"fingerprint"`
	Time        string     `json:"time"`   // the caller's clock
	Leader      string     `json:"leader"` // that the most nodes name; "" if none
	Term        uint64     `json:"term"`
	Published   uint64     `json:"published"` // the largest size under a quorum
	AsOf        string     `json:"as_of"`
	Quorum      int        `json:"quorum"`
	Cosigners   int        `json:"cosigners"`
	Tolerates   int        `json:"tolerates"` // liars
	Voters      int        `json:"voters"`
	VotersUp    int        `json:"voters_up"`
	Level       int64      `json:"feature_level"`
	Nodes       []nodeView `json:"nodes"`
	Findings    []finding  `json:"findings"` // what is to be looked at
}

// nodeView is one node in an overview.
type nodeView struct {
	Node   string          `json:"node"`
	State  string          `json:"state"` // up, unreachable or removed
	Error  *node.ErrorBody `json:"error,omitempty"`
	Votes  bool            `json:"votes"`
	Lag    uint64          `json:"lag"`                      // leaves that its tree lacks of the largest published one
	Clock  float64         `json:"clock_ahead"`              // seconds that it is ahead of the nodes' median
	Silent *node.Silence   `json:"no_cosignature,omitempty"` // why it did not cosign when the leader asked last
	Status *node.Status    `json:"status,omitempty"`
}

// finding is one thing that an operator should look at.
type finding struct {
	Node string `json:"node"` // "" for the cluster as a whole
	Code string `json:"code"`
	Says string `json:"says"`
	Hint string `json:"hint,omitempty"`
}

func (o *overview) up() (n int) {
	for i := range o.Nodes {
		if o.Nodes[i].Status != nil {
			n++
		}
	}
	return n
}

// lookout asks the nodes of a cluster again and again.
type lookout struct {
	c     *cli.Context
	only  string // a node's id, or "" for all
	nodes []statusNode
	asked time.Time // when the list of nodes was made
}

// look makes an overview. The list of nodes is made anew twice a minute, and
// whenever none of them answered.
func (l *lookout) look(ctx context.Context) (*overview, error) {
	if len(l.nodes) == 0 || time.Since(l.asked) > 30*time.Second {
		cl, err := loadCluster(l.c)
		if err != nil {
			return nil, err
		}
		nodes, err := statusNodes(l.c, cl)
		if err != nil {
			return nil, err
		}
		if l.only != "" && !slices.ContainsFunc(nodes, func(n statusNode) bool { return n.id == l.only }) {
			_, err := cl.Node(l.only)
			return nil, err
		}
		l.nodes, l.asked = nodes, time.Now()
	}
	var views []nodeView
	for _, n := range l.nodes {
		if l.only == "" || n.id == l.only {
			views = append(views, nodeView{Node: n.id, State: n.state})
		}
	}
	errs := make([]error, len(views))
	var wg sync.WaitGroup
	for i := range views {
		n := l.nodes[slices.IndexFunc(l.nodes, func(n statusNode) bool { return n.id == views[i].Node })]
		if n.client == nil {
			errs[i] = n.why
			continue
		}
		wg.Go(func() { errs[i] = views[i].ask(ctx, n.client) })
	}
	wg.Wait()
	for i, err := range errs {
		switch fault.Code(err) {
		case "forbidden", "unauthenticated":
			return nil, err // of the caller, not of the node
		}
		if err != nil && views[i].State == "unreachable" {
			views[i].Error = &node.ErrorBody{Code: fault.Code(err), Error: shortly(err), Hint: fault.Hint(err)}
		}
	}
	o := newOverview(views, clock())
	if o.up() == 0 {
		l.nodes = nil
	}
	return o, nil
}

func (v *nodeView) ask(ctx context.Context, client *node.Client) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	ahead, err := client.Ahead(ctx, clock)
	if err != nil {
		return err
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	v.State, v.Status, v.Clock = "up", st, ahead.Seconds()
	return nil
}

// shortly is why a node can't be reached, without what the line says anyway.
func shortly(err error) string {
	s := err.Error()
	for _, known := range []string{"connection refused", "no route to host", "network is unreachable", "no such host", "i/o timeout", "connection reset by peer"} {
		if strings.HasSuffix(s, known) {
			return known
		}
	}
	if strings.HasSuffix(s, "context deadline exceeded") {
		return fmt.Sprintf("no answer in %s", statusTimeout)
	}
	return s
}

// statusNode is a node that status and doctor ask; without a client why says
// why not.
type statusNode struct {
	id, state string
	client    *node.Client
	why       error
}

// statusNodes lists the nodes to ask, as the member of --as.
func statusNodes(c *cli.Context, cl *node.Cluster) ([]statusNode, error) {
	s, err := dialAny(c)
	if err != nil && fault.Code(err) != "unreachable" {
		return nil, err
	}
	var now []node.NodeAnswer
	if err == nil {
		if now, err = nodesNow(c.Context, s.client); err != nil {
			switch fault.Code(err) {
			case "forbidden", "unauthenticated":
				return nil, err
			}
		}
	}
	return nodesOf(cl, s, now, func(id string) (*node.Client, error) { return cl.Client(id, c.String("as"), passphrase(c)) }), nil
}

// nodesNow are the nodes as governance has them, as far as one node knows:
// it is asked when the cluster may have no leader.
func nodesNow(ctx context.Context, client *node.Client) ([]node.NodeAnswer, error) {
	data, err := client.Get(ctx, "/v1/governance")
	if err != nil {
		return nil, err
	}
	var g node.GovernanceAnswer
	if err := json.Unmarshal(data, &g); err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	return g.Nodes, nil
}

// nodesOf lists the nodes of the cluster file and those that governance knows
// beside. Their addresses and TLS keys are those that are in force now, as s was told, or,
// where nobody could tell, those that founded has of the cluster file and the
// founding.
func nodesOf(cl *node.Cluster, s *session, now []node.NodeAnswer, founded func(id string) (*node.Client, error)) (nodes []statusNode) {
	known := map[string]node.NodeAnswer{}
	for _, n := range now {
		known[n.ID] = n
	}
	for _, n := range cl.Nodes {
		st := statusNode{id: n.ID, state: "unreachable"}
		if k, ok := known[n.ID]; ok {
			st.client = s.client.To(k.Address, k.TLS)
			delete(known, n.ID)
		} else if len(now) > 0 {
			st.state = "removed"
		} else {
			st.client, st.why = founded(n.ID)
		}
		nodes = append(nodes, st)
	}
	for _, id := range sortedKeys(known) {
		nodes = append(nodes, statusNode{id: id, state: "unreachable", client: s.client.To(known[id].Address, known[id].TLS)})
	}
	return nodes
}

// newOverview draws together what the nodes said of themselves and of each
// other. now is the caller's clock.
func newOverview(views []nodeView, now time.Time) *overview {
	o := &overview{Time: record.FormatUTC(now), Nodes: views, Findings: []finding{}}
	leaders := map[string]int{}
	var clocks []float64
	var newest *node.Status // of those that answer, who knows the largest head
	for i := range views {
		st := views[i].Status
		if st == nil {
			continue
		}
		if newest == nil || st.Published > newest.Published {
			newest = st
		}
		if st.Leader != "" {
			leaders[st.Leader]++
		}
		o.Term = max(o.Term, st.Term)
		clocks = append(clocks, views[i].Clock)
	}
	for id, n := range leaders {
		if n > leaders[o.Leader] || n == leaders[o.Leader] && id < o.Leader {
			o.Leader = id
		}
	}
	if newest == nil {
		o.find()
		return o
	}
	o.Origin, o.Fingerprint, o.Published, o.AsOf = newest.Origin, record.Fingerprint(newest.Origin), newest.Published, newest.AsOf
	o.Quorum, o.Cosigners, o.Tolerates, o.Level = newest.Quorum, newest.Cosigners, newest.Tolerates, newest.Level
	slices.Sort(clocks)
	median := (clocks[len(clocks)/2] + clocks[(len(clocks)-1)/2]) / 2
	votes := map[string]bool{newest.Node: newest.Role != "observer"}
	for _, p := range newest.Peers {
		votes[p.Node] = p.Votes
	}
	silent := map[string]node.Silence{}
	for i := range views {
		if st := views[i].Status; st != nil && st.Role == "leader" {
			for _, s := range st.Silent {
				silent[s.Node] = s
			}
		}
	}
	for _, v := range votes {
		if v {
			o.Voters++
		}
	}
	for i := range views {
		v := &views[i]
		if s, ok := silent[v.Node]; ok {
			v.Silent = &s
		}
		v.Votes = votes[v.Node]
		if v.Status == nil {
			continue
		}
		if v.Votes {
			o.VotersUp++
		}
		v.Lag = o.Published - min(o.Published, v.Status.TreeSize)
		v.Clock = float64(int64((v.Clock-median)*1000)) / 1000
	}
	o.find()
	return o
}

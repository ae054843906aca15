//go:build unix

package torture

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// governors add and remove nodes, one after the other.
type governors struct {
	c     *clients
	prev  string // leaf hash of their newest record
	names []string
	keys  []certs.Signer
	nodes map[string]jcs.Value
	asked chan event
	done  chan struct{}

	changes int
}

func (c *clients) governors() *governors {
	f, err := node.ReadFounding(c.w.cluster.FoundingPath())
	c.w.must(err)
	g := &governors{c: c, prev: hex.EncodeToString(f.Genesis.Hash[:]), nodes: map[string]jcs.Value{}, asked: make(chan event, 1000), done: make(chan struct{})}
	for _, n := range f.Genesis.Body.Get("nodes").List {
		g.nodes[n.Get("id").Str] = n
	}
	g.names = slices.Sorted(slices.Values(c.w.cluster.Governs.Names[:c.w.cluster.Governs.Threshold]))
	for _, name := range g.names {
		k, err := keyfile.ReadKeyFile(c.w.cluster.KeyPath(name, keyfile.UseGovernor), nil)
		c.w.must(err)
		s, err := k.Signer()
		c.w.must(err)
		g.keys = append(g.keys, s)
	}
	go func() {
		defer close(g.done)
		for e := range g.asked {
			if err := g.change(e); err != nil {
				c.w.seen.bad("governance: " + err.Error() + " (" + fault.Code(err) + ")")
				return
			}
			c.w.count(e.kind)
		}
	}()
	return g
}

func (g *governors) change(e event) error {
	switch e.kind {
	case added:
		return g.add(e.who[0])
	case replaced:
		// Its disk is lost. It goes before the new one comes: until that has
		// caught up, the quorum would need a node that is gone for good.
		m := g.c.w.at(e.who[0])
		m.mu.Lock()
		if m.run != nil {
			m.run.kill()
		}
		m.run, m.gone = nil, true
		m.mu.Unlock()
		if err := g.remove(e.who[0], "damaged"); err != nil {
			return err
		}
		return g.add(e.who[1])
	default:
		return g.remove(e.who[0], "left")
	}
}

func (g *governors) add(id string) error {
	w := g.c.w
	address, err := embed.FreeAddress()
	if err != nil {
		return err
	}
	q := &node.Request{Kind: node.AskNode, Name: id, Origin: w.origin, Details: jcs.Make(
		jcs.Field{Name: "address", Value: jcs.Text(address)}, jcs.Field{Name: "member", Value: jcs.Text(dealer)})}
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		k, _, err := node.KeyAt(w.cluster.KeyPath("node/"+id, use), use, node.RequestKeyName(q.Kind, q.Origin, id, use), nil)
		if err != nil {
			return err
		}
		if err := q.Add(k, "", jcs.Value{}); err != nil {
			return err
		}
	}
	body := q.Body()
	g.nodes[id] = body
	if err := g.decide("node.added/1", body); err != nil {
		return err
	}
	w.register(node.NodeConfig{ID: id, Member: dealer, Address: address})
	return w.start(id)
}

func (g *governors) remove(id, reason string) error {
	delete(g.nodes, id)
	if err := g.decide("node.removed/1", jcs.Make(jcs.Field{Name: "id", Value: jcs.Text(id)}, jcs.Field{Name: "reason", Value: jcs.Text(reason)})); err != nil {
		return err
	}
	// One that was cut off or not up to date is told by nobody: the others don't
	// speak to it any more. It waits for a leader and does no harm.
	m := g.c.w.at(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaves = true
	return nil
}

// decide has the governors sign a record, and sends it until it is
// acknowledged: under a head with the quorums of before and after.
func (g *governors) decide(typ string, body jcs.Value) error {
	var logs, cosigners []string
	for _, n := range g.nodes {
		logs, cosigners = append(logs, n.Get("log_key").Str), append(cosigners, n.Get("cosigner_key").Str)
	}
	slices.Sort(logs)
	slices.Sort(cosigners)
	g.changes++ // no policy comes twice, though the nodes may be those of before
	text := fmt.Sprintf("# change %d\n", g.changes) + verify.NewPolicy(logs, cosigners...)
	policy := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	id, err := record.NewUUIDv7(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	at := record.FormatUTC(time.Now().Add(-2 * longest))
	text, err = record.Draft{
		Author: g.names[0], Origin: g.c.w.origin, ID: id, Type: typ, Subjects: []string{record.Governance},
		Captured: at, EventTime: at, Precision: "second", Body: body.With("policy", jcs.Texts(policy)).With("prev", jcs.Text(g.prev)),
	}.Text()
	if err != nil {
		return err
	}
	note, err := record.Sign(text, g.keys...)
	if err != nil {
		return err
	}
	r, err := record.Open(note)
	if err != nil {
		return err
	}
	g.prev = hex.EncodeToString(r.Hash[:])
	for {
		ids := g.c.w.ids()
		for _, id := range ids {
			ctx, cancel := context.WithTimeout(g.c.patient, 3*time.Second)
			ans, err := g.c.w.client(id).Submit(ctx, note)
			cancel()
			switch {
			case err == nil && g.c.took(id, [][]byte{note}, ans):
				return nil
			case err != nil && definite(err):
				return err
			case err != nil:
				g.c.met(err)
			}
			pause(g.c.patient, 100*time.Millisecond)
		}
		if err := g.c.patient.Err(); err != nil {
			return err
		}
	}
}

// definite tells a refusal of the record itself from what another try, or
// another node, may bring.
func definite(err error) bool {
	code := fault.Code(err)
	return strings.HasPrefix(code, "policy_") || code == "prev" || code == "pop" || code == "threshold"
}

package node

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// A node that was down for a while may know nobody any more: the others have
// exchanged their TLS keys, moved, or removed it, and whoever leads is refused
// as a stranger. It asks for the proof file of the governance history, at
// every address that it has heard of and whoever answers there: such a file
// convinces by the quorum's signatures and by nothing else.

// seekEvery is how often a node that knows of no leader asks for the nodes.
const seekEvery = 2 * time.Second

// shownNodes are the nodes of a head that this node's own tree has not
// reached.
type shownNodes struct {
	size uint64 // of that head's tree
	*verify.Governance
}

// shownAhead is what this node was shown last, or nil if its own tree has
// come as far.
func (n *Node) shownAhead() *shownNodes {
	s := n.shown.Load()
	if s == nil {
		return nil
	}
	if newest, _, _ := n.heads.state(); newest >= s.size {
		return nil
	}
	return s
}

// seekNodes asks for the nodes of now for as long as nobody leads here.
func (n *Node) seekNodes(ctx context.Context) {
	tick := time.NewTicker(seekEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n.leader() == "" {
			n.askNodes(ctx)
		}
	}
}

func (n *Node) askNodes(ctx context.Context) {
	for _, address := range n.knownAddresses() {
		data, err := n.fetchGovernance(ctx, address)
		if err != nil {
			continue // it is down, or has none: the next one, or the next time
		}
		switch err := n.takeGovernance(data); fault.Code(err) {
		case "node_removed":
			n.fail(err)
			return
		case "behind": // as far as is known here
		default:
			if err != nil {
				n.log.Warn("a proof of the nodes was refused", "address", address, "err", err)
			}
		}
	}
}

// knownAddresses are those of all other nodes that this one has heard of: the
// log's, and where that may be old those of its own cluster file.
func (n *Node) knownAddresses() (all []string) {
	for id, v := range n.nodesNow() {
		if id != n.id {
			all = append(all, v.Address)
		}
	}
	for _, c := range n.cluster.Nodes {
		if c.ID != n.id {
			all = append(all, c.Address)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fetchGovernance asks whoever answers at an address. It tells its own key,
// which is public, and learns nothing that it does not check.
func (n *Node) fetchGovernance(ctx context.Context, address string) ([]byte, error) {
	identity := n.keys.Load().identity
	anyone := certs.ClientConfig(identity, "", "http/1.1")
	anyone.VerifyConnection = func(tls.ConnectionState) error { return nil }
	c := NewClient(address, "", identity, n.dial)
	defer c.Close()
	c.http.Transport.(*http.Transport).TLSClientConfig = anyone
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.GovernanceProof(ctx)
}

// takeGovernance believes a proof file of the governance history under the
// policy in force here, or what that leads to. Codes: node_removed if this
// node is none any more, behind if this node's own tree is as far, and those
// of verify.Verify.
func (n *Node) takeGovernance(data []byte) error {
	r := verify.Verify(data, verify.Options{Policy: n.policy(), Now: n.now(), Subject: record.Governance})
	if r.Failure != nil {
		return r.Failure
	}
	newest, _, _ := n.heads.state()
	if before := n.shown.Load(); before != nil {
		newest = max(newest, before.size)
	}
	switch {
	case r.Size <= newest:
		return errLate
	case r.Governance.Gone(n.id):
		return errRemoved
	}
	n.log.Info("the nodes of now, by a proof that is ahead of this node's tree", "size", r.Size)
	n.shown.Store(&shownNodes{r.Size, r.Governance})
	n.exchangeKeys() // this node's own may have been exchanged as well
	return nil
}

// getGovernanceProof answers with the proof file of the governance history.
// It is for members and nodes, and for nodes of before: one that was down when
// its key was exchanged, or when it was removed, learns of it by this.
func (n *Node) getGovernanceProof(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := n.admit(c, members); err != nil && !n.wasNode(c.pin) {
		return err
	}
	return n.withHead(func(h *head) error {
		own, err := fileHistory(h.view, record.Governance, nil)
		if err != nil {
			return err
		}
		f := &verify.File{Subject: record.Governance, Histories: []verify.FileHistory{own}, Seal: h.view.Seal.Bytes(), Bridges: n.heads.bridges(h.size)}
		if f.TLogProof, err = receipt(h.view, h.size-1, h.note); err != nil {
			return err
		}
		return writeText(w, "application/json", f.Bytes())
	})
}

// wasNode reports whether a TLS key was a node's once.
func (n *Node) wasNode(pin string) (was bool) {
	n.state.withAuthority(func(a *verify.Authority) {
		was = a.Governance != nil && slices.ContainsFunc(a.Governance.Former, func(f verify.Former) bool {
			return f.Key.Use == verify.UseTLS && f.Key.VKey == pin
		})
	})
	return was
}

// GovernanceProof fetches the proof file of the governance history.
func (c *Client) GovernanceProof(ctx context.Context) ([]byte, error) {
	return c.Get(ctx, "/v1/governance/proof")
}

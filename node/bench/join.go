package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// joiner is the node that joins a log that has grown.
const joiner = "joiner"

// join has governance add a node, which begins with nothing, and measures how
// long it takes and what goes over the network until it has published the head
// that the grown node has. From then on both must cosign. Then it is
// restarted.
func (g *growing) join(ctx context.Context, out *Growth) error {
	note, err := g.registration()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	// The answer comes once the new node has cosigned the head that covers its
	// own registration.
	answered := make(chan error, 1)
	go func() {
		for {
			_, err := g.node().Submit(ctx, note)
			if err == nil || ctx.Err() != nil {
				answered <- err
				return
			}
		}
	}()
	start, before := time.Now(), g.moved.Load()
	if err := g.cluster.Run(joiner); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return fmt.Errorf("add a node: %w", err)
	}
	if err := g.same(ctx); err != nil {
		return err
	}
	out.Join, out.JoinBytes = round(time.Since(start).Seconds()), round(float64(g.moved.Load()-before)/1e6)

	g.cluster.StopNode(joiner)
	start = time.Now()
	if err := g.cluster.Run(joiner); err != nil {
		return err
	}
	if err := g.same(ctx); err != nil {
		return err
	}
	out.JoinRestart = round(time.Since(start).Seconds())
	return nil
}

// same waits until both nodes have published one size, that of their trees.
func (g *growing) same(ctx context.Context) error {
	for {
		old, fresh := g.node().Status(), g.cluster.Nodes[joiner].Status()
		if n := old.TreeSize; n >= uint64(g.records) && old.Published == n && fresh.TreeSize == n && fresh.Published == n && fresh.Leader != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the new node has %d of %d leaves: %w", fresh.TreeSize, old.TreeSize, ctx.Err())
		case <-g.cluster.Nodes[joiner].Done():
			return fmt.Errorf("the new node: %w", g.cluster.Nodes[joiner].Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// registration makes the keys of the new node and the record that adds it.
func (g *growing) registration() ([]byte, error) {
	c := g.cluster.Cluster
	address, err := embed.FreeAddress()
	if err != nil {
		return nil, err
	}
	member := c.Members[0].Name
	c.Nodes = append(c.Nodes, node.NodeConfig{ID: joiner, Member: member, Address: address})
	founding, err := node.ReadFounding(c.FoundingPath())
	if err != nil {
		return nil, err
	}
	q := &node.Request{Kind: node.AskNode, Name: joiner, Origin: founding.Origin, Details: jcs.Make(
		jcs.Field{Name: "address", Value: jcs.Text(address)}, jcs.Field{Name: "member", Value: jcs.Text(member)})}
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		k, _, err := node.KeyAt(c.KeyPath("node/"+joiner, use), use, node.RequestKeyName(q.Kind, q.Origin, joiner, use), nil)
		if err != nil {
			return nil, err
		}
		if err := q.Add(k, "", jcs.Value{}); err != nil {
			return nil, err
		}
	}
	body := q.Body()
	var logs, cosigners []string
	for _, n := range append(founding.Genesis.Body.Get("nodes").List, body) {
		logs, cosigners = append(logs, n.Get("log_key").Str), append(cosigners, n.Get("cosigner_key").Str)
	}
	policy := strings.Split(strings.TrimSuffix(verify.NewPolicy(logs, cosigners...), "\n"), "\n")
	governors := slices.Sorted(slices.Values(c.Governs.Names[:c.Governs.Threshold]))
	var signers []certs.Signer
	for _, name := range governors {
		k, err := keyfile.ReadKeyFile(c.KeyPath(name, keyfile.UseGovernor), nil)
		if err != nil {
			return nil, err
		}
		s, err := k.Signer()
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	id, err := record.NewUUIDv7(time.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := record.FormatUTC(time.Now())
	text, err := record.Draft{
		Author: governors[0], Origin: q.Origin, ID: id, Type: "node.added/1", Subjects: []string{record.Governance},
		Captured: now, EventTime: now, Precision: "second",
		Body: body.With("policy", jcs.Texts(policy)).With("prev", jcs.Text(verify.Hex(founding.Genesis.Hash))),
	}.Text()
	if err != nil {
		return nil, err
	}
	return record.Sign(text, signers...)
}

// counted opens connections whose bytes, in either direction, are counted.
func counted(moved *atomic.Int64) node.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return countedConn{conn, moved}, nil
	}
}

type countedConn struct {
	net.Conn
	moved *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.moved.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.moved.Add(int64(n))
	return n, err
}

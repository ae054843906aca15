package node_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
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

// board is the governors of a cluster under test, and what they registered.
type board struct {
	*cluster
	prev  string               // leaf hash of the newest governance record
	nodes map[string]jcs.Value // as they stand in the newest record about each

	quorum int // of the policies to come; 0 for the default
}

func newBoard(c *cluster) *board {
	f, err := node.ReadFounding(c.Cluster.Cluster.FoundingPath())
	must(c.t, err)
	b := &board{cluster: c, prev: hex.EncodeToString(f.Genesis.Hash[:]), nodes: map[string]jcs.Value{}}
	for _, n := range f.Genesis.Body.Get("nodes").List {
		b.nodes[n.Get("id").Str] = n
	}
	return b
}

// policyText is the policy of the nodes there are.
func (b *board) policyText() []string {
	var logs, cosigners []string
	for _, n := range b.nodes {
		logs, cosigners = append(logs, n.Get("log_key").Str), append(cosigners, n.Get("cosigner_key").Str)
	}
	sort.Strings(logs)
	sort.Strings(cosigners)
	lines := strings.Split(strings.TrimSuffix(verify.NewPolicy(logs, cosigners...), "\n"), "\n")
	for i, l := range lines {
		if words := strings.Fields(l); b.quorum > 0 && words[0] == "group" {
			words[2] = strconv.Itoa(b.quorum)
			lines[i] = strings.Join(words, " ")
		}
	}
	return lines
}

// newKeys makes key files for a node and returns the node's fields with them
// and the proofs of possession.
func (b *board) newKeys(id string, n jcs.Value, path func(holder, use string) string) (jcs.Value, jcs.Value) {
	b.t.Helper()
	var pops []jcs.Value
	own := record.NodeName(b.origin, id)
	for _, k := range []struct{ field, use, name string }{
		{"log_key", keyfile.UseLog, b.origin}, {"cosigner_key", keyfile.UseCosigner, own}, {"tls_key", keyfile.UseTLS, own},
	} {
		key, err := keyfile.NewKey(k.use, k.name, rand.Reader)
		must(b.t, err)
		must(b.t, key.WriteFile(path("node/"+id, k.use), nil))
		public, err := key.Public()
		must(b.t, err)
		pop, err := node.Possess(key, b.origin)
		must(b.t, err)
		n = n.With(k.field, jcs.Text(public))
		pops = append(pops, jcs.Text(base64.StdEncoding.EncodeToString(pop)))
	}
	return n, jcs.Array(pops...)
}

// ballot is a governance record, signed by two governors, that follows the
// newest one.
func (b *board) ballot(typ string, body jcs.Value) []byte {
	b.t.Helper()
	names := b.Cluster.Cluster.Governs.Names[:2]
	sort.Strings(names)
	var signers []certs.Signer
	for _, g := range names {
		s, err := b.key(g, keyfile.UseGovernor).Signer()
		must(b.t, err)
		signers = append(signers, s)
	}
	d := b.draft("VF1AAAA0000000001")
	d.Author, d.Type, d.Subjects = names[0], typ, []string{record.Governance}
	d.Body = body.With("prev", jcs.Text(b.prev))
	return b.sign(d, signers...)
}

// cast is a ballot that the next one follows.
func (b *board) cast(typ string, body jcs.Value) []byte {
	b.t.Helper()
	note := b.ballot(typ, body)
	b.took(note)
	return note
}

// took has a ballot be the newest record of governance.
func (b *board) took(note []byte) {
	b.t.Helper()
	r, err := record.Open(note)
	must(b.t, err)
	b.prev = hex.EncodeToString(r.Hash[:])
}

// pass has a record of the governors acknowledged.
func (b *board) pass(typ string, body jcs.Value) *node.SubmitAnswer {
	b.t.Helper()
	return b.ack("leeds", b.cast(typ, body))
}

// decide has the governors change nodes and with them the policy, and waits
// until every running node has a head with the quorum of after.
func (b *board) decide(typ string, body jcs.Value) {
	b.t.Helper()
	b.follow(b.pass(typ, body.With("policy", jcs.Texts(b.policyText()))))
}

// follow waits until every running node has a head with the quorum of now.
func (b *board) follow(answer *node.SubmitAnswer) {
	b.t.Helper()
	for _, id := range b.IDs() {
		b.eventually("the new policy at "+id, func() bool {
			n := b.Nodes[id]
			return n.Err() != nil || n.Status().Published >= answer.Size && n.Status().Cosigners == len(b.nodes)
		})
	}
}

func (b *board) file(vin string) []byte {
	b.t.Helper()
	data, err := b.as("leeds", dealer).Proof(context.Background(), record.VehicleSubject(vin))
	must(b.t, err)
	return data
}

// writer sends readings of one car, one after the other, for as long as a
// test lets it.
type writer struct {
	*cluster
	vin  string
	stop context.CancelFunc
	done chan struct{}
	n    atomic.Int64      // acknowledged
	sent map[string]uint64 // leaf hash -> log index; read it after the end
	err  error             // what no writer may meet
}

func (c *cluster) write(id string) *writer {
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{cluster: c, vin: newVIN(), stop: stop, done: make(chan struct{}), sent: map[string]uint64{}}
	client := c.as(id, dealer) // here: the writer asks nothing of the test
	go func() {
		defer close(w.done)
		for ctx.Err() == nil && w.err == nil {
			w.err = w.one(ctx, client)
		}
	}()
	c.t.Cleanup(func() { stop(); <-w.done })
	return w
}

// one has one record acknowledged, sending the same bytes again on outages.
// An end in the middle waits for it: whatever was begun is on the log then.
func (w *writer) one(ctx context.Context, client *node.Client) error {
	id, err := record.NewUUIDv7(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	now := record.FormatUTC(time.Now())
	text, err := record.Draft{
		Author: dealer, Origin: w.origin, ID: id, Type: "odometer.reading/1", Subjects: []string{record.VehicleSubject(w.vin)},
		Captured: now, EventTime: now, Precision: "second", Body: odometer(50_000),
	}.Text()
	if err != nil {
		return err
	}
	note, err := record.Sign(text, w.signer)
	if err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; pause(10 * time.Millisecond) {
		answer, err := client.Submit(context.WithoutCancel(ctx), note)
		switch {
		case err == nil && answer.Records[0].Index == nil:
			return fmt.Errorf("a record of no place: %+v", answer.Records[0].Error)
		case err == nil:
			w.sent[answer.Records[0].LeafHash] = *answer.Records[0].Index
			w.n.Add(1)
			return nil
		case !outage(err) || time.Now().After(end):
			return err
		}
	}
}

// goesOn waits until one more record is acknowledged than when it was asked.
func (w *writer) goesOn(when string) {
	w.t.Helper()
	before := w.n.Load()
	w.eventually("a record acknowledged "+when, func() bool {
		select {
		case <-w.done:
			w.t.Fatalf("%s the writer met %v", when, w.err)
		default:
		}
		return w.n.Load() > before
	})
}

// end stops the writer. All that it sent must be on the log, once each.
func (w *writer) end() {
	w.t.Helper()
	w.stop()
	<-w.done
	if w.err != nil {
		w.t.Fatalf("the writer met %v (%s)", w.err, fault.Code(w.err))
	}
	subject := record.VehicleSubject(w.vin)
	data, err := w.as("leeds", dealer).Proof(context.Background(), subject)
	must(w.t, err)
	if rep := verify.Verify(data, verify.Options{Policy: w.policy(), Now: time.Now(), Subject: subject}); !rep.Verified || rep.Records != len(w.sent) {
		w.t.Errorf("%d records were acknowledged, the file proves %d: %v", len(w.sent), rep.Records, rep.Failure)
	}
	f, err := verify.ParseFile(data)
	must(w.t, err)
	found := map[string]uint64{}
	entries := f.History(subject).Entries
	for _, e := range entries {
		found[verify.Hex(e.Hash)] = e.Index
	}
	if len(entries) != len(w.sent) || !maps.Equal(found, w.sent) {
		w.t.Errorf("%d records were acknowledged, %d are on the log, %d different ones", len(w.sent), len(entries), len(found))
	}
}

// A node joins, another exchanges all its keys, and the first is removed
// again, nobody restarting, and a writer writing on all the while. Each step is cosigned by the quorum of before and
// of after, and a court that pinned the first policy follows it to the last.
func TestPolicyIsFollowed(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	first := c.policy()
	car := newVIN()
	b.ack("leeds", b.reading(car, 10_000))
	early := b.file(car)
	w := c.write("leeds")

	address, err := embed.FreeAddress()
	must(t, err)
	ghent := jcs.Make(jcs.Field{Name: "id", Value: jcs.Text("ghent")}, jcs.Field{Name: "member", Value: jcs.Text(dealer)},
		jcs.Field{Name: "address", Value: jcs.Text(address)})
	c.Cluster.Cluster.Nodes = append(c.Cluster.Cluster.Nodes, node.NodeConfig{ID: "ghent", Member: dealer, Address: address})
	ghent, pops := b.newKeys("ghent", ghent, c.Cluster.Cluster.KeyPath)
	b.nodes["ghent"] = ghent
	b.decide("node.added/1", ghent.With("pop", pops))
	w.goesOn("before the new node has started")
	c.run("ghent")
	b.eventually("ghent catching up", func() bool {
		return c.Nodes["ghent"].Status().Published >= c.Nodes["leeds"].Status().Published
	})
	b.ack("leeds", b.reading(car, 20_000))
	middle := b.file(car)

	turin, pops := b.newKeys("turin", b.nodes["turin"], c.Cluster.Cluster.NextKeyPath)
	b.nodes["turin"] = turin
	w.goesOn("with the new node")
	b.decide("node.changed/1", turin.With("pop", pops))
	w.goesOn("after the exchange of keys")
	b.ack("leeds", b.reading(car, 30_000))
	b.eventually("turin following under its new keys", func() bool {
		return c.Nodes["turin"].Status().Published >= c.Nodes["leeds"].Status().Published
	})

	delete(b.nodes, "ghent")
	gone := c.Nodes["ghent"]
	b.decide("node.removed/1", removal("ghent"))
	select {
	case <-gone.Done():
	case <-time.After(patience):
		t.Fatal("a removed node goes on")
	}
	if code := fault.Code(gone.Err()); code != "node_removed" {
		t.Fatalf("a removed node ended with %v", gone.Err())
	}
	c.StopNode("ghent")
	if err := c.Run("ghent"); err == nil {
		t.Fatal("a removed node starts again")
	}
	b.ack("leeds", b.reading(car, 40_000))
	late := b.file(car)
	w.goesOn("after the removal")
	w.end()

	// A restart of everyone: what was learnt is on disk. What one lost of it, it
	// has again from the ledger: members, keys, roles, rules, and the tree.
	size, root := c.agree("lyon", "turin", "leeds", "mutual")
	authority := c.Nodes["leeds"].Authority()
	c.Stop()
	must(t, os.Remove(filepath.Join(c.Cluster.Cluster.DataPath("mutual"), "tree.db")))
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		c.run(id)
	}
	b.eventually("a quorum after the restart", func() bool { return c.Nodes["leeds"].Status().Published > 0 })
	if s, r := c.agree("lyon", "turin", "leeds", "mutual"); s != size || r != root {
		t.Errorf("the tree is another: %d leaves, %d before", s, size)
	}
	for id, n := range c.Nodes {
		if got := n.Authority(); got != authority {
			t.Errorf("%s has another authority:\n%s\nbefore\n%s", id, got, authority)
		}
	}

	for name, data := range map[string][]byte{"early": early, "middle": middle, "late": late} {
		rep := verify.Verify(data, verify.Options{Policy: first, Now: time.Now(), Subject: record.VehicleSubject(car)})
		if !rep.Verified {
			t.Errorf("the %s file under the first policy: %v", name, rep.Failure)
		}
	}
	last, steps, err := verify.Follow(first, late, time.Now())
	must(t, err)
	if len(steps) != 3 || last.Of() != 4 || strings.Contains(last.Text(), ghent.Get("cosigner_key").Str) {
		t.Errorf("the first policy leads in %d steps to:\n%s", len(steps), last.Text())
	}
	// A step that lacks its signatures leads nowhere.
	f, err := verify.ParseFile(late)
	must(t, err)
	lines := strings.SplitAfter(string(f.Bridges[0]), "\n")
	f.Bridges[0] = []byte(strings.Join(lines[:len(lines)-3], ""))
	if rep := verify.Verify(f.Bytes(), verify.Options{Policy: first, Now: time.Now()}); fault.Code(rep.Failure) != "bridge" {
		t.Errorf("a bridge without its quorum gave %v", rep.Failure)
	}
}

// The leader itself is removed. It gathers the head of before and after as
// its last act, and another one takes over.
func TestTheLeaderIsRemoved(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	first := c.policy()
	car := newVIN()
	c.lead("turin")
	b.ack("leeds", b.reading(car, 10_000))
	gone := c.Nodes["turin"]
	delete(b.nodes, "turin")
	b.decide("node.removed/1", jcs.Make(jcs.Field{Name: "id", Value: jcs.Text("turin")}, jcs.Field{Name: "reason", Value: jcs.Text("left")}))
	select {
	case <-gone.Done():
	case <-time.After(patience):
		t.Fatal("the removed leader goes on")
	}
	if code := fault.Code(gone.Err()); code != "node_removed" {
		t.Fatalf("the removed leader ended with %v", gone.Err())
	}
	c.StopNode("turin")
	b.ack("leeds", b.reading(car, 20_000))
	last, steps, err := verify.Follow(first, b.file(car), time.Now())
	must(t, err)
	if len(steps) != 1 || last.Of() != 3 {
		t.Errorf("the first policy leads in %d steps to:\n%s", len(steps), last.Text())
	}
}

// A node that was down when it was removed is missed until then, and no
// longer.
func TestARemovedNodeIsNotMissed(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	b := newBoard(c)
	c.lead("lyon")
	c.StopNode("mutual")
	b.ack("leeds", b.reading(newVIN(), 10_000))
	missed := func() int { return len(c.Nodes[c.leader()].Status().Silent) }
	b.eventually("mutual being missed", func() bool { return missed() == 1 })
	delete(b.nodes, "mutual")
	b.decide("node.removed/1", jcs.Make(jcs.Field{Name: "id", Value: jcs.Text("mutual")}, jcs.Field{Name: "reason", Value: jcs.Text("left")}))
	b.ack("leeds", b.reading(newVIN(), 20_000))
	b.eventually("nobody being missed", func() bool { return missed() == 0 })
}

package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"sync"
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

// patience is how long a test waits for a condition that must come true; it
// is never waited out in a run that passes.
const patience = 90 * time.Second

const (
	dealer  = "dealer.example/lyon"
	other   = "dealer.example/turin"
	auditor = "insurer.example/mutual"
)

// cluster is the example cluster under test: lyon, turin and leeds vote,
// mutual only cosigns.
type cluster struct {
	*embed.Cluster
	t      testing.TB
	origin string
	signer certs.Signer // the dealer's
	logs   sync.Map     // node id -> *logbook

	mu      sync.Mutex
	clients map[string]*node.Client
}

// startCluster founds a cluster and runs all its nodes. change, if not nil,
// has the last word on each node's configuration.
func startCluster(t testing.TB, change func(id string, c *node.Config)) *cluster {
	t.Helper()
	c := newCluster(t, change)
	for _, n := range c.Cluster.Cluster.Nodes {
		c.run(n.ID)
	}
	c.ready()
	return c
}

func newCluster(t testing.TB, change func(id string, c *node.Config)) *cluster {
	t.Helper()
	return newClusterWith(t, embed.Config{}, change)
}

func newClusterWith(t testing.TB, cfg embed.Config, change func(id string, c *node.Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, clients: map[string]*node.Client{}}
	var err error
	cfg.Dir = t.TempDir()
	cfg.Each = func(id string, cfg *node.Config) {
		book, _ := c.logs.LoadOrStore(id, &logbook{})
		cfg.Log = slog.New(slog.NewTextHandler(book.(*logbook), nil))
		if change != nil {
			change(id, cfg)
		}
	}
	c.Cluster, err = embed.New(cfg)
	must(t, err)
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() && os.Getenv("MILEPOST_TEST_LOG") != "" {
			c.logs.Range(func(id, book any) bool { t.Logf("log of %s:\n%s", id, book.(*logbook)); return true })
		}
	})
	f, err := node.ReadFounding(c.Cluster.Cluster.FoundingPath())
	must(t, err)
	c.origin = f.Origin
	c.signer, err = c.Signer(dealer)
	must(t, err)
	return c
}

func (c *cluster) run(id string) {
	c.t.Helper()
	must(c.t, c.Run(id))
}

// scene is one of several tests that share a cluster, one after the other.
type scene struct {
	name string
	play func(*testing.T, *cluster)
}

func (c *cluster) play(t *testing.T, scenes ...scene) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			defer func(t testing.TB) { c.t = t }(c.t)
			c.t = t
			s.play(t, c)
		})
	}
}

// ready waits until every running node knows a head with a quorum, and all
// founding members are admitted everywhere.
func (c *cluster) ready() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(c.t, c.Ready(ctx))
	for _, id := range c.IDs() {
		c.eventually("the founding at "+id, c.Nodes[id].Founded)
	}
}

// leader waits until the nodes that run agree on one.
func (c *cluster) leader() (id string) {
	c.t.Helper()
	c.eventually("a leader that all know", func() bool {
		id = c.Leader()
		for _, n := range c.Nodes {
			if id == "" || n.Status().Leader != id {
				return false
			}
		}
		return id != ""
	})
	return id
}

// followers lists the other voters that run, and the cosigning node last.
func (c *cluster) followers() []string {
	c.t.Helper()
	leader, ids := c.leader(), []string{}
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		if id != leader && c.Nodes[id] != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// lead makes a voter the leader.
func (c *cluster) lead(id string) {
	c.t.Helper()
	c.eventually(id+" leading", func() bool {
		if now := c.leader(); now != id {
			c.Nodes[now].LeadershipTo(id)
		}
		return c.Nodes[id].Status().Role == "leader" && c.leader() == id
	})
}

// as returns a client of a node in the name of a member; "" is nobody.
func (c *cluster) as(id, member string) *node.Client {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := id + " " + member
	if c.clients[key] == nil {
		var identity *certs.TLSIdentity
		if member != "" {
			var err error
			identity, err = c.key(member, keyfile.UseTLS).TLS()
			must(c.t, err)
		}
		c.clients[key] = c.clientAs(id, identity)
	}
	return c.clients[key]
}

// clientAs returns a client of a node that shows a key; nil shows none.
func (c *cluster) clientAs(id string, identity *certs.TLSIdentity) *node.Client {
	c.t.Helper()
	entry, err := c.Cluster.Cluster.Node(id)
	must(c.t, err)
	pin, err := c.key("node/"+id, keyfile.UseTLS).Public()
	must(c.t, err)
	cl := node.NewClient(entry.Address, pin, identity, nil)
	c.t.Cleanup(cl.Close)
	return cl
}

// ack submits at a node, trying again on outages, until all are on the log.
func (c *cluster) ack(id string, notes ...[]byte) *node.SubmitAnswer {
	c.t.Helper()
	return c.ackAs(id, dealer, notes...)
}

// ackAs is ack in the name of any member.
func (c *cluster) ackAs(id, member string, notes ...[]byte) *node.SubmitAnswer {
	c.t.Helper()
	var ans *node.SubmitAnswer
	err := try(func() (err error) {
		ans, err = c.as(id, member).Submit(context.Background(), notes...)
		return err
	})
	if err != nil {
		c.t.Fatalf("submit at %s: %v (%s)", id, err, fault.Code(err))
	}
	for i, r := range ans.Records {
		if r.Status != "accepted" && r.Status != "present" {
			c.t.Fatalf("record %d: %+v", i, r.Error)
		}
	}
	return ans
}

// ackOnce has a reading acknowledged that stands in one ledger entry: after a
// lost answer it sends another one.
func (c *cluster) ackOnce(id, vin string, km int64) (note []byte, answer *node.SubmitAnswer) {
	c.t.Helper()
	err := try(func() (err error) {
		note = c.reading(vin, km)
		answer, err = c.as(id, dealer).Submit(context.Background(), note)
		return err
	})
	must(c.t, err)
	return note, answer
}

// proof asks for a proof file, whose use may have to be written first.
func (c *cluster) proof(client *node.Client, subject string, with ...string) (data []byte, err error) {
	err = try(func() (err error) {
		data, err = client.Proof(context.Background(), subject, with...)
		return err
	})
	return data, err
}

// try asks again while the answer is an outage.
func try(ask func() error) (err error) {
	for end := time.Now().Add(patience); ; pause(10 * time.Millisecond) {
		if err = ask(); err == nil || !outage(err) || time.Now().After(end) {
			return err
		}
	}
}

// outage tells "try again" from a refusal.
func outage(err error) bool {
	switch fault.Code(err) {
	case "no_leader", "overloaded", "unknown", "unreachable", "stopping", "no_head", "behind", "clock":
		return true
	}
	return false
}

// agree waits until the given nodes, or all that run, have the same tree.
func (c *cluster) agree(ids ...string) (size uint64, root [32]byte) {
	c.t.Helper()
	if len(ids) == 0 {
		ids = c.IDs()
	}
	c.eventually("one tree at "+strings.Join(ids, ", "), func() bool {
		size, root = c.Nodes[ids[0]].TreeHead()
		for _, id := range ids {
			if s, r := c.Nodes[id].TreeHead(); s != size || r != root {
				return false
			}
		}
		return true
	})
	return size, root
}

// eventually polls until a condition holds.
func (c *cluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	eventually(c.t, what, ok)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for: %s", what)
		}
		pause(5 * time.Millisecond)
	}
}

// pause is the step of polls.
func pause(d time.Duration) { <-time.After(d) }

// ended waits until a node has stopped by itself and says why.
func (c *cluster) ended(id string) error {
	c.t.Helper()
	n := c.Nodes[id]
	select {
	case <-n.Done():
	case <-time.After(patience):
		c.t.Fatalf("%s goes on", id)
	}
	err := n.Err()
	n.Stop(context.Background()) // waits for its end
	delete(c.Nodes, id)
	return err
}

// metric reads a counter or gauge of a node, summed over its labels.
func (c *cluster) metric(id, name string) (sum float64) {
	c.t.Helper()
	data, err := c.as(id, dealer).Get(c.t.Context(), "/metrics")
	must(c.t, err)
	for line := range strings.Lines(string(data)) {
		var v float64
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, name) && (line[len(name)] == '{' || line[len(name)] == ' ') {
			fmt.Sscan(line[i+1:], &v)
			sum += v
		}
	}
	return sum
}

func (c *cluster) policy() *verify.Policy {
	c.t.Helper()
	p, err := c.Policy()
	must(c.t, err)
	return p
}

// key reads one of the cluster's private keys.
func (c *cluster) key(holder, use string) *keyfile.Key {
	c.t.Helper()
	k, err := keyfile.ReadKeyFile(c.Cluster.Cluster.KeyPath(holder, use), nil)
	must(c.t, err)
	return k
}

func (c *cluster) said(id, words string) bool {
	book, ok := c.logs.Load(id)
	return ok && strings.Contains(book.(*logbook).String(), words)
}

// logbook keeps what a node logs.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (%s)", err, fault.Code(err))
	}
}

// vin makes a VIN without check digit, from outside North America.
func vin(i int) string { return fmt.Sprintf("VF1AAAA%010d", i) }

func newVIN() string { return vin(mathrand.IntN(1_000_000_000)) }

// draft is a reading of 50,000 km an hour ago, for a test to change.
func (c *cluster) draft(vin string) record.Draft {
	id, err := record.NewUUIDv7(time.Now(), rand.Reader)
	must(c.t, err)
	return record.Draft{
		Author: dealer, Origin: c.origin, ID: id, Type: "odometer.reading/1", Subjects: []string{record.VehicleSubject(vin)},
		Captured: record.FormatUTC(time.Now()), EventTime: record.FormatUTC(time.Now().Add(-time.Hour)), Precision: "second",
		Body: odometer(50_000),
	}
}

func odometer(km int64) jcs.Value {
	return jcs.Make(
		jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
		jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
		jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(km)})
}

func createdBody() jcs.Value {
	return jcs.Make(jcs.Field{Name: "imported", Value: jcs.Boolean(false)}, jcs.Field{Name: "make", Value: jcs.Text("Example")}, jcs.Field{Name: "model", Value: jcs.Text("One")})
}

func (c *cluster) sign(d record.Draft, signers ...certs.Signer) []byte {
	c.t.Helper()
	text, err := d.Text()
	must(c.t, err)
	if len(signers) == 0 {
		signers = []certs.Signer{c.signer}
	}
	note, err := record.Sign(text, signers...)
	must(c.t, err)
	return note
}

// reading is a signed reading of a vehicle.
func (c *cluster) reading(vin string, km int64) []byte {
	c.t.Helper()
	d := c.draft(vin)
	d.Body = odometer(km)
	return c.sign(d)
}

// readings are n signed readings of as many vehicles.
func (c *cluster) readings(n int) [][]byte {
	c.t.Helper()
	notes := make([][]byte, n)
	for i := range notes {
		notes[i] = c.reading(newVIN(), int64(10_000+i))
	}
	return notes
}

// seal mends a signed note's signature to be that of another text.
func forgeSignature(note []byte) []byte {
	n, err := certs.ParseNote(note, record.MaxBytes, 64)
	if err != nil {
		panic(err)
	}
	n.Sigs[0].Bytes[10] ^= 1
	return n.Bytes()
}

func refused(t testing.TB, err error, code string) {
	t.Helper()
	if got := fault.Code(err); err == nil || got != code {
		t.Errorf("refused with %q (%v), want %q", got, err, code)
	}
}

// visits are n service visits of nearly 60,000 bytes each, that name a reading
// of the vehicle on the log.
func (c *cluster) visits(vin, reading string, n int) [][]byte {
	c.t.Helper()
	long := strings.Repeat("x", 110)
	var lines []jcs.Value
	for range 110 {
		lines = append(lines, jcs.Make(
			jcs.Field{Name: "cause", Value: jcs.Text(long)}, jcs.Field{Name: "complaint", Value: jcs.Text(long)}, jcs.Field{Name: "correction", Value: jcs.Text(long)},
			jcs.Field{Name: "pay", Value: jcs.Text("customer")}, jcs.Field{Name: "work_type", Value: jcs.Text("repair")}))
	}
	notes := make([][]byte, n)
	for i := range notes {
		d := c.draft(vin)
		d.Type = "service.visit/1"
		d.Body = jcs.Make(
			jcs.Field{Name: "lines", Value: jcs.Array(lines...)}, jcs.Field{Name: "odometer_work", Value: jcs.Boolean(false)},
			jcs.Field{Name: "order_no", Value: jcs.Text("A-1")}, jcs.Field{Name: "reading_in", Value: jcs.Text(reading)},
			jcs.Field{Name: "service_type", Value: jcs.Text("repair")})
		if notes[i] = c.sign(d); len(notes[i]) < 45_000 {
			c.t.Fatalf("the large record has %d bytes", len(notes[i]))
		}
	}
	return notes
}

// metricOf reads one counter or gauge of a node, with labels as they are
// written.
func (c *cluster) metricOf(id, name, labels string) (v float64) {
	c.t.Helper()
	data, err := c.as(id, dealer).Get(c.t.Context(), "/metrics")
	must(c.t, err)
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+labels+" "); ok {
			fmt.Sscan(rest, &v)
		}
	}
	return v
}

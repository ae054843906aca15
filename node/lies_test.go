package node_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// nodeClient speaks to a node in the name of another node, as a node that
// lies would: with its TLS key.
func (c *cluster) nodeClient(from, to string) *node.Client {
	c.t.Helper()
	return c.as(to, "node/"+from)
}

// checkpoint is a tree head signed with nodes' keys: the first as the log,
// the rest as cosigners.
func (c *cluster) checkpoint(size uint64, root [32]byte, log string, cosigners ...string) []byte {
	c.t.Helper()
	head := verify.Checkpoint{Origin: c.origin, Size: size, Root: root}
	n := certs.Note{Text: head.Text()}
	add := func(s certs.Signer, err error) {
		must(c.t, err)
		sig, err := s.Sign([]byte(n.Text))
		must(c.t, err)
		n.Sigs = append(n.Sigs, sig)
	}
	add(c.key("node/"+log, keyfile.UseLog).Signer())
	for _, id := range cosigners {
		add(c.key("node/"+id, keyfile.UseCosigner).Cosigner(time.Now))
	}
	return n.Bytes()
}

// askCosign asks a node for its cosignature in the name of another, with the
// newest size that it names itself.
func (c *cluster) askCosign(from, to string, checkpoint []byte, proof func(old uint64) [][32]byte) ([]byte, error) {
	return c.nodeClient(from, to).AskCosign(c.t.Context(), checkpoint, proof)
}

func TestLiesAreRefused(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t,
		scene{"a foreign root", followerRefusesForeignRoot}, scene{"one liar stops nobody", oneLiarStopsNobody},
		scene{"unsound records", unsoundRecordsAreSkippedByAll}, scene{"an undecodable entry", undecodableEntryIsNotStored})
}

// What a lying leader gets into the ledger is skipped by every node, each
// with its reason, and what is sound beside it goes in.
func unsoundRecordsAreSkippedByAll(t *testing.T, c *cluster) {
	leader := c.leader()
	before, _ := c.agree()
	good := c.reading(newVIN(), 50_000)
	otherOrigin := c.draft(newVIN())
	otherOrigin.Origin = "milepost.example/demo/0123456789abcdef0123456789abcdef01234567"
	nobody, err := keyfile.NewKey(keyfile.UseRecord, "nobody.example/anywhere", rand.Reader)
	must(t, err)
	nobodySigner, err := nobody.Signer()
	must(t, err)
	unknown := c.draft(newVIN())
	unknown.Author = nobody.Name
	stranger, err := keyfile.NewKey(keyfile.UseRecord, dealer, rand.Reader)
	must(t, err)
	strangerSigner, err := stranger.Signer()
	must(t, err)
	insurer, err := c.Signer("insurer.example/mutual")
	must(t, err)
	visit := c.draft(newVIN())
	visit.Author, visit.Type, visit.Body = "insurer.example/mutual", "vehicle.created/1", createdBody()
	late := c.draft(newVIN())
	late.ID = idOf(t, good)
	genesis, err := node.ReadFounding(c.Cluster.Cluster.FoundingPath())
	must(t, err)

	batch := []struct {
		note []byte
		code string // "" when it goes in
	}{
		{forgeSignature(c.reading(newVIN(), 1000)), "signature"},
		{c.sign(unknown, nobodySigner), "author_unknown"},
		{c.sign(otherOrigin), "origin"},
		{good, ""},
		{c.sign(c.draft(newVIN()), strangerSigner), "key_unknown"},
		{c.sign(visit, insurer), "not_allowed"},
		{[]byte("not a record"), "note_form"},
		{c.sign(late), "id_reused"},
		{good, ""}, // the same again is no refusal
		{bytes.Replace(c.reading(newVIN(), 70_000), []byte("70000"), []byte("10000"), 1), "signature"},
		{genesis.Notes[1], ""}, // there already
	}
	var notes [][]byte
	refusals := 0
	for _, b := range batch {
		notes = append(notes, b.note)
		if b.code != "" {
			refusals++
		}
	}
	reasons, err := c.Nodes[leader].Propose(time.Now(), notes...)
	must(t, err)
	for i, b := range batch {
		if got := reasons[i]; b.code == "" && got != nil || b.code != "" && fault.Code(got) != b.code {
			t.Errorf("record %d: %v (%s), want %q", i, got, fault.Code(got), b.code)
		}
	}
	size, _ := c.agree()
	if size != before+2 { // the good one and its seal
		t.Errorf("the tree has grown from %d to %d leaves", before, size)
	}
	for _, id := range c.IDs() {
		if got := c.metric(id, "milepost_skipped_records_total"); got != float64(refusals) {
			t.Errorf("%s has skipped %v records, want %d", id, got, refusals)
		}
		for _, b := range batch {
			if b.code != "" && !c.said(id, "code="+b.code) {
				t.Errorf("%s does not say %s", id, b.code)
			}
		}
	}
	// The whole ledger replays to the same end, on the record's own.
	c.ack(c.followers()[0], c.reading(newVIN(), 60_000))
}

// An entry that cannot be decoded, or is of another kind, is stored nowhere.
func undecodableEntryIsNotStored(t *testing.T, c *cluster) {
	good := node.EncodeBatch(time.Now(), c.reading(newVIN(), 50_000))
	for _, data := range [][]byte{{}, []byte("garbage"), append([]byte{2}, good[1:]...), append(good, 0)} {
		leader := c.leader()
		last, _ := c.Nodes[leader].Ledger()
		if _, err := c.Nodes[leader].ProposeEntry(data); err == nil {
			t.Fatalf("an entry of %q was taken", data)
		}
		if now, _ := c.Nodes[leader].Ledger(); now > last+2 { // a new leader's first entries
			t.Errorf("the ledger has grown from %d to %d", last, now)
		}
	}
	c.ack("turin", c.reading(newVIN(), 50_000))
	c.agree()
}

// A node asked to cosign what is not its own tree refuses, says so, counts it
// and keeps the head; and its doors are shut to everyone but nodes.
func followerRefusesForeignRoot(t *testing.T, c *cluster) {
	leader := c.leader()
	follower := c.followers()[0]
	c.ack(leader, c.readings(3)...)
	size, root := c.agree()
	wrong := root
	wrong[7] ^= 1
	none := func(uint64) [][32]byte { return nil }

	counted := c.metric(follower, "milepost_refused_heads_total")
	_, err := c.askCosign(leader, follower, c.checkpoint(size, wrong, leader), none)
	refused(t, err, "root_mismatch")
	if !c.said(follower, "refused to cosign a root that is not this tree's") {
		t.Error("it does not say so in its log")
	}
	if c.metric(follower, "milepost_refused_heads_total") != counted+1 {
		t.Error("it does not count it")
	}
	kept, _ := filepath.Glob(filepath.Join(c.Cluster.Cluster.DataPath(follower), "evidence", "refused-*"))
	if len(kept) != 1 {
		t.Fatalf("it keeps %v", kept)
	}
	head, err := os.ReadFile(kept[0])
	must(t, err)
	if !bytes.Contains(head, []byte(c.checkpointText(size, wrong))) {
		t.Error("what it keeps is not the head that it refused")
	}

	// Not right after a seal: nobody has an index root for it.
	_, err = c.askCosign(leader, follower, c.checkpoint(size-1, wrong, leader), none)
	refused(t, err, "root_mismatch")
	// Beyond its tree: it waits a little, then says that it is behind.
	_, err = c.askCosign(leader, follower, c.checkpoint(size+5, root, leader), none)
	refused(t, err, "behind")
	// Of another log, or signed by no log key.
	foreign := bytes.Replace(c.checkpoint(size, root, leader), []byte("milepost.example/demo"), []byte("milepost.example/dema"), 1)
	_, err = c.askCosign(leader, follower, foreign, none)
	refused(t, err, "log_unknown")
	unsigned := append([]byte(c.checkpointText(size, root)+"\n"), "— nobody.example AAAAAAAA\n"...)
	_, err = c.askCosign(leader, follower, unsigned, none)
	refused(t, err, "log_key_missing")
	// A consistency proof that does not fit.
	c.ack(leader, c.reading(newVIN(), 70_000))
	size, root = c.agree()
	_, err = c.askCosign(leader, follower, c.checkpoint(size, root, leader), func(old uint64) [][32]byte {
		if old == size { // it has cosigned this head in a round: nothing to prove
			return [][32]byte{root}
		}
		return nil
	})
	refused(t, err, "consistency")
	// It is for nodes only.
	for _, member := range []string{"", dealer} {
		if _, err := c.as(follower, member).AskCosign(t.Context(), c.checkpoint(size, root, leader), none); fault.Code(err) != "forbidden" && fault.Code(err) != "unauthenticated" {
			t.Errorf("as %q: %v", member, err)
		}
	}
	// None of this has shaken it.
	c.ack(follower, c.reading(newVIN(), 80_000))
	c.agree()
}

func (c *cluster) checkpointText(size uint64, root [32]byte) string {
	return (&verify.Checkpoint{Origin: c.origin, Size: size, Root: root}).Text()
}

// A dealer rewrites a reading in its own node's database, signature and all,
// and has its tree built of that. Nobody cosigns it, whether the node follows
// or leads, and it finds itself contradicted.
func TestDoctoredNodeGetsNoQuorum(t *testing.T) {
	t.Parallel()
	var muted atomic.Bool // the honest voters ask for no votes, so that the liar leads
	c := startCluster(t, func(id string, cfg *node.Config) {
		if id == "lyon" {
			return
		}
		cfg.Lie(node.Lies{Transport: func(tr raft.Transport) raft.Transport {
			return &mutedTransport{tr.(*raft.NetworkTransport), &muted}
		}})
	})
	car := newVIN()
	d := c.draft(car)
	d.Body = odometer(180_000)
	truth := c.sign(d)
	d.Body = odometer(80_000)
	lie := c.sign(d)
	c.ack("lyon", truth)
	c.ack("turin", c.readings(5)...)
	c.agree()
	dir := c.Cluster.Cluster.DataPath("lyon")

	for _, id := range c.IDs() {
		c.StopNode(id)
	}
	must(t, node.DoctorLedger(dir, truth, lie))

	// First it leads: it is the only one that asks for votes.
	muted.Store(true)
	for _, id := range []string{"turin", "leeds", "mutual", "lyon"} {
		c.run(id)
	}
	refused(t, c.ended("lyon"), "root_mismatch")
	muted.Store(false)
	c.ack("leeds", c.reading(newVIN(), 20_000))
	c.agree()

	// Then it follows.
	c.run("lyon")
	var found *node.Contradiction
	if err := c.ended("lyon"); !errors.As(err, &found) {
		t.Fatalf("the doctored node ends with %v", err)
	}
	c.checkEvidence(found)
	c.ack("turin", c.reading(newVIN(), 10_000)) // the others do without it
	c.agree()
	policy := c.policy()
	for _, id := range c.IDs() {
		head, err := c.as(id, "").Get(t.Context(), "/checkpoint")
		must(t, err)
		h, err := policy.Check(head, time.Now())
		must(t, err)
		if got, err := c.Nodes[id].RootAt(h.Size); err != nil || got != h.Root {
			t.Errorf("%s publishes a head that is not its tree's", id)
		}
	}
}

// mutedTransport asks for no votes while muted.
type mutedTransport struct {
	*raft.NetworkTransport
	muted *atomic.Bool
}

var errMuted = errors.New("muted")

func (m *mutedTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if m.muted.Load() {
		return errMuted
	}
	return m.NetworkTransport.RequestVote(id, target, args, resp)
}

func (m *mutedTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if m.muted.Load() {
		return errMuted
	}
	return m.NetworkTransport.RequestPreVote(id, target, args, resp)
}

// checkEvidence: what a node keeps when it stops proves the lie to anyone
// with the policy: two heads of one size with different roots, each signed by
// a log key and cosigned.
func (c *cluster) checkEvidence(e *node.Contradiction) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(e.Evidence, "size-*"))
	must(c.t, err)
	if len(files) != 2 {
		c.t.Fatalf("the evidence is %v", files)
	}
	policy := c.policy()
	roots := map[[32]byte]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		must(c.t, err)
		head, n, err := verify.ParseCheckpoint(data)
		must(c.t, err)
		if head.Size != e.Size || head.Origin != c.origin {
			c.t.Errorf("%s is of size %d of %s", f, head.Size, head.Origin)
		}
		roots[head.Root] = true
		logs, cosigners := 0, 0
		for _, s := range n.Sigs {
			for _, v := range policy.Logs() {
				if v.ID() == s.ID && v.Verify([]byte(n.Text), s.Bytes) {
					logs++
				}
			}
			for _, w := range policy.Witnesses() {
				if w.Key.ID() == s.ID && w.Key.Verify([]byte(n.Text), s.Bytes) {
					cosigners++
				}
			}
		}
		if logs == 0 || cosigners == 0 {
			c.t.Errorf("%s has %d log signatures and %d cosignatures", f, logs, cosigners)
		}
	}
	if len(roots) != 2 {
		c.t.Error("both heads have the same root")
	}
}

// A node alone, with all its keys, can't stop the others by signing nonsense.
func oneLiarStopsNobody(t *testing.T, c *cluster) {
	c.ack("turin", c.readings(2)...)
	size, root := c.agree()
	root[0] ^= 1
	for _, to := range []string{"turin", "leeds", "mutual"} {
		err := c.nodeClient("lyon", to).PushHead(t.Context(), c.checkpoint(size, root, "lyon", "lyon"))
		refused(t, err, "root_mismatch")
		if !c.said(to, "contradicts this node's tree") {
			t.Errorf("%s says nothing", to)
		}
		kept, _ := filepath.Glob(filepath.Join(c.Cluster.Cluster.DataPath(to), "evidence", fmt.Sprintf("refused-%d-*", size)))
		if len(kept) != 1 {
			t.Errorf("%s keeps %v", to, kept)
		}
	}
	c.ack("leeds", c.reading(newVIN(), 50_000))
	c.agree()
	for id, n := range c.Nodes {
		if n.Err() != nil {
			t.Errorf("%s has stopped: %v", id, n.Err())
		}
	}
}

func idOf(t testing.TB, note []byte) string {
	t.Helper()
	r, err := record.Open(note)
	must(t, err)
	return r.ID
}

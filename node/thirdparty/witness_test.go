package thirdparty

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/verify"
)

// addCheckpoint makes the C2SP tlog-witness call.
func addCheckpoint(t *testing.T, c *http.Client, url string, old uint64, path [][32]byte, checkpoint string) *http.Response {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", old)
	for _, h := range path {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n" + checkpoint)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(b.String()))
	must(t, err)
	resp, err := c.Do(req)
	must(t, err)
	return resp
}

// signedByLog is a tree head with the log's signature alone. A head with all
// its cosignatures has more than the 10 KiB that litewitness takes.
func signedByLog(t *testing.T, c *cluster, checkpoint []byte) string {
	t.Helper()
	n, err := note.Open(checkpoint, note.VerifierList(c.logKeys(t)...))
	must(t, err)
	return n.Text + "\n— " + n.Sigs[0].Name + " " + n.Sigs[0].Base64 + "\n"
}

// A witness from outside cosigns our tree heads, from the first to a later
// one that it is shown to extend it, and a policy that demands it beside
// three of four nodes accepts heads and proof files with its line and none
// without.
func TestOutsideWitness(t *testing.T) {
	t.Parallel()
	c := start(t, 10)
	var keys []string
	for _, k := range c.policy.Logs() {
		keys = append(keys, k.VKey())
	}
	w := startOutside(t, c.origin, keys)
	strict := c.withWitness(t, w.vkey)

	first, err := c.policy.Check(c.get(t, "checkpoint"), time.Now())
	must(t, err)
	body(t, addCheckpoint(t, http.DefaultClient, w.url, 0, nil, signedByLog(t, c, c.get(t, "checkpoint"))), http.StatusOK)
	c.send(t, 30)
	checkpoint := c.get(t, "checkpoint")
	file, _ := c.proof(t, vin(3))

	// The consistency proof is our own, from the tree of a node at rest.
	c.Stop()
	tree, err := log.Open(filepath.Join(c.Cluster.Cluster.DataPath(asked), "tree.db"), log.Config{Origin: c.origin, ReadOnly: true})
	must(t, err)
	defer tree.Close()
	view := tree.View()
	defer view.Release()
	path, err := view.Consistency(first.Size)
	must(t, err)

	head := signedByLog(t, c, checkpoint)
	wrong := append([][32]byte{{1}}, path[1:]...)
	body(t, addCheckpoint(t, http.DefaultClient, w.url, first.Size, wrong, head), http.StatusUnprocessableEntity)
	if known := body(t, addCheckpoint(t, http.DefaultClient, w.url, 0, nil, head), http.StatusConflict); string(known) != fmt.Sprintln(first.Size) {
		t.Errorf("the witness says that it knows size %q, not %d", known, first.Size)
	}
	line := body(t, addCheckpoint(t, http.DefaultClient, w.url, first.Size, path, head), http.StatusOK)

	if _, err := strict.Check(checkpoint, time.Now()); fault.Code(err) != "quorum_missing" {
		t.Errorf("a head without the witness: %v", err)
	}
	witnessed := append(checkpoint, line...)
	h, err := strict.Check(witnessed, time.Now())
	must(t, err)
	if h.Size != view.Size || h.Root != view.Root || h.Signed < 4 || h.CompleteAsOf == 0 {
		t.Errorf("head %+v", h)
	}
	v, err := torchwood.NewCosignatureVerifier(w.vkey)
	must(t, err)
	_, _, err = torchwood.VerifyCheckpoint(witnessed, torchwood.ThresholdPolicy(2, c.torchwoodPolicy(t), torchwood.SingleVerifierPolicy(v)))
	must(t, err)

	opt := verify.Options{Policy: strict, Now: time.Now(), Subject: "vehicle/" + vin(3)}
	if rep := verify.Verify(file, opt); rep.Verified || fault.Code(rep.Failure) != "quorum_missing" {
		t.Errorf("a proof file without the witness: %v", rep.Failure)
	}
	f, err := verify.ParseFile(file)
	must(t, err)
	f.TLogProof = append(f.TLogProof, line...) // the checkpoint is the last of it
	if rep := verify.Verify(f.Bytes(), opt); !rep.Verified || rep.Records != 40 {
		t.Errorf("a proof file with the witness: %d records, %v", rep.Records, rep.Failure)
	}
}

// A node is itself a witness of C2SP tlog-witness, to the other nodes: it
// gives the cosignature, or the status, that the specification names.
func TestNodeIsWitness(t *testing.T) {
	t.Parallel()
	c := start(t, 10)
	peer := pinned(t, c.Cluster, asked, "node/lyon")
	published := c.get(t, "checkpoint")
	good := signedByLog(t, c, published)
	now, err := c.policy.Check(published, time.Now())
	must(t, err)
	ask := func(old uint64, path [][32]byte, checkpoint string) *http.Response {
		return addCheckpoint(t, peer, c.url+"add-checkpoint", old, path, checkpoint)
	}

	// One who does not know the newest size is told.
	resp := ask(0, nil, good)
	var old uint64
	if _, err := fmt.Sscanf(string(body(t, resp, http.StatusConflict)), "%d\n", &old); err != nil || resp.Header.Get("Content-Type") != "text/x.tlog.size" {
		t.Fatalf("no size: %v, %v", resp.Header, err)
	}
	builder, err := client.NewProofBuilder(t.Context(), now.Size, c.tiles(t, c.http.Transport).ReadTile)
	must(t, err)
	hashes, err := builder.ConsistencyProof(t.Context(), old, now.Size)
	must(t, err)
	var path [][32]byte
	for _, h := range hashes {
		path = append(path, [32]byte(h))
	}

	text, _, _ := strings.Cut(good, "\n\n")
	another := certs.Sig{Name: c.origin, Bytes: make([]byte, 64)}
	for _, k := range c.logKeys(t) {
		if k.KeyHash() != c.logKey(t, published).KeyHash() {
			another.ID = k.KeyHash()
		}
	}
	key, err := keyfile.ReadKeyFile(c.Cluster.Cluster.KeyPath("node/lyon", keyfile.UseLog), nil)
	must(t, err)
	signer, err := key.Signer()
	must(t, err)
	forged := (&verify.Checkpoint{Origin: c.origin, Size: now.Size, Root: [32]byte{1}}).Text()
	sig, err := signer.Sign([]byte(forged))
	must(t, err)
	for _, bad := range []struct {
		what       string
		old        uint64
		path       [][32]byte
		checkpoint string
		status     int
	}{
		{"an old size above the checkpoint's", now.Size + 1, nil, good, http.StatusBadRequest},
		{"64 proof lines", old, make([][32]byte, 64), good, http.StatusBadRequest},
		{"another log", old, path, strings.Replace(good, c.origin, "log.example/other", 1), http.StatusNotFound},
		{"no signature of the log", old, path, text + "\n\n" + (certs.Sig{Name: "log.example/other", Bytes: sig.Bytes}).Line(), http.StatusForbidden},
		{"a second log key's line that does not verify", old, path, good + another.Line(), http.StatusForbidden},
		{"another root, signed by a node that lies", old, path, forged + "\n" + sig.Line(), http.StatusUnprocessableEntity},
		{"a consistency proof of too many hashes", old, append(path[:len(path):len(path)], [32]byte{}), good, http.StatusUnprocessableEntity},
	} {
		resp := ask(bad.old, bad.path, bad.checkpoint)
		resp.Body.Close()
		if resp.StatusCode != bad.status {
			t.Errorf("%s: %s instead of %d", bad.what, resp.Status, bad.status)
		}
	}

	var keys []note.Verifier
	for _, k := range c.cosigners(t) {
		keys = append(keys, k)
	}
	n, err := note.Open(append([]byte(text+"\n\n"), body(t, ask(old, path, good), http.StatusOK)...), note.VerifierList(keys...))
	must(t, err)
	if at, err := torchwood.CosignatureTimestamp(n.Sigs[0]); err != nil || at == 0 || len(n.Sigs) != 1 || n.Sigs[0].Name != c.origin+"/node/"+asked {
		t.Errorf("cosigned as %+v at %d, %v", n.Sigs, at, err)
	}
}

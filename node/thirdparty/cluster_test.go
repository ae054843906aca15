package thirdparty

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// asked is the node that is asked: one of the three voters, and in most runs
// a follower.
const asked = "turin"

// dealers may write readings. The first sends what all of them signed.
var dealers = []string{"dealer.example/lyon", "dealer.example/turin", "inspection.example/leeds"}

// fleet is how many vehicles there are.
const fleet = 12

func vin(i int) string { return fmt.Sprintf("VF1AAAA%010d", i+1) }

// cluster is a running log and what an outsider knows of it: the trust
// policy, and the address and TLS key of a node.
type cluster struct {
	*embed.Cluster
	policy *verify.Policy
	origin string
	url    string       // of the asked node
	http   *http.Client // speaks to it in the name of an auditor, who may read entry bundles
	sent   []sent       // every reading, in the order sent
	round  int          // of readings, so far
}

type sent struct{ note, hash string }

// start founds and runs the example cluster, four nodes over TLS, and sends
// so many readings of each vehicle.
func start(t *testing.T, readings int) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, err := embed.Start(ctx, embed.Config{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(e.Stop)
	c := &cluster{Cluster: e, origin: e.Nodes[asked].Origin(), http: pinned(t, e, asked, "insurer.example/mutual")}
	n, err := e.Cluster.Node(asked)
	must(t, err)
	c.url = "https://" + n.Address + "/"
	c.policy, err = e.Policy()
	must(t, err)
	c.send(t, readings)
	return c
}

// send has the dealers sign so many readings of each vehicle, one a quarter
// and each by the next dealer, and sends them all at once.
func (c *cluster) send(t *testing.T, readings int) {
	t.Helper()
	var signers []certs.Signer
	for _, d := range dealers {
		s, err := c.Signer(d)
		must(t, err)
		signers = append(signers, s)
	}
	var notes [][]byte
	for range readings {
		c.round++
		for v := range fleet {
			notes = append(notes, c.reading(t, signers[(c.round+v)%len(signers)], v))
		}
	}
	cl, err := c.Client(asked, dealers[0])
	must(t, err)
	defer cl.Close()
	answer, err := cl.Submit(t.Context(), notes...)
	for tries := 1; err != nil; tries++ {
		// On a machine that has no time for it a leader may lose its office.
		// To send the same bytes again is always safe.
		if code := fault.Code(err); tries == 5 || code != "no_leader" && code != "unknown" {
			t.Fatal(err)
		}
		must(t, c.Ready(t.Context()))
		answer, err = cl.Submit(t.Context(), notes...)
	}
	for i, a := range answer.Records {
		if a.Status != "accepted" && a.Status != "present" {
			t.Fatalf("record %d: %+v", i, a.Error)
		}
		c.sent = append(c.sent, sent{string(notes[i]), a.LeafHash})
	}
}

// reading is a signed odometer reading of vehicle v in this round.
func (c *cluster) reading(t *testing.T, s certs.Signer, v int) []byte {
	t.Helper()
	at := time.Date(2008, time.Month(3*c.round), 4+v, 10, 12, 0, 0, time.UTC)
	id, err := record.NewUUIDv7(at, rand.Reader)
	must(t, err)
	text, err := record.Draft{
		Author: s.Name(), Origin: c.origin, ID: id, Type: "odometer.reading/1", Subjects: []string{"vehicle/" + vin(v)},
		Captured: record.FormatUTC(time.Now()), EventTime: record.FormatTime(at), Precision: "minute",
		Body: jcs.Make(
			jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("inspection")},
			jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
			jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(int64(c.round)*3_700 + int64(v)*311)}),
	}.Text()
	must(t, err)
	signed, err := record.Sign(text, s)
	must(t, err)
	return signed
}

// pinned returns an HTTP client for one node alone, whose TLS key is pinned
// by the founding; it shows the TLS key of a holder: a member, or node/<id>.
func pinned(t *testing.T, e *embed.Cluster, id, holder string) *http.Client {
	t.Helper()
	founding, err := node.ReadFounding(e.Cluster.FoundingPath())
	must(t, err)
	key, err := keyfile.ReadKeyFile(e.Cluster.KeyPath(holder, keyfile.UseTLS), nil)
	must(t, err)
	identity, err := key.TLS()
	must(t, err)
	for _, n := range founding.Genesis.Body.Get("nodes").List {
		if n.Get("id").Str == id {
			transport := &http.Transport{TLSClientConfig: certs.ClientConfig(identity, n.Get("tls_key").Str, "http/1.1")}
			t.Cleanup(transport.CloseIdleConnections)
			return &http.Client{Transport: transport}
		}
	}
	t.Fatalf("the founding has no node %s", id)
	return nil
}

// get fetches a path from the asked node.
func (c *cluster) get(t *testing.T, path string) []byte {
	t.Helper()
	resp, err := c.http.Get(c.url + path)
	must(t, err)
	return body(t, resp, http.StatusOK)
}

// body reads an answer that must have a status.
func body(t *testing.T, resp *http.Response, status int) []byte {
	t.Helper()
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s instead of %d: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status, status, data)
	}
	return data
}

// receipt fetches the tlog-proof of a record.
func (c *cluster) receipt(t *testing.T, hash string) []byte {
	return c.get(t, "v1/records/"+hash+"/receipt")
}

// proofFile is a .mileproof as one who has only its description reads it.
type proofFile struct {
	Histories []struct {
		Subject    string
		Entries    []json.RawMessage
		IndexProof []byte `json:"index_proof"`
	}
	Seal      string
	TLogProof string `json:"tlog_proof"`
}

// proof fetches the proof file of a vehicle.
func (c *cluster) proof(t *testing.T, vin string) (raw []byte, f proofFile) {
	t.Helper()
	raw = c.get(t, "v1/vehicles/"+url.PathEscape(vin)+"/proof")
	must(t, json.Unmarshal(raw, &f))
	return raw, f
}

// logKeys are the policy's log keys: every node has one, all of one name.
func (c *cluster) logKeys(t *testing.T) []note.Verifier {
	t.Helper()
	var keys []note.Verifier
	for _, k := range c.policy.Logs() {
		v, err := note.NewVerifier(k.VKey())
		must(t, err)
		keys = append(keys, v)
	}
	return keys
}

// logKey is the log key that signed a checkpoint: that of the node that led.
func (c *cluster) logKey(t *testing.T, checkpoint []byte) note.Verifier {
	t.Helper()
	keys := c.logKeys(t)
	n, err := note.Open(checkpoint, note.VerifierList(keys...))
	must(t, err)
	for _, k := range keys {
		if k.KeyHash() == n.Sigs[0].Hash {
			return k
		}
	}
	panic("note.Open accepts signatures of known keys alone")
}

// withWitness is the policy that also demands an outside witness.
func (c *cluster) withWitness(t *testing.T, vkey string) *verify.Policy {
	t.Helper()
	text, ok := strings.CutSuffix(c.policy.Text(), "\nquorum nodes\n")
	if !ok {
		t.Fatalf("the policy does not end as expected:\n%s", c.policy.Text())
	}
	p, err := verify.ParsePolicy([]byte(text + "\nwitness outside " + vkey + "\ngroup both all nodes outside\nquorum both\n"))
	must(t, err)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

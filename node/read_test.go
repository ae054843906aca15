package node_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

func TestReads(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t,
		scene{"strict reads", strictReads}, scene{"receipts and proofs", receiptsAndProofs}, scene{"proofs while writing", proofsWhileWriting})
}

// A strict read at any node sees what was acknowledged at any other before.
func strictReads(t *testing.T, c *cluster) {
	ids := []string{"lyon", "turin", "leeds", "mutual"}
	strict := func(at, vin string) (out node.HistoryAnswer) {
		data, err := c.as(at, dealer).Get(t.Context(), "/v1/vehicles/"+vin+"?consistency=strict")
		must(t, err)
		must(t, json.Unmarshal(data, &out))
		return out
	}
	car := newVIN()
	for i := range 12 {
		ans := c.ack(ids[mathrand.IntN(4)], c.reading(car, int64(1000+i)))
		at := ids[mathrand.IntN(4)]
		h := strict(at, car)
		if len(h.Entries) != i+1 || h.Entries[i].Index != *ans.Records[0].Index || h.Size < ans.Size {
			t.Fatalf("%s shows %d of %d readings up to size %d", at, len(h.Entries), i+1, h.Size)
		}
	}
	// While others write, too.
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			mine := newVIN()
			for i := range 5 {
				if _, err := c.as(ids[w], dealer).Submit(t.Context(), c.reading(mine, int64(1000+i))); err != nil {
					t.Error(err)
					return
				}
				if h := strict(ids[(w+i)%4], mine); len(h.Entries) != i+1 {
					t.Errorf("%d of %d readings", len(h.Entries), i+1)
				}
			}
		})
	}
	wg.Wait()
}

// Every record that was acknowledged has its receipt and stands in its
// vehicle's proof, at every node; a vehicle that nobody knows has a proof of
// that.
func receiptsAndProofs(t *testing.T, c *cluster) {
	policy := c.policy()
	cars := map[string]int{}
	var notes [][]byte
	for range 40 {
		car := vin(mathrand.IntN(10))
		cars[car]++
		notes = append(notes, c.reading(car, int64(1000*cars[car])))
	}
	ans := c.ack("turin", notes...)
	for i, r := range ans.Records {
		at := []string{"lyon", "turin", "leeds", "mutual"}[i%4]
		c.eventually(at+" publishing it", func() bool { return c.Nodes[at].Status().Published >= ans.Size })
		data, err := c.as(at, "").Receipt(t.Context(), r.LeafHash)
		must(t, err)
		checkReceipt(t, policy, data, verify.LeafHash(notes[i]), *r.Index)
	}
	prove := func(at, car string, want int) {
		t.Helper()
		file, err := c.as(at, dealer).Proof(t.Context(), record.VehicleSubject(car))
		must(t, err)
		rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now(), Subject: record.VehicleSubject(car)})
		if !rep.Verified || rep.Records != want {
			t.Errorf("%s proves %d records of %s, want %d: %v", at, rep.Records, car, want, rep.Failure)
		}
	}
	for car, n := range cars {
		for _, at := range []string{"lyon", "mutual"} {
			prove(at, car, n)
		}
	}
	for _, at := range c.IDs() {
		prove(at, vin(999_999), 0)
	}
}

// Proofs that are made while the tree grows verify, each as of its own head.
func proofsWhileWriting(t *testing.T, c *cluster) {
	policy := c.policy()
	ids := []string{"lyon", "turin", "leeds", "mutual"}
	car := newVIN()
	c.ack("turin", c.reading(car, 1000))
	stop := make(chan struct{})
	var writers, provers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				notes := append(c.readings(3), c.reading(car, int64(2000+i)))
				if _, err := c.as(ids[w+1], dealer).Submit(t.Context(), notes...); err != nil && !outage(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	for p := range 5 {
		provers.Go(func() {
			var size uint64
			records := 0
			for i := range 10 {
				file, err := c.as(ids[(p+i)%4], dealer).Get(t.Context(), node.VehiclePath("vehicle/"+car)+"/proof?consistency=strict")
				if err != nil && outage(err) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now(), Subject: record.VehicleSubject(car)})
				if !rep.Verified {
					t.Errorf("size %d: %v", rep.Size, rep.Failure)
				}
				if rep.Size < size || rep.Records < records {
					t.Errorf("%d records at size %d, before %d at %d", rep.Records, rep.Size, records, size)
				}
				size, records = rep.Size, rep.Records
			}
		})
	}
	provers.Wait()
	close(stop)
	writers.Wait()
}

// A proof is complete as of now though nothing was written for a while: the
// head is cosigned anew for it, wherever it is asked for. Without a quorum
// the old head must do.
func TestProofIsFresh(t *testing.T) {
	t.Parallel()
	clock := newClocks()
	c := startCluster(t, func(id string, cfg *node.Config) { cfg.Now = clock.of(id) })
	policy := c.policy()
	car := newVIN()
	c.ack("turin", c.reading(car, 1000))
	size, _ := c.agree()
	var ahead time.Duration
	age := func(at string) time.Duration {
		t.Helper()
		file, err := c.as(at, dealer).Proof(t.Context(), record.VehicleSubject(car))
		must(t, err)
		now := time.Now().Add(ahead)
		rep := verify.Verify(file, verify.Options{Policy: policy, Now: now, Subject: record.VehicleSubject(car)})
		if !rep.Verified || rep.Size != size {
			t.Fatalf("size %d: %v", rep.Size, rep.Failure)
		}
		return now.Sub(time.Unix(rep.AsOf, 0))
	}
	for _, at := range append([]string{c.leader()}, c.followers()...) {
		ahead += time.Minute
		for id := range clock {
			clock.set(id, ahead)
		}
		if a := age(at); a > 40*time.Second {
			t.Errorf("a proof by %s is %v old", at, a)
		}
	}
	// Only the leader and one follower are left: two of four are no quorum.
	rest := c.followers()
	c.StopNode(rest[2])
	for _, id := range rest[1:2] {
		c.StopNode(id)
	}
	ahead += time.Minute
	for id := range clock {
		clock.set(id, ahead)
	}
	if a := age(rest[0]); a < 50*time.Second {
		t.Errorf("without a quorum a proof is %v old", a)
	}
}

// A TLS key that is revoked has its idle connections cut on every node, and
// no new handshake.
func TestRevokedKeyIsCutOff(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	k := c.key(other, keyfile.UseTLS)
	id, err := k.TLS()
	must(t, err)
	dial := func(at string) (*tls.Conn, *bufio.Reader, error) {
		pin, err := c.key("node/"+at, keyfile.UseTLS).Public()
		must(t, err)
		entry, err := c.Cluster.Cluster.Node(at)
		must(t, err)
		conn, err := tls.Dial("tcp", entry.Address, certs.ClientConfig(id, pin, "http/1.1"))
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		r := bufio.NewReader(conn)
		if _, err := fmt.Fprintf(conn, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return nil, nil, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, nil, fmt.Errorf("status %s", resp.Status)
		}
		if _, err := r.Discard(int(resp.ContentLength)); err != nil {
			return nil, nil, err
		}
		return conn, r, nil
	}
	open := map[string]*bufio.Reader{}
	for _, at := range c.IDs() {
		conn, r, err := dial(at)
		must(t, err)
		must(t, conn.SetReadDeadline(time.Now().Add(patience)))
		open[at] = r
	}
	pin := id.Pin()
	c.about(other, "key.revoked/1", jcs.Make(
		jcs.Field{Name: "key_id", Value: jcs.Text(pin[len(pin)-8:])}, jcs.Field{Name: "reason", Value: jcs.Text("lost")}), "chief")
	for at, r := range open {
		if _, err := r.ReadByte(); err == nil || isTimeout(err) {
			t.Errorf("%s keeps the connection open: %v", at, err)
		}
		if _, _, err := dial(at); err == nil {
			t.Errorf("%s lets the key in again", at)
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

func TestSubmissions(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t,
		scene{"the same bytes again", sameBytesAgain}, scene{"the same bytes at once", sameBytesAtOnce},
		scene{"good and bad in one bulk", goodAndBadInOneBulk}, scene{"large submissions", largeSubmissions})
}

// The same bytes again, at any node, give the index that the record has; the
// same id with another text is refused.
func sameBytesAgain(t *testing.T, c *cluster) {
	d := c.draft(newVIN())
	note := c.sign(d)
	first := c.ack("turin", note)
	size, _ := c.agree()
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		ans := c.ack(id, note)
		r := ans.Records[0]
		if r.Status != "present" || *r.Index != *first.Records[0].Index || r.LeafHash != first.Records[0].LeafHash {
			t.Errorf("at %s: %+v, first was %+v", id, r, first.Records[0])
		}
	}
	d.Body = odometer(60_000)
	another := c.sign(d)
	for _, id := range []string{"lyon", "turin", "leeds", "mutual"} {
		_, err := c.as(id, dealer).Submit(t.Context(), another)
		refused(t, err, "id_reused")
	}
	if s, _ := c.agree(); s != size {
		t.Errorf("the tree has grown from %d to %d leaves", size, s)
	}
}

// Many clients send the same record at once, to all nodes: one of them is
// first, and all are told the same place.
func sameBytesAtOnce(t *testing.T, c *cluster) {
	for range 5 {
		size, _ := c.agree()
		note := c.reading(newVIN(), 50_000)
		var mu sync.Mutex
		var wg sync.WaitGroup
		var accepted int
		index := map[uint64]int{}
		for i := range 16 {
			wg.Go(func() {
				ans, err := c.as([]string{"lyon", "turin", "leeds", "mutual"}[i%4], dealer).Submit(t.Context(), note, note)
				if err != nil {
					t.Error(err, fault.Code(err))
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, r := range ans.Records {
					if index[*r.Index]++; r.Status == "accepted" {
						accepted++
					}
				}
			})
		}
		wg.Wait()
		if accepted != 1 || len(index) != 1 {
			t.Errorf("accepted %d times, at %v", accepted, index)
		}
		if s, _ := c.agree(); s != size+2 {
			t.Errorf("the tree has grown from %d to %d leaves", size, s)
		}
	}
}

// postJSON submits in bulk form whatever the number, and wants the answer to
// be a success.
func (c *cluster) postJSON(at string, notes ...[]byte) *node.SubmitAnswer {
	c.t.Helper()
	in := struct {
		Notes []string `json:"notes"`
	}{}
	for _, n := range notes {
		in.Notes = append(in.Notes, string(n))
	}
	body, err := json.Marshal(in)
	must(c.t, err)
	cl := c.as(at, dealer)
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "https://"+cl.Address+"/v1/records", bytes.NewReader(body))
	must(c.t, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := cl.Raw(req)
	must(c.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(c.t, err)
	out := new(node.SubmitAnswer)
	if err := json.Unmarshal(data, out); err != nil || resp.StatusCode != http.StatusOK || len(out.Records) != len(notes) {
		c.t.Fatalf("at %s: %s: %s", at, resp.Status, data)
	}
	return out
}

// Of a bulk the good records go in and the bad ones are listed, each with its
// own reason, wherever it is sent; one checkpoint covers all.
func goodAndBadInOneBulk(t *testing.T, c *cluster) {
	bad := c.badRecords()
	policy := c.policy()
	for _, at := range []string{c.leader(), c.followers()[0], "mutual"} {
		before, _ := c.agree()
		var notes [][]byte
		var codes []string
		for _, b := range bad {
			notes, codes = append(notes, c.reading(newVIN(), 9000), b.body), append(codes, "", b.code)
		}
		ans := c.postJSON(at, notes...)
		for i, r := range ans.Records {
			switch {
			case codes[i] == "" && (r.Status != "accepted" || r.Index == nil || *r.Index >= ans.Size || r.LeafHash != verify.Hex(verify.LeafHash(notes[i]))):
				t.Errorf("at %s: record %d: %+v", at, i, r)
			case codes[i] != "" && (r.Status != "refused" || r.Error == nil || r.Error.Code != codes[i] || r.Index != nil):
				t.Errorf("at %s: record %d: %+v, want %s", at, i, r, codes[i])
			}
		}
		size, root := c.agree()
		if grown := int(size - before); grown < len(bad)+1 || grown > 2*len(bad) {
			t.Errorf("at %s: %d leaves for %d records", at, grown, len(bad))
		}
		if want := c.checkpointText(size, root); ans.Size != size || ans.Checkpoint != want {
			t.Errorf("at %s: the checkpoint is %q, want %q", at, ans.Checkpoint, want)
		}
		head, err := c.as(at, "").Get(t.Context(), "/checkpoint")
		must(t, err)
		if h, err := policy.Check(head, time.Now()); err != nil || h.Size < ans.Size {
			t.Errorf("at %s: the head is %+v (%v)", at, h, err)
		}
		// A bulk of one, and one of bad records only, are bulks all the same.
		if r := c.postJSON(at, bad[0].body); r.Records[0].Status != "refused" || r.Records[0].Error.Code != bad[0].code {
			t.Errorf("at %s: %+v", at, r.Records[0])
		}
		if r := c.postJSON(at, bad[0].body, bad[1].body); r.Records[0].Status != "refused" || r.Records[1].Status != "refused" {
			t.Errorf("at %s: %+v", at, r.Records)
		}
		if r := c.postJSON(at, c.reading(newVIN(), 9000)); r.Records[0].Status != "accepted" {
			t.Errorf("at %s: %+v", at, r.Records[0])
		}
	}
}

// The largest record, and the most of them that a request may carry, go in.
func largeSubmissions(t *testing.T, c *cluster) {
	car := newVIN()
	first := c.ack("turin", c.reading(car, 40_000)).Records[0].LeafHash
	ans := c.ack("mutual", c.visits(car, first, 12)...) // more than one batch of 256 KiB
	for i, r := range ans.Records {
		if r.Status != "accepted" {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	n := 2000
	if raceEnabled {
		n = 700 // still more than one batch
	}
	if ans := c.ack("turin", c.readings(n)...); len(ans.Records) != n {
		t.Errorf("%d answers", len(ans.Records))
	}
	c.agree()
	// Otherwise every entry after the first 32 MB would wait for seconds.
	for _, id := range c.IDs() {
		c.eventually("the ledger of "+id+" knowing that all is applied", func() bool { return c.Nodes[id].Unapplied() == 0 })
	}
}

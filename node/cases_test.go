package node_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// paper makes a record of a case about a vehicle, with an attachment.
func (c *cluster) paper(member, typ, vin string, fields ...jcs.Field) []byte {
	c.t.Helper()
	d := c.draft(vin)
	d.Author, d.Type, d.Body = member, typ, jcs.Make(fields...)
	d.More = []jcs.Field{{Name: "attachments", Value: jcs.Array(jcs.Make(
		jcs.Field{Name: "bytes", Value: jcs.Number(9)}, jcs.Field{Name: "digest", Value: jcs.Text("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")},
		jcs.Field{Name: "kind", Value: jcs.Text("photo")}, jcs.Field{Name: "media_type", Value: jcs.Text("image/jpeg")},
		jcs.Field{Name: "salted", Value: jcs.Boolean(false)}))}}
	signer, err := c.Signer(member)
	must(c.t, err)
	return c.sign(d, signer)
}

// asks is a request for the correction of a reading.
func (c *cluster) asks(member, vin string, reading []byte, value int64) []byte {
	c.t.Helper()
	return c.paper(member, "correction.requested/1", vin,
		jcs.Field{Name: "claim", Value: jcs.Make(jcs.Field{Name: "value", Value: jcs.Number(value)})}, jcs.Field{Name: "field", Value: jcs.Text("value")},
		jcs.Field{Name: "for", Value: jcs.Text("owner")}, jcs.Field{Name: "noticed_by", Value: jcs.Text("owner")},
		jcs.Field{Name: "reason", Value: jcs.Text("digit_typo")}, jcs.Field{Name: "target", Value: jcs.Text(leafOf(c.t, reading))})
}

func (c *cluster) follows(member, typ, vin string, opened, last []byte) []byte {
	c.t.Helper()
	return c.paper(member, typ, vin, jcs.Field{Name: "case", Value: jcs.Text(leafOf(c.t, opened))}, jcs.Field{Name: "prev", Value: jcs.Text(leafOf(c.t, last))})
}

func leafOf(t testing.TB, note []byte) string {
	t.Helper()
	r, err := record.Open(note)
	must(t, err)
	return hex.EncodeToString(r.Hash[:])
}

func TestCases(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t, scene{"cases are enforced", casesAreEnforced})
}

// The state machine takes a case step by step, also when its records come in
// one submission, and refuses what the case does not allow.
func casesAreEnforced(t *testing.T, c *cluster) {
	car := newVIN()
	reading := c.reading(car, 48_210)
	asked := c.asks(other, car, reading, 148_210)
	evidence := c.follows(dealer, "case.evidence/1", car, asked, asked)
	c.ack("turin", reading, asked, evidence) // each refers to the one before it
	for code, note := range map[string][]byte{
		"case_author":  c.follows(dealer, "case.withdrawn/1", car, asked, evidence),
		"case_moved":   c.follows(other, "case.withdrawn/1", car, asked, asked),
		"case_open":    c.asks(other, car, reading, 150_000),
		"case_unknown": c.follows(other, "case.withdrawn/1", car, reading, reading),
		"reference":    c.asks(other, car, c.reading(car, 60_000), 61_000), // a reading that nobody has sent
	} {
		_, err := c.as("turin", dealer).Submit(t.Context(), note)
		refused(t, err, code)
	}
	withdrawn := c.follows(other, "case.withdrawn/1", car, asked, evidence)
	c.ack("leeds", withdrawn)
	c.ack("leeds", withdrawn) // again: it is there
	_, err := c.as("leeds", dealer).Submit(t.Context(), c.follows(other, "case.evidence/1", car, asked, withdrawn))
	refused(t, err, "case_state")
	// The author puts its own reading right, in the submission that brings it.
	own := c.reading(newVIN(), 1_210)
	r, err := record.Open(own)
	must(t, err)
	c.ack("lyon", own, c.asks(dealer, strings.TrimPrefix(r.Subjects[0], "vehicle/"), own, 11_210))
	c.agree()
}

// A node whose state machine lets in a step that the case forbids has a tree
// of its own: the others skip the record, nobody cosigns, and an audit of its
// data names what may not stand.
func TestForgedTransition(t *testing.T) {
	t.Parallel()
	c := startCluster(t, func(id string, cfg *node.Config) { cfg.Lie(node.Lies{Lawless: id == "lyon"}) })
	car := newVIN()
	reading := c.reading(car, 48_210)
	asked := c.asks(other, car, reading, 148_210)
	c.ack("turin", reading, asked)
	size, _ := c.agree()
	c.lead("lyon")
	forged := c.follows(dealer, "case.withdrawn/1", car, asked, asked) // by whom the correction is about
	reasons, err := c.Nodes["lyon"].Propose(time.Now(), forged)
	must(t, err)
	if reasons[0] != nil {
		t.Fatalf("it refuses: %v", reasons[0])
	}
	for _, id := range c.followers() {
		c.eventually(id+" skipping the record", func() bool { return c.said(id, "code=case_author") })
		if now, _ := c.Nodes[id].TreeHead(); now != size {
			t.Errorf("the tree of %s has grown from %d to %d", id, size, now)
		}
	}
	// With the next record the others reach the size at which theirs differs.
	_, err = c.Nodes["lyon"].Propose(time.Now(), c.reading(newVIN(), 50_000))
	must(t, err)
	if err := c.ended("lyon"); fault.Code(err) != "root_mismatch" {
		t.Errorf("it ends with %v", err)
	}
	c.ack("turin", c.follows(other, "case.withdrawn/1", car, asked, asked)) // who asked may
	c.agree()

	rep, err := node.Audit(t.Context(), c.Cluster.Cluster.DataPath("lyon"), node.AuditOptions{Policy: c.policy(), Now: time.Now()})
	must(t, err)
	wrong := strings.Join(rep.Wrong, "\n")
	if rep.FirstLeaf == nil || *rep.FirstLeaf != size || !strings.Contains(wrong, "may not stand in the log") || !strings.Contains(wrong, "may not bring case.withdrawn/1") {
		t.Errorf("the audit of %d leaves finds: %s", size, wrong)
	}
	c.StopNode("turin")
	rep, err = node.Audit(t.Context(), c.Cluster.Cluster.DataPath("turin"), node.AuditOptions{Policy: c.policy(), Now: time.Now()})
	must(t, err)
	if len(rep.Wrong) > 0 || rep.Skipped != 1 {
		t.Errorf("the audit of an honest node finds %v, %d skipped", rep.Wrong, rep.Skipped)
	}
}

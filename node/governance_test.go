package node_test

import (
	"context"
	"sort"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// about has an auditor submit a record about a member, signed by two governors
// or by the member's own administrator, and waits until all nodes have it.
func (c *cluster) about(member, typ string, body jcs.Value, admin string) {
	c.t.Helper()
	m, err := c.as("leeds", auditor).Member(context.Background(), member, false)
	must(c.t, err)
	d := c.draft("VF1AAAA0000000001")
	d.Type, d.Subjects, d.Body = typ, []string{record.MemberSubject(member)}, body.With("name", jcs.Text(member)).With("prev", jcs.Text(m.Last))
	var signers []certs.Signer
	if admin != "" {
		s, err := c.key(member+"/"+admin, keyfile.UseAdmin).Signer()
		must(c.t, err)
		d.Author, d.Actor, signers = member, admin, append(signers, s)
	} else {
		names := append([]string(nil), c.Cluster.Cluster.Governs.Names[:2]...)
		sort.Strings(names)
		for _, g := range names {
			s, err := c.key(g, keyfile.UseGovernor).Signer()
			must(c.t, err)
			signers = append(signers, s)
		}
		d.Author = names[0]
	}
	c.ackAs("leeds", auditor, c.sign(d, signers...))
	c.agree()
}

// A suspended member neither writes nor reads, through any node, from the
// moment of application; its open connections are closed; reinstated, it
// goes on with the same keys.
func TestSuspendedMember(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	follower := c.followers()[0]
	mine := c.reading(newVIN(), 10_000)
	_, err := c.as(follower, dealer).Status(ctx) // a connection is open
	must(t, err)
	c.about(dealer, "member.suspended/1", jcs.Make(jcs.Field{Name: "reason", Value: jcs.Text("fraud")}), "")
	for _, id := range c.IDs() {
		_, err := c.as(id, dealer).Status(ctx)
		refused(t, err, "forbidden")
	}
	// Somebody else brings the suspended member's record.
	_, err = c.as(follower, other).Submit(ctx, mine)
	refused(t, err, "suspended")
	c.about(dealer, "member.reinstated/1", jcs.Make(), "")
	c.ack(follower, mine)
}

// A member's administrator revokes its TLS key: the connection that is open
// is cut, on every node, and the key never comes back; so is a record key's
// writing, in the very next record.
func TestRevokedKeyOnOpenConnection(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	k := c.key(dealer, keyfile.UseTLS)
	pin, err := k.Public()
	must(t, err)
	for _, id := range c.IDs() {
		_, err := c.as(id, dealer).Status(ctx)
		must(t, err)
	}
	revoke := func(id string) {
		c.about(dealer, "key.revoked/1", jcs.Make(jcs.Field{Name: "key_id", Value: jcs.Text(id)}, jcs.Field{Name: "reason", Value: jcs.Text("lost")}), "chief")
	}
	recordID := certs.FormatID(c.signer.ID())
	revoke(recordID)
	_, err = c.as("turin", other).Submit(ctx, c.reading(newVIN(), 10))
	refused(t, err, "key_revoked")
	revoke(pin[len(pin)-8:])
	for _, id := range c.IDs() {
		c.eventually("the key being cut off at "+id, func() bool {
			_, err := c.as(id, dealer).Status(ctx)
			return err != nil
		})
	}
	// Another key under the same certificate name is no better.
	seed := make([]byte, 32)
	stranger, err := certs.NewTLSIdentity(seed)
	must(t, err)
	_, err = c.clientAs("turin", stranger).Status(ctx)
	refused(t, err, "forbidden")
}

// No date stops anything: ten years on, with the same keys and certificates,
// the cluster starts, writes and proves.
func TestTenYearsAhead(t *testing.T) {
	t.Parallel()
	later := func() time.Time { return time.Now().AddDate(10, 0, 0) }
	c := startCluster(t, func(id string, cfg *node.Config) { cfg.Now = later })
	car := newVIN()
	c.ack("leeds", c.reading(car, 10_000))
	data, err := c.as("leeds", dealer).Proof(context.Background(), record.VehicleSubject(car))
	must(t, err)
	rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: later(), Subject: record.VehicleSubject(car)})
	if !rep.Verified || time.UnixMilli(rep.SealTime).Year() != later().UTC().Year() {
		t.Fatalf("%s: %v", rep.Scope(), rep.Failure)
	}
}

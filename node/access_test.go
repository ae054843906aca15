package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// grant submits an access.granted by the dealer and returns its leaf hash.
func (c *cluster) grant(vin string, grantee jcs.Field, expires time.Time, types jcs.Value) string {
	c.t.Helper()
	d := c.draft(vin)
	d.Type, d.Subjects = "access.granted/1", []string{"access/" + vin}
	d.Body = jcs.Make(
		jcs.Field{Name: "basis", Value: jcs.Text("ownership_papers")}, jcs.Field{Name: "expires", Value: jcs.Text(record.FormatUTC(expires))},
		jcs.Field{Name: "grantee", Value: jcs.Make(grantee)}, jcs.Field{Name: "purpose", Value: jcs.Text("sale")},
		jcs.Field{Name: "types", Value: types})
	answer := c.ack("leeds", c.sign(d, c.signer))
	for _, id := range c.IDs() { // reads are local
		c.eventually("the grant at "+id, func() bool { return c.Nodes[id].Status().Published >= answer.Size })
	}
	return answer.Records[0].LeafHash
}

// uses counts the access.used records on a vehicle's access history.
func (c *cluster) uses(vin string) (n int) {
	c.t.Helper()
	for _, e := range c.Nodes["leeds"].AccessHistory(vin) {
		if e.Type == "access.used/1" {
			n++
		}
	}
	return n
}

// Who may read: the vehicle's chain, auditors, and whoever has a grant, for
// what it covers and as long as it lasts; each use is on the log once an hour.
func TestReadingByGrant(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	car, subject := newVIN(), ""
	subject = record.VehicleSubject(car)
	first := c.reading(car, 50_000)
	hash := c.ack("leeds", first).Records[0].LeafHash
	c.ack("leeds", c.visits(car, hash, 1)...)

	_, err := c.as("leeds", dealer).Proof(ctx, subject)
	must(t, err)
	_, err = c.as("leeds", auditor).Proof(ctx, subject)
	must(t, err)
	_, err = c.as("leeds", other).Proof(ctx, subject)
	refused(t, err, "no_access")
	_, err = c.as("leeds", other).Get(ctx, "/v1/records/"+hash)
	refused(t, err, "no_access")
	_, err = c.as("leeds", other).Proof(ctx, record.VehicleSubject(newVIN())) // that there is none, any member may know
	must(t, err)

	// A member with a grant for readings only gets the rest as leaf hashes.
	granted := c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Texts([]string{"odometer.reading/1"}))
	for range 2 {
		data, err := c.as("turin", other).Proof(ctx, subject)
		must(t, err)
		rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: time.Now(), Subject: subject, AllowWithheld: true})
		if !rep.Verified || rep.Records != 2 || rep.Withheld != 1 {
			t.Fatalf("by a grant for readings: %s, %v", rep.Scope(), rep.Failure)
		}
	}
	_, err = c.as("turin", other).Get(ctx, "/v1/records/"+hash)
	must(t, err)
	if n := c.uses(car); n != 1 {
		t.Errorf("%d uses are on the log, one an hour is wanted", n)
	}

	// A person without an account comes with the link's secret.
	secret := make([]byte, 32)
	copy(secret, "a secret that only the test knows")
	digest := sha256.Sum256(secret)
	c.grant(car, jcs.Field{Name: "secret_sha256", Value: jcs.Text(fmt.Sprintf("%x", digest))}, time.Now().Add(time.Hour), jcs.Text("all"))
	nobody := c.as("mutual", "")
	_, err = nobody.Proof(ctx, subject)
	refused(t, err, "unauthenticated")
	link, err := c.Client("mutual", "")
	must(t, err)
	defer link.Close()
	link.Grant = base64.StdEncoding.EncodeToString(secret)
	data, err := link.Proof(ctx, subject)
	must(t, err)
	if rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: time.Now(), Subject: subject}); !rep.Verified || rep.Withheld != 0 {
		t.Errorf("by the link: %v", rep.Failure)
	}
	_, err = link.Proof(ctx, record.VehicleSubject(newVIN()))
	refused(t, err, "no_access")
	link.Grant = base64.StdEncoding.EncodeToString(digest[:])
	_, err = link.Proof(ctx, subject)
	refused(t, err, "no_access")
	link.Grant = "short"
	_, err = link.Proof(ctx, subject)
	refused(t, err, "request_form")
	if n := c.uses(car); n != 2 {
		t.Errorf("%d uses are on the log, two are wanted", n)
	}

	// Revoked, and expired.
	d := c.draft(car)
	d.Type, d.Subjects = "access.revoked/1", []string{"access/" + car}
	d.Body = jcs.Make(jcs.Field{Name: "grant", Value: jcs.Text(granted)})
	c.ack("leeds", c.sign(d, c.signer))
	_, err = c.as("leeds", other).Proof(ctx, subject)
	refused(t, err, "grant_revoked")
	c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(-time.Minute), jcs.Text("all"))
	_, err = c.as("leeds", other).Proof(ctx, subject)
	refused(t, err, "grant_expired")

	// The history says how much is withheld in the same way.
	c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Texts([]string{"service.visit/1"}))
	data, err = c.as("leeds", other).Get(ctx, node.VehiclePath(subject))
	must(t, err)
	var h node.HistoryAnswer
	must(t, json.Unmarshal(data, &h))
	if len(h.Entries) != 2 || h.Entries[0].Note != "" || h.Entries[1].Note == "" {
		t.Errorf("history by a grant for visits: %+v", h)
	}
}

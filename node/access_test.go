package node_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
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
	c.agree() // reads are local
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

	_, err := c.proof(c.as("leeds", dealer), subject)
	must(t, err)
	_, err = c.proof(c.as("leeds", auditor), subject)
	must(t, err)
	_, err = c.proof(c.as("leeds", other), subject)
	refused(t, err, "no_access")
	_, err = c.as("leeds", other).Get(ctx, "/v1/records/"+hash)
	refused(t, err, "no_access")
	_, err = c.proof(c.as("leeds", other), record.VehicleSubject(newVIN())) // that there is none, any member may know
	must(t, err)

	// A member with a grant for readings only gets the rest as leaf hashes.
	granted := c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(time.Hour), jcs.Texts([]string{"odometer.reading/1"}))
	for range 2 {
		data, err := c.proof(c.as("turin", other), subject)
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
	_, err = c.proof(nobody, subject)
	refused(t, err, "unauthenticated")
	link, err := c.Client("mutual", "")
	must(t, err)
	defer link.Close()
	link.Grant = base64.StdEncoding.EncodeToString(secret)
	data, err := c.proof(link, subject)
	must(t, err)
	if rep := verify.Verify(data, verify.Options{Policy: c.policy(), Now: time.Now(), Subject: subject}); !rep.Verified || rep.Withheld != 0 {
		t.Errorf("by the link: %v", rep.Failure)
	}
	_, err = c.proof(link, record.VehicleSubject(newVIN()))
	refused(t, err, "no_access")
	link.Grant = base64.StdEncoding.EncodeToString(digest[:])
	_, err = c.proof(link, subject)
	refused(t, err, "no_access")
	link.Grant = "short"
	_, err = c.proof(link, subject)
	refused(t, err, "request_form")
	if n := c.uses(car); n != 2 {
		t.Errorf("%d uses are on the log, two are wanted", n)
	}

	// Revoked, and expired.
	d := c.draft(car)
	d.Type, d.Subjects = "access.revoked/1", []string{"access/" + car}
	d.Body = jcs.Make(jcs.Field{Name: "grant", Value: jcs.Text(granted)})
	c.ack("leeds", c.sign(d, c.signer))
	_, err = c.proof(c.as("leeds", other), subject)
	refused(t, err, "grant_revoked")
	c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(other)}, time.Now().Add(-time.Minute), jcs.Text("all"))
	_, err = c.proof(c.as("leeds", other), subject)
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

// Reading by the clock and by role, on nodes whose clocks stand at five past
// the hour.
func TestReadingByHourAndRole(t *testing.T) {
	t.Parallel()
	clock, now := newClocks(), time.Now()
	ahead := now.Truncate(time.Hour).Add(time.Hour + 5*time.Minute).Sub(now)
	for id := range clock {
		clock.set(id, ahead)
	}
	startCluster(t, func(id string, cfg *node.Config) { cfg.Now = clock.of(id) }).play(t,
		scene{"a customer's TLS key", customerReads},
		scene{"once an hour", func(t *testing.T, c *cluster) { usedOnceAnHour(t, c, clock, ahead) }})
}

// Each use of a grant is on the log once a grant, reader and hour.
func usedOnceAnHour(t *testing.T, c *cluster, clock clocks, ahead time.Duration) {
	car := newVIN()
	subject := record.VehicleSubject(car)
	c.ack("leeds", c.reading(car, 50_000))
	pti := "inspection.example/leeds"
	for _, m := range []string{other, pti} {
		c.grant(car, jcs.Field{Name: "member", Value: jcs.Text(m)}, time.Now().Add(24*time.Hour), jcs.Text("all"))
	}
	step := func(when, member string, want int) {
		t.Helper()
		_, err := c.proof(c.as("turin", member), subject)
		must(t, err)
		if n := c.uses(car); n != want {
			t.Errorf("%s: %d uses are on the log, want %d", when, n, want)
		}
	}
	step("the first read", other, 1)
	step("again within the hour", other, 1)
	step("another reader within the hour", pti, 2)
	for id := range clock {
		clock.set(id, ahead+61*time.Minute)
	}
	step("61 minutes later", other, 3)
	step("and again", other, 3)
	step("the other reader, 61 minutes later", pti, 4)
}

// A TLS key may be bound to an actor: then its roles decide what it reads. A
// customer of the firm sees the vehicle's history, and not the workshop's.
func customerReads(t *testing.T, c *cluster) {
	ctx, car := t.Context(), newVIN()
	subject := record.VehicleSubject(car)
	c.ack("leeds", c.reading(car, 50_000))
	d := c.draft(car)
	d.Type, d.Subjects = "diagnostic.scan/1", []string{"workshop/" + car}
	d.Body = jcs.Make(jcs.Field{Name: "source", Value: jcs.Text("workshop")}, jcs.Field{Name: "tool", Value: jcs.Text("a reader")})
	scan := c.ack("leeds", c.sign(d, c.signer)).Records[0].LeafHash

	key, err := keyfile.NewKey(keyfile.UseTLS, dealer, rand.Reader)
	must(t, err)
	identity, err := key.TLS()
	must(t, err)
	q := &node.Request{Kind: node.AskKey, Name: dealer, Origin: c.origin, Details: jcs.Make()}
	must(t, q.Add(key, "carl", jcs.Value{}))
	must(t, q.Check())
	c.about(dealer, "key.added/1", q.Body(), "chief")
	carl := c.clientAs("leeds", identity)
	reads := func(as string, what func(*node.Client) error, code string) {
		t.Helper()
		if err := try(func() error { return what(c.as("leeds", dealer)) }); err != nil {
			t.Errorf("the firm's own key: %v", err)
		}
		if err := try(func() error { return what(carl) }); code == "" && err != nil || code != "" && fault.Code(err) != code {
			t.Errorf("%s: %v, want %q", as, err, code)
		}
	}
	vehicle := func(cl *node.Client) error { _, err := cl.Proof(ctx, subject); return err }
	workshop := func(cl *node.Client) error { _, err := cl.Proof(ctx, subject, "workshop"); return err }
	one := func(cl *node.Client) error { _, err := cl.Get(ctx, "/v1/records/"+scan); return err }
	for _, role := range []struct{ change, name, workshop string }{
		{"", "an actor without a role", "no_access"},
		{"customer", "a customer", "no_access"},
		{"technician", "a technician", ""},
	} {
		if role.change != "" {
			c.about(dealer, "role.granted/1", jcs.Make(jcs.Field{Name: "actor", Value: jcs.Text("carl")}, jcs.Field{Name: "role", Value: jcs.Text(role.change)}), "chief")
		}
		reads(role.name, vehicle, "")
		reads(role.name, workshop, role.workshop)
		reads(role.name, one, role.workshop)
	}
}

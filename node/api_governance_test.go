package node_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// What a node says of governance and members is told to members, is what a
// replay of the histories in the same answer gives, and names no secret.
func TestMembersAndGovernanceAreTold(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	client := c.as("mutual", dealer)
	g, err := client.Governance(ctx, true)
	must(t, err)
	if g.Origin != c.origin || g.Threshold != 2 || len(g.Governors) != 3 || len(g.Nodes) != 4 || g.Nodes[0].ID != "leeds" || g.Policies != 1 ||
		g.Rules != 1 || g.Level != 1 || g.Closed != "" || g.Policy != c.policy().Text() || len(g.History) != 1 || g.History[0].LeafHash != g.Last {
		t.Fatalf("governance: %+v", g)
	}
	ms, err := client.Members(ctx)
	must(t, err)
	if len(ms) != 4 || ms[0].Name != dealer || ms[3].Name != "insurer.example/mutual" || len(ms[0].History) != 0 {
		t.Fatalf("members: %+v", ms)
	}
	m, err := client.Member(ctx, dealer, true)
	must(t, err)
	if len(m.Keys) != 4 || m.Keys[0].Use != verify.UseAdmin || m.Keys[0].Actor != "chief" || m.Keys[0].State != "live" ||
		strings.Join(m.Roles["deputy"], "") != record.RoleAdministrator || m.Suspended != nil || m.LegalName == "" || m.ValidFrom == "" {
		t.Fatalf("the member: %+v", m)
	}
	auth := verify.NewAuthority(g.Origin)
	for _, e := range append(g.History, m.History...) {
		r, err := record.Open([]byte(e.Note))
		must(t, err)
		at := verify.Place{Index: e.Index, Time: e.Time}
		must(t, auth.Check(r, at, certs.VerifyEd25519))
		auth.Apply(r, at)
	}
	if auth.Members[dealer].Last != m.Last || auth.Governance.Last != g.Last || auth.Members[dealer].Keys[2].VKey != m.Keys[2].Public {
		t.Fatal("a replay of the histories gives something else than the answer")
	}

	for name, try := range map[string]struct {
		member, path, code string
	}{
		"nobody asks for governance":  {"", "/v1/governance", "unauthenticated"},
		"nobody asks for members":     {"", "/v1/members", "unauthenticated"},
		"nobody asks for one":         {"", "/v1/members/" + strings.ReplaceAll(dealer, "/", "%2F"), "unauthenticated"},
		"a member that there is not":  {dealer, "/v1/members/dealer.example%2Fnobody", "no_member"},
		"a name that is none":         {dealer, "/v1/members/Lyon", "request_form"},
		"neither true nor false":      {dealer, "/v1/governance?history=perhaps", "request_form"},
		"an unknown consistency":      {dealer, "/v1/members?consistency=some", "request_form"},
		"a bridge of no seal":         {"", "/v1/bridge?seal=0", "no_record"},
		"a bridge of a seal to come":  {"", "/v1/bridge?seal=1000000", "no_record"},
		"a bridge without its seal":   {"", "/v1/bridge", "request_form"},
		"a bridge of a negative seal": {"", "/v1/bridge?seal=-1", "request_form"},
	} {
		if _, err := c.as("turin", try.member).Get(ctx, try.path); fault.Code(err) != try.code {
			t.Errorf("%s: %s is expected, not %v [%s]", name, try.code, err, fault.Code(err))
		}
	}
}

// The bridge of an old file's seal leads under the head of today.
func TestASealsBridgeVerifies(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	ctx := context.Background()
	car := newVIN()
	c.ack("lyon", c.reading(car, 10))
	data, err := c.as("lyon", dealer).Proof(ctx, record.VehicleSubject(car))
	must(t, err)
	f, err := verify.ParseFile(data)
	must(t, err)
	seal, err := verify.ParseSeal(f.Seal)
	must(t, err)
	c.ack("turin", c.reading(car, 20))
	raw, err := c.as("turin", "").Bridge(ctx, seal.Index)
	must(t, err)
	p, err := verify.ParseTLogProof(raw)
	must(t, err)
	head, err := p.CheckInclusion(verify.LeafHash(f.Seal))
	must(t, err)
	if head.Size <= seal.Index+1 {
		t.Fatalf("the bridge leads to tree size %d, the file had %d", head.Size, seal.Index+1)
	}
	f.Bridges = append(f.Bridges, raw)
	if rep := verify.Verify(f.Bytes(), verify.Options{Policy: c.policy(), Now: time.Now()}); !rep.Verified || rep.Records != 1 {
		t.Fatalf("with the bridge: %v", rep.Failure)
	}
}

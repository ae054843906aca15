package embed_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

func start(t *testing.T) *embed.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var l *slog.Logger
	if os.Getenv("MILEPOST_TEST_LOG") != "" {
		l = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	c, err := embed.Start(ctx, embed.Config{Dir: t.TempDir(), Log: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func reading(t *testing.T, origin, author string, s certs.Signer, vin string, km int64, at time.Time) []byte {
	t.Helper()
	id, err := record.NewUUIDv7(at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := record.Draft{
		Author: author, Origin: origin, ID: id, Type: "odometer.reading/1", Subjects: []string{"vehicle/" + vin},
		Captured: record.FormatUTC(time.Now()), EventTime: record.FormatTime(at.UTC()), Precision: "second",
		Body: jcs.Make(jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
			jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
			jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(km)}),
	}.Text()
	if err != nil {
		t.Fatal(err)
	}
	note, err := record.Sign(text, s)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// The main job: a signed reading in at a follower, an offline proof out.
func TestReadingInProofOut(t *testing.T) {
	t.Parallel()
	c := start(t)
	ctx := t.Context()
	const vin, member = "VF1AAAA0000000001", "dealer.example/lyon"
	s, err := c.Signer(member)
	if err != nil {
		t.Fatal(err)
	}
	origin := c.Nodes["lyon"].Origin()
	follower := "lyon"
	if c.Leader() == follower {
		follower = "turin"
	}
	cl, err := c.Client(follower, member)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		ans, err := cl.Submit(ctx, reading(t, origin, member, s, vin, int64(10_000*(i+1)), time.Now().Add(-time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if ans.Records[0].Status != "accepted" || ans.Size == 0 {
			t.Fatalf("answer %+v", ans)
		}
		if _, err := cl.Receipt(ctx, ans.Records[0].LeafHash); err != nil {
			t.Fatal(err)
		}
	}
	file, err := cl.Proof(ctx, "vehicle/"+vin)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := c.Policy()
	if err != nil {
		t.Fatal(err)
	}
	c.Stop()
	rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now(), Subject: "vehicle/" + vin})
	if !rep.Verified {
		t.Fatal(rep.Failure)
	}
	if rep.Records != 3 || rep.Tolerates != 1 {
		t.Fatalf("report: %s", rep.Scope())
	}
	t.Log(rep.Scope())
}

// A port that another program holds is an error, and leaves nothing open: the
// node can be started once the port is free.
func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	c, err := embed.New(embed.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	entry, err := c.Cluster.Node("lyon")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", entry.Address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run("lyon"); fault.Code(err) != "listen" {
		t.Errorf("a taken port: %v", err)
	}
	l.Close()
	if err := c.Run("lyon"); err != nil {
		t.Errorf("the port is free again: %v", err)
	}
}

package bench

import (
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// vehicles that the records are spread over.
const vehicles = 100_000

// forge makes signed odometer readings of random vehicles, by the cluster's
// members in turn.
type forge struct {
	origin   string
	authors  []string
	signers  []certs.Signer
	vehicles int
}

func newForge(c *embed.Cluster, vehicles int) (*forge, error) {
	f := &forge{vehicles: vehicles}
	for _, n := range c.Nodes {
		f.origin = n.Origin()
	}
	for _, m := range c.Cluster.Members {
		s, err := c.Signer(m.Name)
		if err != nil {
			return nil, err
		}
		f.authors, f.signers = append(f.authors, m.Name), append(f.signers, s)
	}
	return f, nil
}

// vehicle returns the subject of a made-up car.
func vehicle(n int) string { return fmt.Sprintf("vehicle/VF1BENCHMK%07d", n) }

// sign makes records on all processors. Their ids are in the order of time,
// as those of a real day are.
func (f *forge) sign(n int) ([][]byte, error) {
	notes := make([][]byte, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	const chunk = 256
	now := time.Now()
	for lo := 0; lo < n; lo += chunk {
		g.Go(func() (err error) {
			for i := lo; i < min(lo+chunk, n); i++ {
				at := now.Add(time.Duration(i) * 100 * time.Microsecond)
				if notes[i], err = f.note(i, vehicle(mrand.IntN(f.vehicles)), at); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return notes, g.Wait()
}

// note makes one record.
func (f *forge) note(i int, subject string, at time.Time) ([]byte, error) {
	id, err := record.NewUUIDv7(at, rand.Reader)
	if err != nil {
		return nil, err
	}
	who := i % len(f.authors)
	read := time.Now().Add(-time.Hour)
	text, err := record.Draft{
		Author: f.authors[who], Origin: f.origin, ID: id, Type: "odometer.reading/1", Subjects: []string{subject},
		Captured: record.FormatUTC(read), EventTime: record.FormatUTC(read), Precision: "second",
		Body: jcs.Make(jcs.Field{Name: "precision", Value: jcs.Text("exact")}, jcs.Field{Name: "purpose", Value: jcs.Text("service_in")},
			jcs.Field{Name: "result", Value: jcs.Text("read")}, jcs.Field{Name: "source", Value: jcs.Text("visual")},
			jcs.Field{Name: "unit", Value: jcs.Text("KMT")}, jcs.Field{Name: "value", Value: jcs.Number(2 + mrand.Int64N(400_000))}),
	}.Text()
	if err != nil {
		return nil, err
	}
	return record.Sign(text, f.signers[who])
}

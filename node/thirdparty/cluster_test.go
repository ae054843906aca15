package thirdparty

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
)

// Who takes part. All records are sent by the first dealer.
const (
	asked   = "turin" // the node that is asked
	insurer = "mutual"
)

var dealers = []string{"dealer.example/lyon", "dealer.example/turin", "inspection.example/leeds"}

// fleet is how many vehicles there are.
const fleet = 12

func vin(i int) string { return fmt.Sprintf("VF1AAAA%010d", i+1) }

// cluster is a running log, and what an outsider knows of it: the trust
// policy and the address and TLS key of a node.
type cluster struct {
	*embed.Cluster
	policy  *verify.Policy
	founded *node.Founding
	http    *http.Client // in the name of a dealer, to the asked node
	signers []certs.Signer
	year    int           // of the last readings
	notes   []string      // every record sent, in the order sent
	hashes  []string      // their leaf hashes
	proofs  map[string]any // unused by tests that need none
}

// start founds and runs the example cluster and puts years readings of each
// vehicle into it.
func start(t *testing.T, years int) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, err := embed.Start(ctx, embed.Config{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(e.Stop)
	c := &cluster{Cluster: e, year: 2000}
	c.policy, err = e.Policy()
	must(t, err)
	c.founded, err = node.ReadFounding(e.Cluster.FoundingPath())
	must(t, err)
	c.http = c.client(t, asked, dealers[0])
	for _, d := range dealers {
		s, err := e.Signer(d)
		must(t, err)
		c.signers = append(c.signers, s)
	}
	c.send(t, years)
	return c
}

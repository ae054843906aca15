package bench_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/milepost-log/milepost/node/bench"
)

// Nothing here depends on how fast the machine is: only that everything is
// measured, and that the JSON has the shape that programs read.
func TestFigures(t *testing.T) {
	t.Parallel()
	dir, seconds := filepath.Join(t.TempDir(), "new"), 1.0
	if testing.Short() { // as under the race detector
		seconds = 0.2
	}
	f, err := bench.Run(t.Context(), bench.Config{Dir: dir, Seconds: seconds, Inflight: []int{1, 8}, Grow: []int{400, 1000}})
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]bench.Phase{"1": f.Inflight["1"], "8": f.Inflight["8"], "bulk": f.Bulk} {
		if p.Acked <= 0 || p.P50 <= 0 || p.P99 < p.P50 {
			t.Errorf("%s: %+v", what, p)
		}
	}
	if f.Fdatasync <= 0 || f.Ed25519 <= 0 || f.Expanded <= 0 {
		t.Errorf("the machine: %+v", f)
	}
	g := f.Grow
	if len(g.Appends) != 2 || g.Appends[0].Records != 400 || g.Appends[1].Records != 1000 || g.Appends[1].Wall <= 0 || g.Flat <= 0 {
		t.Errorf("growth: %+v", g)
	}
	if g.Heap <= 0 || g.Restart <= 0 || g.RaftDB <= 0 || g.TreeDB <= 0 || g.History != 100 || g.ProofMake <= 0 || g.Verify <= 0 || g.ProofSize <= 0 || g.Join <= 0 || g.JoinBytes <= 0 || g.JoinRestart <= 0 {
		t.Errorf("growth: %+v", g)
	}
	var text bytes.Buffer
	if err := f.Print(&text); err != nil || !strings.Contains(text.String(), "A fresh node joins in") {
		t.Errorf("%v:\n%s", err, text.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "cluster")); err != nil {
		t.Errorf("the data is gone: %v", err)
	}
}

func TestShapeOfJSON(t *testing.T) {
	t.Parallel()
	phase := bench.Phase{Acked: 1, P50: 2, P99: 3}
	f := bench.Figures{Inflight: map[string]bench.Phase{"1": phase, "64": phase, "1024": phase}, Bulk: phase, Fdatasync: 4, Ed25519: 5, Expanded: 6}
	got, err := json.Marshal(&f)
	if err != nil {
		t.Fatal(err)
	}
	const p = `{"acked_per_s":1,"p50_ms":2,"p99_ms":3}`
	want := `{"inflight":{"1":` + p + `,"1024":` + p + `,"64":` + p + `},"bulk":` + p + `,"fdatasync_per_s":4,"ed25519_verify_per_s":5}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestRunNeedsAPlaceToWrite(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bench.Run(t.Context(), bench.Config{Dir: file, Seconds: 1}); err == nil {
		t.Error("a file serves as a directory")
	}
}

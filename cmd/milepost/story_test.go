package main

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/milepost-log/milepost/node/embed"
)

// clusterKey is where a script keeps the cluster that it started.
type clusterKey struct{}

func cluster(ts *testscript.TestScript) *atomic.Pointer[embed.Cluster] {
	return ts.Value(clusterKey{}).(*atomic.Pointer[embed.Cluster])
}

// halt stops all nodes of the cluster that the script started, so that their
// directories can be audited.
func haltCluster(ts *testscript.TestScript, neg bool, args []string) {
	c := cluster(ts).Load()
	if c == nil {
		ts.Fatalf("no cluster was started")
	}
	c.Stop()
}

// actor MEMBER NAME ROLE... has an administrator of a member register a key
// for a person and grant the roles.
func addActor(ts *testscript.TestScript, neg bool, args []string) {
	member, name := args[0], args[1]
	ts.Check(ts.Exec("milepost", "key", "add", "--as", member, "--admin", "chief", "--actor", name))
	for _, role := range args[2:] {
		ts.Check(ts.Exec("milepost", "member", "role", "grant", name, role, "--as", member, "--admin", "chief"))
	}
}

// record NAME [+KIND=FILE...] TYPE ARGS... makes a record as a person would,
// by record new, attach add, record sign and record submit, and sets the
// environment variable NAME to its leaf hash. Negated, one of them must fail,
// and the output is that of the one that did.
func writeRecord(ts *testscript.TestScript, neg bool, args []string) {
	name, args := args[0], args[1:]
	var attach [][]string
	for strings.HasPrefix(args[0], "+") {
		kind, file, _ := strings.Cut(args[0][1:], "=")
		attach = append(attach, []string{"attach", "add", name + ".draft", file, "--kind", kind})
		args = args[1:]
	}
	member, sign := flagValue(args, "--as", ts.Getenv("MILEPOST_AS")), []string{"record", "sign", name + ".draft", "-o", name + ".record"}
	steps := [][]string{append([]string{"record", "new", "-o", name + ".draft"}, args...)}
	steps = append(append(steps, attach...), sign, []string{"record", "submit", name + ".record", "--as", member})
	for _, step := range steps {
		if err := ts.Exec("milepost", step...); err != nil {
			if !neg {
				ts.Fatalf("milepost %s: %v\n%s", strings.Join(step, " "), err, ts.ReadFile("stdout"))
			}
			return
		}
	}
	if neg {
		ts.Fatalf("the record was taken")
	}
	capture(ts, false, []string{name, "leaf hash ([0-9a-f]{64})"})
}

// flagValue returns the value of a flag among arguments.
func flagValue(args []string, flag, otherwise string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return otherwise
}

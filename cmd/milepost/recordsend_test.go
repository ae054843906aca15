package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// stopnode ID... stops nodes of the cluster that the script started.
func stopNodes(ts *testscript.TestScript, neg bool, args []string) {
	for _, id := range args {
		cluster(ts).Load().StopNode(id)
	}
}

// startnode ID... starts nodes again that were stopped.
func startNodes(ts *testscript.TestScript, neg bool, args []string) {
	for _, id := range args {
		ts.Check(cluster(ts).Load().Run(id))
	}
}

// captureerr is capture for what was said on standard error.
func captureErr(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stderr"))
	if len(m) < 2 {
		ts.Fatalf("standard error does not match %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// What a node answers because of itself is no refusal of the record: after a
// refusal nothing of it is kept.
func TestOutagesAreNoRefusals(t *testing.T) {
	t.Parallel()
	seen := 0
	for code, status := range statusesInSource(t) {
		if strings.HasPrefix(status, "5") {
			seen++
			if !outages[code] && code != "internal" {
				t.Errorf("%s, an answer of %s, is taken for a refusal", code, status)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d codes were found", seen)
	}
}

package main

import (
	"regexp"

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

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
)

// TestMain lets scripts run the program; TEST_CLOCK says how far ahead of the
// machine's its clock is.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"milepost": func() {
		if ahead := os.Getenv("TEST_CLOCK"); ahead != "" {
			d, err := time.ParseDuration(ahead)
			if err != nil {
				panic(err)
			}
			clock = func() time.Time { return time.Now().Add(d) }
		}
		main()
	}})
}

// TestScripts runs the command line as a person would: each script in
// testdata/script begins with the reason why it exists.
func TestScripts(t *testing.T) {
	t.Parallel()
	example, err := filepath.Abs("../../cluster.toml")
	if err != nil {
		t.Fatal(err)
	}
	stories, err := filepath.Abs("testdata/stories.toml")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLE", example)
			e.Setenv("STORIES", stories)
			e.Setenv("README", filepath.Join(filepath.Dir(example), "README.md"))
			e.Values[aheadKey{}] = new(atomic.Int64)
			e.Values[clusterKey{}] = new(atomic.Pointer[embed.Cluster])
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"clock": setClock, "freeports": freePorts, "ready": ready, "cluster": startCluster, "freeport": freePort, "capture": capture, "utc": utcTime, "waitfor": waitFor, "replace": replace, "maxlines": maxLines, "documented": documented,
			"actor": addActor, "record": writeRecord, "halt": haltCluster, "stopnode": stopNodes, "startnode": startNodes, "captureerr": captureErr,
		},
	})
}

// aheadKey is where a script keeps how far its clock is ahead.
type aheadKey struct{}

func ahead(ts *testscript.TestScript) *atomic.Int64 { return ts.Value(aheadKey{}).(*atomic.Int64) }

// clock AHEAD, such as 960h, sets the clock of the cluster that the script
// started and of all commands that follow.
func setClock(ts *testscript.TestScript, neg bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	ahead(ts).Store(int64(d))
	ts.Setenv("TEST_CLOCK", args[0])
}

// cluster DIR [FILE] starts the example cluster, or that of a cluster file,
// inside the test; the script's commands reach it through DIR/cluster.toml.
func startCluster(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	text := embed.Example
	if len(args) > 1 {
		text = ts.ReadFile(args[1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ahead := ahead(ts)
	c, err := embed.Start(ctx, embed.Config{Dir: dir, Text: text, LastWord: writeCluster(dir, text), Each: func(_ string, c *node.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}})
	ts.Check(err)
	ts.Defer(c.Stop)
	cluster(ts).Store(c)
	ts.Setenv("MILEPOST_CONFIG", filepath.Join(dir, "cluster.toml"))
}

// freeports FROM TO copies a cluster file, with ports that are free.
func freePorts(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	c, err := node.ParseCluster([]byte(text))
	ts.Check(err)
	for _, n := range c.Nodes {
		address, err := embed.FreeAddress()
		ts.Check(err)
		text = strings.ReplaceAll(text, n.Address, address)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// freeport NAME sets an environment variable to an address that is free.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	address, err := embed.FreeAddress()
	ts.Check(err)
	ts.Setenv(args[0], address)
}

// capture NAME REGEX sets an environment variable to what the first group of
// a regular expression matches in the last output.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("the output does not match %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// utc NAME DURATION sets an environment variable to a time so far from now.
func utcTime(ts *testscript.TestScript, neg bool, args []string) {
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	ts.Setenv(args[0], record.FormatUTC(time.Now().Add(d)))
}

// waitfor REGEX ARGS... runs milepost until it succeeds and its output
// matches: for what a cluster does in its own time.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(30 * time.Second)
	for {
		if err := ts.Exec("milepost", args[1:]...); err == nil && re.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("milepost %s never says %s", strings.Join(args[1:], " "), args[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ready CONFIG waits until every node of a cluster takes records, and those
// of the members whose keys are here.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	c, err := node.LoadCluster(ts.MkAbs(args[0]))
	ts.Check(err)
	deadline := time.Now().Add(30 * time.Second)
	for _, n := range c.Nodes {
		for _, m := range append([]string{""}, memberNames(c)...) {
			if _, err := os.Stat(c.KeyPath(m, keyfile.UseTLS)); m != "" && err != nil {
				continue
			}
			client, err := c.Client(n.ID, m, nil)
			ts.Check(err)
			for {
				path := map[bool]string{true: "/readyz", false: "/v1/status"}[m == ""]
				if _, err = client.Get(context.Background(), path); err == nil {
					break
				}
				if time.Now().After(deadline) {
					ts.Fatalf("node %s does not become ready: %v", n.ID, err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			client.Close()
		}
	}
}

// replace FILE OLD NEW rewrites a file once; OLD must be there.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}

// maxlines LINES COLUMNS checks the size of the last output.
func maxLines(ts *testscript.TestScript, neg bool, args []string) {
	var lines, cols int
	fmt.Sscan(args[0], &lines)
	fmt.Sscan(args[1], &cols)
	out := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	if len(out) > lines {
		ts.Fatalf("%d lines, at most %d are wanted", len(out), lines)
	}
	for _, l := range out {
		if n := len([]rune(l)); n > cols {
			ts.Fatalf("a line of %d columns, at most %d are wanted: %s", n, cols, l)
		}
	}
}

// differs is what is another in each run of one command.
var differs = regexp.MustCompile(`[0-9a-f]{4}( [0-9a-f]{4}){9}|(tree size|log index) [0-9]+|[0-9]+ kB|[0-9.]+ s\)`)

// documented PAGE checks that a page shows the last output, but for what is
// another in each run.
func documented(ts *testscript.TestScript, neg bool, args []string) {
	out, page := differs.ReplaceAllString(ts.ReadFile("stdout"), "*"), differs.ReplaceAllString(ts.ReadFile(args[0]), "*")
	if !strings.Contains(page, "```\n"+out+"```\n") {
		ts.Fatalf("%s does not show this output", args[0])
	}
}

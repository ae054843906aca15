package main

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
)

// A person who errs at every prompt is told what is wrong each time, is asked
// again, and in the end has a node whose keys nobody else can read and whose
// request the governors can take.
func TestNodeInitAsks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs")
	file := filepath.Join(theirs, "cluster.toml")
	for _, err := range []error{os.Mkdir(theirs, 0o755), os.WriteFile(file, []byte(embed.Example), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cl, err := node.LoadCluster(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := node.Found(cl, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address, err := embed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(dir, "full")
	for _, err := range []error{os.Mkdir(full, 0o755), os.WriteFile(filepath.Join(full, "cluster.toml"), []byte("name = \"else.example\"\n"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(dir, "own")
	fingerprint := record.Fingerprint(f.Origin)
	// Each answer, and the words that must follow it; "" where it is right.
	answers := [][2]string{
		{"", "an answer is needed"},
		{filepath.Join(dir, "nowhere.toml"), "cannot be read"},
		{cl.FoundingPath(), "it is not a cluster file"},
		{file, ""},
		{file, "not the founding of a log"},
		{"", ""}, // the founding file beside it is offered
		{fingerprint[:6], "another fingerprint"},
		{"0000 0000", "another fingerprint"},
		{strings.ToUpper(fingerprint[:9]), ""},
		{"Oslo Bil AS", "is not a name such as"},
		{"dealer.example/oslo", ""},
		{"chief", "two names at least"},
		{"", ""},
		{"Oslo!", "is not an id"},
		{"turin", "run by dealer.example/turin already"},
		{"", ""},
		{"oslo.example", "is not host:port"},
		{"oslo.example:70000", "is not host:port"},
		{"0.0.0.0:7401", "no address that others reach"},
		{"127.0.0.1:7402", "is the address of node turin"},
		{address, ""},
		{taken.Addr().String(), "a program listens there already"},
		{"192.0.2.1:7401", "it is no address of this machine"},
		{"", ""},
		{file, "it is no directory"},
		{full, "there is another cluster file already"},
		{own, ""},
	}
	var in strings.Builder
	wrong := 0
	for _, a := range answers {
		in.WriteString(a[0] + "\n")
		if a[1] != "" {
			wrong++
		}
	}
	var out, errs bytes.Buffer
	if status := run([]string{"milepost", "node", "init", "--ask"}, strings.NewReader(in.String()), &out, &errs); status != exitDone {
		t.Fatalf("status %d:\n%s%s", status, out.String(), errs.String())
	}
	if n := strings.Count(errs.String(), "That won't do"); n != wrong {
		t.Errorf("%d answers are called wrong, not %d:\n%s", n, wrong, errs.String())
	}
	rest := errs.String()
	for _, a := range answers {
		if a[1] == "" {
			continue
		}
		_, after, ok := strings.Cut(rest, a[1])
		if !ok {
			t.Fatalf("after %q nobody says %q:\n%s", a[0], a[1], rest)
		}
		rest = after
	}
	for _, words := range []string{"Send oslo.request to the governors", "dealer.example/oslo must have been admitted before", "milepost node run --config " + own} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("it does not say %q:\n%s", words, out.String())
		}
	}
	keys := 0
	err = filepath.WalkDir(own, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".key") {
			return err
		}
		keys++
		if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil || keys != 3 {
		t.Errorf("%d key files, %v", keys, err)
	}
	q, err := readRequest(filepath.Join(own, "oslo.request"))
	if err != nil || q.Kind != node.AskNode || q.Name != "oslo" || q.Origin != f.Origin || q.Details.Get("address").Str != address || len(q.Keys) != 3 {
		t.Errorf("the request: %+v, %v", q, err)
	}
	if mine, err := node.LoadCluster(filepath.Join(own, "cluster.toml")); err != nil || len(mine.Nodes) != 5 || mine.Nodes[4].Votes {
		t.Errorf("the cluster file: %+v, %v", mine, err)
	}
}

// Input that ends makes nothing.
func TestNodeInitInterrupted(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	to := filepath.Join(t.TempDir(), "own")
	if status := run([]string{"milepost", "node", "init", "--ask", "--to", to}, strings.NewReader("nowhere\n"), &out, &errs); status != exitFailed || !strings.Contains(errs.String(), "the input ended") {
		t.Errorf("status %d: %s", status, errs.String())
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a directory was made")
	}
}

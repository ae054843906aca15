package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/milepost-log/milepost/node"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A release built twice, in two places, is the same byte by byte, static,
// holds no path of the machine, and has the checksums that stand beside it.
func TestReleaseIsReproducible(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves out two builds of the whole program; make test runs them")
	}
	if runtime.GOOS != "linux" {
		t.Skip("releases are made on Linux")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if out, err := exec.Command("cp", "-r", root, elsewhere).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	target := "linux/" + runtime.GOARCH
	var programs [2][]byte
	for i, from := range []string{root, elsewhere} {
		out := t.TempDir()
		if said, err := exec.CommandContext(t.Context(), filepath.Join(from, "packaging/release.sh"), out, target).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		name := "milepost-" + node.Version + "-linux-" + runtime.GOARCH
		programs[i] = []byte(readFile(t, filepath.Join(out, name)))
		sum := sha256.Sum256(programs[i])
		if want := hex.EncodeToString(sum[:]) + "  " + name + "\n"; readFile(t, filepath.Join(out, "SHA256SUMS")) != want {
			t.Errorf("SHA256SUMS is not %q", want)
		}
	}
	if !bytes.Equal(programs[0], programs[1]) {
		t.Error("two builds differ")
	}
	for _, path := range []string{root, elsewhere} {
		if bytes.Contains(programs[0], []byte(path+"/")) || bytes.Contains(programs[1], []byte(path+"/")) {
			t.Errorf("the program holds the path %s", path)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(programs[0]))
	if err != nil {
		t.Fatal(err)
	}
	if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
		t.Errorf("it is linked with %v", libs)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it is linked dynamically")
		}
	}
}

// The cluster file in compose/ is sound, each of its nodes has a service of
// the same name, and every command there is one that the program has.
func TestComposeFitsTheProgram(t *testing.T) {
	t.Parallel()
	cl, err := node.LoadCluster("../../packaging/compose/cluster.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := readFile(t, "../../packaging/compose/compose.yaml")
	if strings.Contains(text, "\t") {
		t.Error("a tab is no indentation in YAML")
	}
	_, services, _ := strings.Cut(text, "\nservices:\n")
	services, _, _ = strings.Cut(services, "\nvolumes:\n")
	run := regexp.MustCompile(`(?m)^  ([a-z]+):\n    <<: \*(milepost|node)\n(?:    profiles: \[tools\]\n)?    command: \[(.*)\]$`).FindAllStringSubmatch(services, -1)
	if n := strings.Count(services, "command:"); n != len(run) || n == 0 {
		t.Fatalf("%d services of %d are understood", len(run), n)
	}
	var nodes []string
	for _, m := range run {
		args := []string{"milepost"}
		for _, a := range strings.Split(m[3], ",") {
			args = append(args, strings.Trim(a, ` "`))
		}
		if _, err := reorder(newApp(nil, nil, nil), args); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		if m[2] == "node" {
			nodes = append(nodes, m[1])
			if !slices.Contains(args, m[1]) {
				t.Errorf("service %s runs %v", m[1], args)
			}
		}
	}
	for _, n := range cl.Nodes {
		if n.Address != n.ID+":7401" || n.Listen != "0.0.0.0:7401" {
			t.Errorf("node %s is at %s, listening on %s", n.ID, n.Address, n.Listen)
		}
		if i := slices.Index(nodes, n.ID); i < 0 {
			t.Errorf("node %s has no service", n.ID)
		} else {
			nodes = slices.Delete(nodes, i, i+1)
		}
	}
	if len(nodes) > 0 {
		t.Errorf("services without a node: %v", nodes)
	}
}

// The unit and the image start the program as it is, and the unit keeps what
// makes it hard to get out of.
func TestUnitAndImage(t *testing.T) {
	t.Parallel()
	unit := readFile(t, "../../packaging/milepost.service")
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/(.*)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatal("the unit starts nothing")
	}
	if _, err := reorder(newApp(nil, nil, nil), strings.Fields(m[1])); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		"User=milepost", "StateDirectory=milepost", "StateDirectoryMode=0700", "UMask=0077", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes",
		"CapabilityBoundingSet=", "PrivateDevices=yes", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "RestartPreventExitStatus=2",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit lacks %s", line)
		}
	}
	for _, text := range []string{unit, readFile(t, "../../packaging/node.env"), readFile(t, "../../packaging/Dockerfile")} {
		for _, name := range regexp.MustCompile(`MILEPOST_[A-Z_]+`).FindAllString(text, -1) {
			if !slices.ContainsFunc(settings, func(s struct{ env, flag, fallback string }) bool { return s.env == name }) {
				t.Errorf("%s is none of the settings", name)
			}
		}
	}
	image := readFile(t, "../../packaging/Dockerfile")
	for _, words := range []string{"CGO_ENABLED=0", "-trimpath", "FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/milepost"]`} {
		if !strings.Contains(image, words) {
			t.Errorf("the image lacks %s", words)
		}
	}
	m = regexp.MustCompile(`(?m)^CMD \[(.*)\]$`).FindStringSubmatch(image)
	if m == nil {
		t.Fatal("the image starts nothing")
	}
	args := append([]string{"milepost"}, strings.Split(strings.NewReplacer(`"`, "", " ", "").Replace(m[1]), ",")...)
	if _, err := reorder(newApp(nil, nil, nil), args); err != nil {
		t.Error(err)
	}
}

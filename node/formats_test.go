package node_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// testdata/formats/<version> is what a program of that version wrote: once it
// has landed no byte of it changes, and every later program reads it.
//
//	cluster.zip      a stopped cluster: cluster.toml, founding, policy, keys, the data of keptNodes, a backup
//	car.mileproof    a proof file         receipt.tlog-proof  a receipt of reading.record
//	trust.policy     that both are under  *.key               a key, plain and under the passphrase "demo"
//	expected.json    what is in them, and the SHA-256 of each
//
// The next version is written by
//
//	go test ./node -run TestFormats -update
//
// into the directory of formatsVersion, if that is not there yet.
const formatsVersion = "v1"

var update = flag.Bool("update", false, "TestFormats writes the directory of a new version")

const formatsDir = "testdata/formats"

// keptNodes are a majority of the voters; the other nodes catch up from them.
var keptNodes = []string{"lyon", "turin"}

// formatsExpected is expected.json.
type formatsExpected struct {
	Origin  string            `json:"origin"`
	Size    uint64            `json:"tree_size"`
	Root    string            `json:"root"`
	Subject string            `json:"subject"`
	Records int               `json:"records"`
	Scope   string            `json:"scope"`
	Key     string            `json:"key"`
	SHA256  map[string]string `json:"sha256"`
}

func TestFormats(t *testing.T) {
	t.Parallel()
	if *update {
		writeFormats(t, filepath.Join(formatsDir, formatsVersion))
	}
	dirs, err := filepath.Glob(formatsDir + "/v*")
	must(t, err)
	if len(dirs) == 0 {
		t.Fatal("no format is kept")
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			readFormats(t, dir)
		})
	}
}

func readFormats(t *testing.T, dir string) {
	var want formatsExpected
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	must(t, err)
	must(t, json.Unmarshal(data, &want))
	files := map[string][]byte{}
	for name, sum := range want.SHA256 {
		files[name], err = os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		if h := sha256.Sum256(files[name]); hex.EncodeToString(h[:]) != sum {
			t.Errorf("%s is not what landed", name)
		}
	}
	policy, err := verify.ParsePolicy(files["trust.policy"])
	must(t, err)

	rep := verify.Verify(files["car.mileproof"], verify.Options{Policy: policy, Now: time.Now(), Subject: want.Subject})
	if !rep.Verified || rep.Records != want.Records || rep.Scope() != want.Scope {
		t.Errorf("%s: %v", rep.Scope(), rep.Failure)
	}
	receipt, err := verify.ParseTLogProof(files["receipt.tlog-proof"])
	must(t, err)
	if _, err := receipt.CheckInclusion(verify.LeafHash(files["reading.record"])); err != nil {
		t.Errorf("the receipt: %v", err)
	}
	if _, err := policy.Check(receipt.Checkpoint, time.Now()); err != nil {
		t.Errorf("the head of the receipt: %v", err)
	}
	for name, passphrase := range map[string]func() ([]byte, error){"plain.key": nil, "passphrase.key": func() ([]byte, error) { return []byte("demo"), nil }} {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, files[name], 0o600))
		k, err := keyfile.ReadKeyFile(path, passphrase)
		must(t, err)
		if public, err := k.Public(); err != nil || public != want.Key {
			t.Errorf("%s is the key %s (%v)", name, public, err)
		}
	}
	readStoppedCluster(t, files["cluster.zip"], &want, policy)
}

// readStoppedCluster checks and audits the data of each node, starts all of
// them, and has them go on.
func readStoppedCluster(t *testing.T, archive []byte, want *formatsExpected, policy *verify.Policy) {
	dir := t.TempDir()
	unzip(t, archive, dir)
	c, err := node.LoadCluster(filepath.Join(dir, "cluster.toml"))
	must(t, err)
	for _, id := range keptNodes {
		rep, err := node.Audit(t.Context(), c.DataPath(id), node.AuditOptions{Policy: policy, Now: time.Now(), Temp: t.TempDir()})
		must(t, err)
		if len(rep.Wrong) > 0 || rep.Size != want.Size || rep.Root != want.Root || rep.Origin != want.Origin {
			t.Errorf("the data of %s: %+v", id, rep)
		}
		if rep := check(t, c.DataPath(id)); len(rep.Damage) > 0 || rep.Root != want.Root {
			t.Errorf("the data of %s: %+v", id, rep)
		}
	}
	m, err := node.ReadManifest(filepath.Join(dir, "backup"))
	must(t, err)
	if m.TreeSize != want.Size || m.Root != want.Root {
		t.Errorf("the backup: %+v", m)
	}
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(dir, "backup", f.Name))
		must(t, err)
		if h := sha256.Sum256(data); hex.EncodeToString(h[:]) != f.SHA256 {
			t.Errorf("%s of the backup is not what its manifest says", f.Name)
		}
	}

	// The addresses of then stand in the ledger; other ports take their place.
	ports := map[string]string{}
	for i := range c.Nodes {
		c.Nodes[i].Listen, err = embed.FreeAddress()
		must(t, err)
		ports[c.Nodes[i].Address] = c.Nodes[i].Listen
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, ports[address])
	}
	nodes := map[string]*node.Node{}
	for _, n := range c.Nodes {
		own := *c
		own.Nodes = slices.Clone(c.Nodes)
		nodes[n.ID], err = node.Start(node.Config{Cluster: &own, ID: n.ID, Dial: dial})
		must(t, err)
		t.Cleanup(func() { nodes[n.ID].Stop(context.Background()) })
		if size, root := nodes[n.ID].TreeHead(); slices.Contains(keptNodes, n.ID) && (size != want.Size || verify.Hex(root) != want.Root) {
			t.Errorf("%s starts with a tree of %d leaves, root %x", n.ID, size, root)
		}
	}
	signer, err := keyOf(t, c, dealer, keyfile.UseRecord).Signer()
	must(t, err)
	identity, err := keyOf(t, c, dealer, keyfile.UseTLS).TLS()
	must(t, err)
	pin, err := keyOf(t, c, "node/turin", keyfile.UseTLS).Public()
	must(t, err)
	cl := node.NewClient(c.Nodes[1].Address, pin, identity, dial)
	t.Cleanup(cl.Close)
	h := &cluster{t: t, origin: want.Origin, signer: signer}
	note := h.reading(want.Subject[len("vehicle/"):], 200_000)
	eventually(t, "a record taken by the nodes of then", func() bool {
		_, err := cl.Submit(t.Context(), note)
		if err != nil && !outage(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	file, err := cl.Proof(t.Context(), want.Subject)
	must(t, err)
	if rep := verify.Verify(file, verify.Options{Policy: policy, Now: time.Now(), Subject: want.Subject}); !rep.Verified || rep.Records != want.Records+1 {
		t.Errorf("the file of now: %s: %v", rep.Scope(), rep.Failure)
	}
}

func keyOf(t testing.TB, c *node.Cluster, holder, use string) *keyfile.Key {
	t.Helper()
	k, err := keyfile.ReadKeyFile(c.KeyPath(holder, use), nil)
	must(t, err)
	return k
}

// writeFormats writes the directory of a version that has not landed yet.
func writeFormats(t *testing.T, to string) {
	if _, err := os.Stat(to); err == nil {
		t.Fatalf("%s is there: what has landed never changes; a new format is a new version", to)
	}
	c := startCluster(t, nil)
	car := newVIN()
	reading := c.reading(car, 23_456)
	ans := c.ack("turin", reading)
	asked := c.asks(other, car, reading, 123_456)
	c.ack("turin", asked, c.follows(dealer, "case.evidence/1", car, asked, asked))
	size, root := c.agree()
	want := formatsExpected{Origin: c.origin, Size: size, Root: verify.Hex(root), Subject: record.VehicleSubject(car), SHA256: map[string]string{}}
	file, err := c.as("turin", dealer).Proof(t.Context(), want.Subject)
	must(t, err)
	rep := verify.Verify(file, verify.Options{Policy: c.policy(), Now: time.Now()})
	want.Records, want.Scope = rep.Records, rep.Scope()
	receipt, err := c.as("turin", dealer).Receipt(t.Context(), ans.Records[0].LeafHash)
	must(t, err)
	for _, id := range c.IDs() {
		c.eventually("the newest head at "+id, func() bool { return c.Nodes[id].Status().Published == size })
	}
	c.Stop()

	from := c.Cluster.Cluster.Path()
	_, err = c.backup("lyon", filepath.Join(from, "backup"))
	must(t, err)
	relative := *c.Cluster.Cluster
	relative.Dir = "."
	text, err := toml.Marshal(&relative)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(from, "cluster.toml"), text, 0o600))
	key := c.key(dealer, keyfile.UseRecord)
	want.Key, err = key.Public()
	must(t, err)
	keys := t.TempDir()
	must(t, key.WriteFile(filepath.Join(keys, "plain.key"), nil))
	must(t, key.WriteFile(filepath.Join(keys, "passphrase.key"), []byte("demo")))
	plain, err := os.ReadFile(filepath.Join(keys, "plain.key"))
	must(t, err)
	sealed, err := os.ReadFile(filepath.Join(keys, "passphrase.key"))
	must(t, err)
	policy, err := os.ReadFile(c.Cluster.Cluster.PolicyPath())
	must(t, err)

	must(t, os.MkdirAll(to, 0o755))
	write := func(name string, data []byte) {
		must(t, os.WriteFile(filepath.Join(to, name), data, 0o644))
		h := sha256.Sum256(data)
		want.SHA256[name] = hex.EncodeToString(h[:])
	}
	for name, data := range map[string][]byte{"car.mileproof": file, "receipt.tlog-proof": receipt, "reading.record": reading,
		"trust.policy": policy, "plain.key": plain, "passphrase.key": sealed, "cluster.zip": zipped(t, from)} {
		write(name, data)
	}
	data, err := json.MarshalIndent(want, "", "  ")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(to, "expected.json"), append(data, '\n'), 0o644))
}

func zipped(t testing.TB, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && filepath.Base(filepath.Dir(path)) == "data" && !slices.Contains(keptNodes, d.Name()) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		w, err := z.Create(filepath.ToSlash(name))
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}))
	must(t, z.Close())
	return b.Bytes()
}

func unzip(t testing.TB, archive []byte, dir string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	must(t, err)
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) {
			t.Fatalf("%s leads out of the archive", f.Name)
		}
		path := filepath.Join(dir, f.Name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		r, err := f.Open()
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(path, data, 0o600)) // keys that others can read are refused
	}
}
